package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/interop/peer"
	"daemonbox/core/netlab"
	"daemonbox/core/rtnl"
)

// The network of a lane.
var (
	serverNet = netip.MustParsePrefix("192.0.2.1/24")
	network   = serverNet.Masked()
)

// variant is a client with the options of a row.
type variant struct {
	column string
	args   []string // up to and including the interface
}

// variants returns the clients with duplicate detection off, or as the client
// has it when told to do it.
func (b *bench) variants(acd bool) []variant {
	out := []variant{{ours, b.agent("-o", "ACD=off", "eth0")}}
	if acd {
		out[0].args = b.agent("eth0")
	}
	for _, c := range peer.Clients() {
		extra := c.NoACD
		if acd {
			extra = c.ACD
		}
		if extra != nil {
			out = append(out, variant{c.Name, c.Command("eth0", extra...)})
		}
	}
	return out
}

// defaults returns all clients as they are without any options.
func (b *bench) defaults() []variant {
	out := []variant{{ours, b.agent("eth0")}}
	for _, c := range peer.Clients() {
		out = append(out, variant{c.Name, c.Command("eth0")})
	}
	return out
}

// agent is the command line of the agent.
func (b *bench) agent(args ...string) []string {
	return append([]string{b.bin, "dhcpagent", "-f"}, args...)
}

// lane is a client host and a server host with a cable between their eth0.
type lane struct {
	b     *bench
	c, s  *netlab.Host
	cable *netlab.Cable
	rec   *netlab.Recorder
	acks  *ackLog
}

// newLane builds a lane in a lab.
func (b *bench) newLane(l *netlab.Lab, name string) (*lane, error) {
	n := &lane{b: b}
	var err error
	if n.c, err = l.Host(name+"-client", netlab.Overlay(b.peers)); err != nil {
		return nil, err
	}
	if n.s, err = l.Host(name+"-server", netlab.Overlay(b.peers)); err != nil {
		return nil, err
	}
	if n.cable, err = l.Link(n.c, "eth0", n.s, "eth0"); err != nil {
		return nil, err
	}
	if err := n.s.AddAddr("eth0", serverNet); err != nil {
		return nil, err
	}
	if n.rec, err = n.c.Record(); err != nil {
		return nil, err
	}
	n.acks, err = listenAcks(n.c)
	return n, err
}

// close ends what the lane itself opened.
func (n *lane) close() {
	n.rec.Close()
	n.acks.wire.Close()
}

// dnsmasq starts the usual server of the lane.
func (n *lane) dnsmasq() (*peer.Server, error) {
	return peer.Dnsmasq(n.s, "--interface=eth0", "--quiet-dhcp", "--dhcp-authoritative",
		"--dhcp-range=192.0.2.64,192.0.2.127,1h", "--dhcp-option=option:router,192.0.2.1", "--dhcp-option=option:dns-server,192.0.2.1")
}

// stateDirs is where the clients keep what the next round must not see.
var stateDirs = []string{"/var/lib/dhcpagent", "/var/lib/dhcp", "/var/lib/dhcpcd", "/run/dhcpagent", "/run/dhcpcd"}

// reset takes the client's addresses and state away.
func (n *lane) reset() error {
	return reset(n.c, []string{"eth0"}, n.rec)
}

func reset(h *netlab.Host, ifs []string, rec *netlab.Recorder) error {
	err := h.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		addrs, err := c.Addrs(0, unix.AF_INET)
		if err != nil {
			return err
		}
		lo, err := c.LinkByName("lo")
		if err != nil {
			return err
		}
		for _, a := range addrs {
			if a.Index != lo.Index {
				b.DelAddr(a)
			}
		}
		for _, dir := range stateDirs {
			if err := emptyDir(dir); err != nil {
				return err
			}
		}
		return os.WriteFile("/etc/resolv.conf", nil, 0o644)
	})
	if err != nil {
		return fmt.Errorf("reset %s: %w", h.Name(), err)
	}
	rec.Reset()
	return nil
}

func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// ackLog notes when ACKs come in.
type ackLog struct {
	wire *peer.Wire
	mu   sync.Mutex
	at   []time.Time
}

func listenAcks(h *netlab.Host) (*ackLog, error) {
	w, err := peer.OpenWire(h, "eth0", unix.ETH_P_IP)
	if err != nil {
		return nil, err
	}
	l := &ackLog{wire: w}
	go func() {
		b := make([]byte, 4096)
		for {
			k, err := w.Recv(b)
			if errors.Is(err, unix.ENETDOWN) {
				continue
			}
			if err != nil {
				return
			}
			if m := peer.ParseFrame(b[:k]); m != nil && m.Type() == peer.Ack {
				l.mu.Lock()
				l.at = append(l.at, time.Now())
				l.mu.Unlock()
			}
		}
	}()
	return l, nil
}

// after returns the time of the first ACK from a moment on.
func (l *ackLog) after(from time.Time, limit time.Duration) (time.Time, bool) {
	var at time.Time
	err := netlab.Wait(limit, func() (bool, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, t := range l.at {
			if t.After(from) {
				at = t
				return true, nil
			}
		}
		return false, nil
	})
	return at, err == nil
}

// lab runs fn with a lab.
func withLab(fn func(l *netlab.Lab) error) error {
	l, err := netlab.New()
	if err != nil {
		return err
	}
	err = fn(l)
	return errors.Join(err, l.Close())
}

// inLanes runs a measurement for every client in b.rounds lanes at a time,
// which is for figures of seconds that are mostly spent waiting. The lanes are
// made first, and begin one after the other.
func (b *bench) inLanes(vs []variant, gap time.Duration, one func(n *lane, v variant, round int) (time.Duration, error)) (map[string]series, error) {
	got := map[string]series{}
	err := withLab(func(l *netlab.Lab) error {
		lanes := make([]*lane, b.rounds*len(vs))
		for i := range lanes {
			n, err := b.newLane(l, fmt.Sprintf("%s-%d", vs[i%len(vs)].column, i))
			if err != nil {
				return err
			}
			defer n.close()
			lanes[i] = n
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var errs []error
		for i, n := range lanes {
			v := vs[i%len(vs)]
			wg.Go(func() {
				d, err := one(n, v, i/len(vs))
				mu.Lock()
				defer mu.Unlock()
				b.note("%s %s %s", v.column, format(d), errText(err))
				got[v.column] = append(got[v.column], d)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", v.column, err))
				}
			})
			time.Sleep(gap)
		}
		wg.Wait()
		return errors.Join(errs...)
	})
	return got, err
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
