package dhcp4

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/timer"

	"github.com/google/go-cmp/cmp"
)

// TestCommandsByState is the table of commands by state, cell by cell.
func TestCommandsByState(t *testing.T) {
	const order = "drop extend ping release start status inform get-tag"
	table := []struct {
		state State
		cells string
	}{
		{Init, "1 0 1 0 1 1 1 0"},
		{Selecting, "1 0 1 0 1 1 0 0"},
		{Requesting, "1 0 1 0 1 1 0 0"},
		{PreBound, "1 1 1 1 R 1 0 1"},
		{Bound, "1 1 1 1 R 1 0 1"},
		{Renewing, "1 1 1 1 R 1 0 1"},
		{Rebinding, "1 1 1 1 R 1 0 1"},
		{Information, "1 0 1 0 1 1 1 1"},
		{InitReboot, "1 0 1 1 1 1 0 0"},
		{Adopting, "1 0 1 1 R 1 0 0"},
		{InformSent, "1 0 1 0 1 1 1 0"},
		{Declining, "1 1 1 1 R 1 0 1"},
		{Releasing, "1 0 1 0 0 1 0 1"},
	}
	codes := map[string]api.Code{"1": api.Success, "0": api.OutState, "R": api.Running}
	for _, row := range table {
		cells := strings.Fields(row.cells)
		for i, name := range strings.Fields(order) {
			cmd, ok := api.ParseCommand(name)
			if !ok {
				t.Fatal(name)
			}
			c := newBench(t, testConfig()).c
			c.state = row.state
			if got := c.Check(cmd); got != codes[cells[i]] {
				t.Errorf("%v in %v: %v, want %v", cmd, row.state, got.Name(), codes[cells[i]].Name())
			}
			c.lease = &lease{bootp: true}
			want := codes[cells[i]]
			if cmd == api.Extend || cmd == api.Release || cmd == api.Inform {
				want = api.Bootp
			}
			if got := c.Check(cmd); got != want {
				t.Errorf("%v on a BOOTP lease in %v: %v, want %v", cmd, row.state, got.Name(), want.Name())
			}
		}
		for _, cmd := range []api.Command{api.List, api.Version, api.Subscribe} {
			if got := newBench(t, testConfig()).c.Check(cmd); got != api.CmdUnknown {
				t.Errorf("%v: %v", cmd, got)
			}
		}
	}
}

// situations are the ways into every state.
var situations = []struct {
	name  string
	state State
	setup func(b *bench)
}{
	{"INIT", Init, func(b *bench) {}},
	{"INIT waiting", Init, func(b *bench) {
		b.command(1, api.Start, time.Hour)
		b.offer()
		b.nak()
		b.offer()
		b.nak()
	}},
	{"SELECTING", Selecting, func(b *bench) { b.command(1, api.Start, time.Hour) }},
	{"REQUESTING", Requesting, func(b *bench) { b.command(1, api.Start, time.Hour); b.offer() }},
	{"PRE_BOUND", PreBound, func(b *bench) {
		b.cfg.ACD = ACDFast
		b.command(1, api.Start, time.Hour)
		b.offer()
		b.ack()
	}},
	{"BOUND", Bound, func(b *bench) { b.bind() }},
	{"BOUND script", Bound, func(b *bench) {
		b.command(1, api.Start, time.Hour)
		b.offer()
		b.ack()
	}},
	{"BOUND bootp", Bound, func(b *bench) {
		b.command(1, api.Start, time.Hour)
		b.packet(answer{yi: testAddr})
		b.hookDone()
	}},
	{"RENEWING", Renewing, func(b *bench) { b.bind(); b.fireOwn(TimerT1) }},
	{"RENEWING user", Renewing, func(b *bench) { b.bind(); b.command(2, api.Extend, time.Hour) }},
	{"REBINDING", Rebinding, func(b *bench) { b.bind(); b.fireOwn(TimerT1); b.fireOwn(TimerT2) }},
	{"REBINDING script", Rebinding, func(b *bench) {
		b.bind()
		b.fireOwn(TimerT1)
		b.fireOwn(TimerT2)
		b.nak() // EXPIRE runs
	}},
	{"INFORMATION", Information, func(b *bench) {
		b.command(1, api.Inform, time.Hour, func(r *Request) { r.Addr = netip.PrefixFrom(testAddr, 24) })
		b.packet(answer{typ: typeAck, server: testServer})
		b.hookDone()
	}},
	{"INIT_REBOOT", InitReboot, func(b *bench) {
		b.command(1, api.Start, time.Hour, func(r *Request) { r.Saved = b.oldLease() })
	}},
	{"INIT_REBOOT holding", InitReboot, func(b *bench) { b.bind(); b.carrier(false); b.carrier(true) }},
	{"INFORM_SENT", InformSent, func(b *bench) {
		b.command(1, api.Inform, time.Hour, func(r *Request) { r.Addr = netip.PrefixFrom(testAddr, 24) })
	}},
	{"RELEASING", Releasing, func(b *bench) { b.bind(); b.command(2, api.Release, time.Hour); b.hookDone() }},
	{"dropping", Bound, func(b *bench) { b.bind(); b.command(2, api.Drop, time.Hour) }},
	{"gone", Bound, func(b *bench) { b.bind(); b.command(2, api.Drop, time.Hour); b.hookDone() }},
}

