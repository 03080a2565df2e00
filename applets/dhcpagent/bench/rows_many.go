package main

import (
	"fmt"
	"net/netip"
	"time"

	"daemonbox/applets/dhcpagent/interop/peer"
	"daemonbox/core/netlab"
	"daemonbox/core/rtnl"
)

// interfaces measures one process with many interfaces at one switch.
func (b *bench) interfaces() error {
	for _, f := range []struct {
		n      int
		due    time.Duration
		memory float64
	}{{100, 350 * time.Millisecond, 0}, {500, 2 * time.Second, 20}} {
		if err := b.many(f.n, f.due, f.memory); err != nil {
			return fmt.Errorf("%d interfaces: %w", f.n, err)
		}
	}
	return nil
}

// crowd is a client host with many interfaces, each with a cable to a port of
// a switch with a server. The ports are isolated from each other, or every
// broadcast would cost as many copies as there are ports.
type crowd struct {
	b     *bench
	c, s  *netlab.Host
	names []string
	rec   *netlab.Recorder
	sniff *peer.Scripted
}

func (b *bench) newCrowd(l *netlab.Lab, n int) (*crowd, error) {
	w := &crowd{b: b}
	var err error
	if w.c, err = l.Host("client", netlab.Overlay(b.peers)); err != nil {
		return nil, err
	}
	if w.s, err = l.Switch("server", netlab.Overlay(b.peers)); err != nil {
		return nil, err
	}
	var ports []string
	for i := range n {
		w.names = append(w.names, fmt.Sprintf("m%d", i))
		ports = append(ports, fmt.Sprintf("p%d", i))
	}
	if _, err := l.Links(w.c, w.names, w.s, ports); err != nil {
		return nil, err
	}
	for _, p := range ports {
		if err := w.s.Isolate(p); err != nil {
			return nil, err
		}
	}
	addr := netip.MustParsePrefix("10.0.0.1/8")
	if err := w.s.AddAddr(netlab.Bridge, addr); err != nil {
		return nil, err
	}
	// A wide range: dnsmasq picks addresses by a hash and may offer one to two
	// clients at the same moment.
	_, err = peer.Dnsmasq(w.s, "--interface="+netlab.Bridge, "--quiet-dhcp", "--dhcp-authoritative", "--dhcp-lease-max=10000",
		"--dhcp-range=10.1.0.0,10.254.255.255,255.0.0.0,1h")
	if err != nil {
		return nil, err
	}
	if w.rec, err = w.c.Record(); err != nil {
		return nil, err
	}
	w.sniff, err = peer.Serve(w.s, netlab.Bridge, addr.Addr(), func(*peer.Message) []*peer.Message { return nil })
	return w, err
}

// allBound runs a client until every interface has an address.
func (w *crowd) allBound(args []string) (took time.Duration, discovers, rss int, err error) {
	if err := reset(w.c, w.names, w.rec); err != nil {
		return 0, 0, 0, err
	}
	before := len(w.sniff.Seen(peer.Discover))
	p, err := w.b.start(w.c, args)
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.end()
	seen := map[int]bool{}
	e, err := w.rec.Await(90*time.Second, func(e netlab.Recorded) bool {
		if e.Kind == rtnl.AddrNew && e.Addr.Prefix.Addr().As4()[0] == 10 {
			seen[e.Addr.Index] = true
		}
		return len(seen) == len(w.names)
	})
	if err != nil {
		return never, 0, 0, nil
	}
	time.Sleep(settle)
	return e.At.Round(0).Sub(p.at), len(w.sniff.Seen(peer.Discover)) - before, residentKiB(p.Pid()), nil
}

// peerEvery is how many rounds go by between two of the peer's.
func peerEvery(n int) int {
	if n > 100 {
		return 1000 // once: it is not done within the limit
	}
	return 8
}

// many measures n interfaces. dhcpcd is the only peer that serves many with
// one process; it takes long, and so is measured in fewer rounds.
func (b *bench) many(n int, due time.Duration, memory float64) error {
	got, rss := map[string]series{}, map[string]series{}
	again := 0
	err := withLab(func(l *netlab.Lab) error {
		w, err := b.newCrowd(l, n)
		if err != nil {
			return err
		}
		defer w.rec.Close()
		defer w.sniff.Close()
		for round := range b.rounds + 1 {
			t, discovers, m, err := w.allBound(b.agent("-o", "ACD=off", "m*"))
			if err != nil {
				return err
			}
			b.note("%s %s, %d DISCOVERs, %d KiB", ours, format(t), discovers, m)
			if round > 0 {
				got[ours] = append(got[ours], t)
				rss[ours] = append(rss[ours], time.Duration(m))
				again += max(0, discovers-n)
			}
			if round%peerEvery(n) != 1 {
				continue
			}
			t, discovers, m, err = w.allBound([]string{"dhcpcd", "-4", "-B", "-A", "--nodelay", "--nodev", "-z", "m*"})
			if err != nil {
				return err
			}
			b.note("dhcpcd %s, %d DISCOVERs, %d KiB", format(t), discovers, m)
			got["dhcpcd"] = append(got["dhcpcd"], t)
			rss["dhcpcd"] = append(rss["dhcpcd"], time.Duration(m))
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.table.addTimes(fmt.Sprintf("%d interfaces, exec to all bound", n), got, limit{most: due})
	b.table.addText(fmt.Sprintf("… DISCOVERs sent again, %d interfaces", n), map[string]string{ours: fmt.Sprint(again)}, "0", again == 0, "over all rounds")
	if memory > 0 {
		b.addMemory(fmt.Sprintf("resident memory, %d interfaces", n), rss, memory)
	}
	return nil
}
