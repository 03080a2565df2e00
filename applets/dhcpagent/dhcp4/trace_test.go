package dhcp4

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/timer"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the traces in testdata")

// TestTraces runs the scripts in testdata. A line that begins with "> " is an
// input, "#" a comment; the rest is what the client wanted then, and the state
// it was in. The agent grants slots and configures interfaces at once; event
// scripts end by "> hook" unless "hooks on" was said. After a change the files are
// written anew by -update, and the difference is read.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runTrace(t, string(data))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(data), got); d != "" {
				t.Errorf("trace differs (-want +got), see -update:\n%s", d)
			}
		})
	}
}

func runTrace(t *testing.T, script string) string {
	var out strings.Builder
	cfg := testConfig()
	b := newBench(t, cfg)
	for _, line := range strings.Split(script, "\n") {
		switch {
		case strings.HasPrefix(line, "#"), line == "":
			fmt.Fprintln(&out, line)
		case strings.HasPrefix(line, "> "):
			b.take()
			traceInput(t, b, strings.Fields(line[2:]))
			fmt.Fprintln(&out, line)
			for _, l := range b.take() {
				fmt.Fprintln(&out, l)
			}
			fmt.Fprintf(&out, "= %s %v\n", b.clock(), b.c.State())
		}
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

// traceArgs are the name=value words of an input.
type traceArgs map[string]string

func (a traceArgs) addr(t *testing.T, name string, def netip.Addr) netip.Addr {
	if v, ok := a[name]; ok {
		if v == "none" {
			return netip.Addr{}
		}
		return netip.MustParseAddr(v)
	}
	return def
}

func (a traceArgs) number(t *testing.T, name string, def int64) int64 {
	v, ok := a[name]
	if !ok {
		return def
	}
	n, err := strconv.ParseInt(v, 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (a traceArgs) duration(t *testing.T, name string, def time.Duration) time.Duration {
	v, ok := a[name]
	if !ok {
		return def
	}
	if v == "forever" {
		return -1
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func traceInput(t *testing.T, b *bench, words []string) {
	args := traceArgs{}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		args[name] = value
	}
	switch words[0] {
	case "config":
		traceConfig(t, b, args)
	case "start", "extend", "inform", "release", "drop":
		traceCommand(t, b, words[0], args)
	case "offer", "ack", "nak", "bootp":
		tracePacket(t, b, words[0], args)
	case "advance":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			t.Fatal(err)
		}
		b.advance(d)
	case "sleep": // the host sleeps: timers come due without being looked at
		d, err := time.ParseDuration(words[1])
		if err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(d)
		b.do(func(out *Effects) { b.c.Resume(b.now, out) })
		b.advance(0)
	case "hook":
		if b.hook == 0 {
			t.Fatal("no script runs")
		}
		b.hookDone()
	case "hooks":
		b.hooks = words[1] == "on"
	case "configure":
		b.configErr = nil
		if words[1] == "fails" {
			b.configErr = errKernel
		}
	case "carrier":
		l := b.link
		l.Up = words[1] == "on"
		_, l.Spread = args["spread"]
		b.setLink(l)
	case "link":
		l := b.link
		if v, ok := args["name"]; ok {
			l.Name = v
		}
		l.MTU = int(args.number(t, "mtu", int64(l.MTU)))
		if v, ok := args["hw"]; ok {
			l.HWAddr = []byte{2, 0, 0, 0, 0, v[0]}
		}
		b.setLink(l)
	case "arp":
		p := frame.ARP{Op: uint16(args.number(t, "op", 1)), SenderHW: [6]byte{2, 0, 0, 0, 0, 0x99}}
		p.SenderIP = args.addr(t, "sender", anyAddr)
		p.TargetIP = args.addr(t, "target", testAddr)
		_, local := args["local"]
		b.arp(p, local)
	case "gone":
		b.do(func(out *Effects) { b.c.LinkGone(b.now, out) })
	case "deleted":
		b.do(func(out *Effects) { b.c.AddressChanged(b.now, AddrDeleted, out) })
	case "taken":
		b.do(func(out *Effects) { b.c.AddressChanged(b.now, AddrTaken, out) })
	case "abandon":
		b.do(func(out *Effects) { b.c.Abandon(b.now, uint64(args.number(t, "id", 1)), out) })
	case "hint":
		b.do(func(out *Effects) { b.c.Hint(b.now, out) })
	case "shutdown":
		b.do(func(out *Effects) { b.c.Shutdown(b.now, out) })
	case "adopt":
		s := traceSaved(t, b, args)
		b.do(func(out *Effects) { b.c.Adopt(b.now, s, out) })
	case "fail":
		b.do(func(out *Effects) { b.c.Fail(b.now, errKernel, out) })
	case "status":
		s := b.c.Status()
		b.logf("  sent %d recv %d bad %d busy %v failed %v removed %v bootp %v wait %q error %q", s.Sent, s.Recv,
			s.BadOffers, s.Busy, s.Failed, s.Removed, s.Bootp, s.WaitFor, s.LastError)
	default:
		t.Fatalf("unknown input %q", words[0])
	}
}

func traceConfig(t *testing.T, b *bench, args traceArgs) {
	cfg := *b.cfg
	for name, v := range args {
		on := v == "yes"
		switch name {
		case "acd":
			cfg.ACD = map[string]ACDMode{"fast": ACDFast, "full": ACDFull, "off": ACDOff, "optimistic": ACDOptimistic}[v]
		case "offerwait":
			cfg.OfferWait = args.duration(t, name, 0)
		case "startdelay":
			cfg.StartDelay = args.duration(t, name, 0)
		case "verified":
			cfg.VerifiedLeaseOnly = on
		case "sigterm":
			cfg.ReleaseOnSigterm = on
		case "keep":
			cfg.KeepOnExpiry = on
		case "extra":
			cfg.HookExtra = on
		case "followshw":
			cfg.ClientIDFollowsHW = on
		case "debug":
			cfg.LogLevel = -4
		case "mtu":
			cfg.MTU = MTULink
		default:
			t.Fatalf("unknown setting %q", name)
		}
	}
	b.cfg = &cfg
	b.c.SetConfig(&cfg)
}

func traceSaved(t *testing.T, b *bench, args traceArgs) *Saved {
	secs := args.number(t, "lease", 3600)
	raw := b.reply(answer{
		typ: typeAck, yi: args.addr(t, "yi", testAddr), server: args.addr(t, "server", testServer), lease: uint32(secs),
		xid: 7, opts: []byte{3, 4, 192, 0, 2, 1},
	})
	_, held := args["held"]
	_, stands := args["stands"]
	_, verify := args["verify"]
	return &Saved{
		Current: raw, Start: b.now.Add(-args.duration(t, "age", 0)), Held: held, Stands: stands, Verify: verify,
		HWType: 1, HWAddr: testHW,
	}
}

func traceCommand(t *testing.T, b *bench, name string, args traceArgs) {
	cmd, ok := api.ParseCommand(name)
	if !ok {
		t.Fatal(name)
	}
	b.command(uint64(args.number(t, "id", 1)), cmd, args.duration(t, "wait", 120*time.Second), func(r *Request) {
		r.Hostname = args["host"]
		if _, ok := args["saved"]; ok {
			r.Saved = traceSaved(t, b, args)
		}
		if v, ok := args["addr"]; ok {
			r.Addr = netip.MustParsePrefix(v)
		}
	})
}

func tracePacket(t *testing.T, b *bench, name string, args traceArgs) {
	a := answer{
		typ: map[string]uint8{"offer": typeOffer, "ack": typeAck, "nak": typeNak, "bootp": 0}[name],
		yi:  args.addr(t, "yi", testAddr), server: args.addr(t, "server", testServer),
		lease: uint32(args.number(t, "lease", 3600)), xid: uint32(args.number(t, "xid", 0)),
	}
	switch a.typ {
	case 0:
		a.server, a.lease = netip.Addr{}, 0
	case typeNak:
		a.yi, a.lease = netip.Addr{}, 0
	}
	if _, ok := args["vendor"]; ok {
		a.opts = append(a.opts, optVendor, 2, 1, 0)
	}
	if v, ok := args["router"]; ok {
		a.opts = appendAddr(a.opts, optRouter, netip.MustParseAddr(v))
	}
	if n := args.number(t, "mtu", 0); n != 0 {
		a.opts = append(a.opts, optMTU, 2, byte(n>>8), byte(n))
	}
	if v, ok := args["text"]; ok {
		a.opts = appendOption(a.opts, optMessage, []byte(v))
	}
	if args["id"] == "foreign" {
		a.opts = append(a.opts, optClientID, 2, 0, 9)
	}
	if args["hw"] == "foreign" {
		a.hw = []byte{2, 0, 0, 0, 0, 0x77}
	}
	if n := args.number(t, "t1", 0); n != 0 {
		a.opts = append(a.opts, optT1, 4, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
		n = args.number(t, "t2", 0)
		a.opts = append(a.opts, optT2, 4, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	b.packet(a)
}

var _ = timer.Never