func (b *bench) fireOwn(id TimerID) {
	at, ok := b.timers[id]
	if !ok {
		b.t.Fatalf("timer %s not pending", timerName(id))
	}
	delete(b.timers, id)
	b.now = max(b.now, at)
	b.do(func(out *Effects) { b.c.Timer(b.now, id, out) })
}

func (b *bench) oldLease() *Saved {
	return &Saved{
		Current: b.reply(answer{typ: typeAck, yi: testAddr, server: testServer, lease: 3600, xid: 7}),
		Start:   b.now.Add(-time.Minute), HWType: 1, HWAddr: testHW,
	}
}

// stimuli are all inputs.
func stimuli() []stimulus {
	list := []stimulus{
		{"offer", func(b *bench) { b.offer() }},
		{"bootp reply", func(b *bench) { b.packet(answer{yi: testAddr}) }},
		{"ack", func(b *bench) { b.ack() }},
		{"ack of another address", func(b *bench) {
			b.packet(answer{typ: typeAck, yi: netip.MustParseAddr("192.0.2.66"), server: testServer, lease: 3600})
		}},
		{"ack of another server", func(b *bench) {
			b.packet(answer{typ: typeAck, yi: testAddr, server: netip.MustParseAddr("192.0.2.2"), lease: 3600})
		}},
		{"nak", func(b *bench) { b.nak() }},
		{"nak of another server", func(b *bench) {
			b.packet(answer{typ: typeNak, server: netip.MustParseAddr("192.0.2.2")})
		}},
		{"another xid", func(b *bench) { b.packet(answer{typ: typeNak, server: testServer, xid: 1}) }},
		{"our own kind of message", func(b *bench) { b.packet(answer{typ: typeDiscover}) }},
		{"arp conflict", func(b *bench) {
			b.arp(frame.ARP{Op: 1, SenderHW: [6]byte{2, 9}, SenderIP: testAddr, TargetIP: testAddr}, false)
		}},
		{"arp of our own", func(b *bench) {
			b.arp(frame.ARP{Op: 1, SenderHW: [6]byte{2, 9}, SenderIP: testAddr, TargetIP: testAddr}, true)
		}},
		{"carrier lost", func(b *bench) { b.carrier(false) }},
		{"carrier flap", func(b *bench) { b.carrier(false); b.carrier(true) }},
		{"link as before", func(b *bench) { b.setLink(b.link) }},
		{"new hardware address", func(b *bench) {
			l := b.link
			l.HWAddr = []byte{2, 0, 0, 0, 0, 2}
			b.setLink(l)
		}},
		{"link gone", func(b *bench) { b.do(func(out *Effects) { b.c.LinkGone(b.now, out) }) }},
		{"address deleted", func(b *bench) { b.do(func(out *Effects) { b.c.AddressChanged(b.now, AddrDeleted, out) }) }},
		{"resume", func(b *bench) { b.do(func(out *Effects) { b.c.Resume(b.now, out) }) }},
		{"hint", func(b *bench) { b.do(func(out *Effects) { b.c.Hint(b.now, out) }) }},
		{"failure", func(b *bench) { b.do(func(out *Effects) { b.c.Fail(b.now, errKernel, out) }) }},
		{"script ends", func(b *bench) {
			if b.hook != 0 {
				b.hookDone()
			}
		}},
		{"end of no script", func(b *bench) { b.do(func(out *Effects) { b.c.HookDone(b.now, 999, out) }) }},
		{"answer to no configure", func(b *bench) { b.do(func(out *Effects) { b.c.Configured(b.now, 999, nil, out) }) }},
		{"slot not asked for", func(b *bench) { b.do(func(out *Effects) { b.c.Slot(b.now, out) }) }},
		{"abandon", func(b *bench) { b.do(func(out *Effects) { b.c.Abandon(b.now, 1, out) }) }},
		{"shutdown", func(b *bench) { b.do(func(out *Effects) { b.c.Shutdown(b.now, out) }) }},
		{"adopt", func(b *bench) { s := b.oldLease(); b.do(func(out *Effects) { b.c.Adopt(b.now, s, out) }) }},
	}
	for _, cmd := range []api.Command{api.Start, api.Extend, api.Inform, api.Release, api.Drop} {
		list = append(list, stimulus{cmd.String(), func(b *bench) {
			b.command(77, cmd, time.Hour, func(r *Request) { r.Addr = netip.PrefixFrom(testAddr, 24) })
		}})
	}
	for id := TimerID(0); id < NumTimers; id++ {
		list = append(list, stimulus{"timer " + timerName(id), func(b *bench) {
			if _, ok := b.timers[id]; ok {
				b.fireOwn(id)
				return
			}
			b.do(func(out *Effects) { b.c.Timer(b.now, id, out) })
		}})
	}
	return list
}

type stimulus struct {
	name string
	give func(b *bench)
}

// TestEveryInputInEveryState compares what each input does in each state with
// testdata/states.table: the new state and the effects in short, "-" for
// nothing.
func TestEveryInputInEveryState(t *testing.T) {
	const file = "testdata/states.table"
	var out strings.Builder
	reached := map[State]bool{}
	for _, s := range situations {
		fmt.Fprintf(&out, "%s\n", s.name)
		for _, in := range stimuli() {
			b := newBench(t, testConfig())
			s.setup(b)
			b.want(s.state)
			reached[s.state] = true
			b.log = nil
			in.give(b)
			fmt.Fprintf(&out, "  %-24s %s\n", in.name, summary(b, s.state))
		}
	}
	for s := Init; s < numStates; s++ {
		if !reached[s] && s != Adopting && s != Declining {
			t.Errorf("no situation for %v", s)
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), out.String()); d != "" {
		t.Errorf("table differs (-want +got), see -update:\n%s", d)
	}
}

// summary tells the state if it changed and the effects by their first words,
// timers last.
func summary(b *bench, was State) string {
	var words []string
	for _, l := range b.log {
		f := strings.Fields(l)
		switch f[0] {
		case "arm", "disarm", "yield", "acquire", "info:", "warn:", "error:", "notice:", "debug:", "refresh", "forget",
			"probing", "save":
			continue
		case "send", "hook", "reply", "configure":
			if f[0] == "reply" {
				f[1] = f[2]
			}
			if f[0] == "configure" && f[1] != "nothing" {
				f[1] = "net"
			}
			words = append(words, f[0]+" "+f[1])
		case "stop":
			words = append(words, "stop hook")
		default:
			words = append(words, f[0])
		}
	}
	if b.c.state != was {
		words = append([]string{"-> " + b.c.state.String()}, words...)
	}
	var pending []string
	for id := TimerID(0); id < NumTimers; id++ {
		if b.c.timers[id] != timer.Never {
			pending = append(pending, timerName(id))
		}
	}
	slices.Sort(pending)
	if len(words) == 0 {
		words = []string{"-"}
	}
	return strings.Join(words, ", ") + " [" + strings.Join(pending, " ") + "]"
}
