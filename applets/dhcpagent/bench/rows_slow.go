package main

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"daemonbox/applets/dhcpagent/interop/peer"
	"daemonbox/core/netlab"
	"daemonbox/core/rtnl"
)

// restart kills a bound client and starts it again on an untouched link; what
// counts is the ACK that confirms the lease.
func (b *bench) restart() error {
	vs := b.variants(false)
	got := map[string]series{}
	missing := 0
	err := withLab(func(l *netlab.Lab) error {
		for round := range b.rounds {
			for i, v := range vs {
				// A lane for each, since every round needs a fresh server too: dnsmasq
				// would answer a client that it knows in another way.
				n, err := b.newLane(l, fmt.Sprintf("r%d-%d", round, i))
				if err != nil {
					return err
				}
				d, gone, err := n.killed(v)
				n.close()
				if err != nil {
					return err
				}
				b.note("%s %s, address removed: %v", v.column, format(d), gone)
				got[v.column] = append(got[v.column], d)
				if gone && v.column == ours {
					missing++
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.table.addTimes("SIGKILL and restart, exec to ACK", got, limit{most: 10 * time.Millisecond})
	b.table.addText("… rounds in which the address was missing", map[string]string{ours: fmt.Sprint(missing)}, "0", missing == 0, "")
	return nil
}

// killed measures one restart.
func (n *lane) killed(v variant) (took time.Duration, gone bool, err error) {
	srv, err := n.dnsmasq()
	if err != nil {
		return 0, false, err
	}
	defer srv.Kill()
	if _, err := n.fresh(v); err != nil { // ends with SIGKILL
		return 0, false, err
	}
	n.rec.Reset()
	p, err := n.b.start(n.c, v.args)
	if err != nil {
		return 0, false, err
	}
	defer p.end()
	at, ok := n.acks.after(p.at, 20*time.Second)
	if !ok {
		return never, false, nil
	}
	time.Sleep(settle)
	return at.Round(0).Sub(p.at), len(n.rec.Removed()) > 0, nil
}

// moving is a script that grants one address, refuses its renewal by a
// broadcast NAK and then grants another.
type moving struct {
	mu      sync.Mutex
	refused time.Time
	told    chan struct{}
}

var (
	oldAddr = netip.MustParseAddr("192.0.2.70")
	newAddr = netip.MustParseAddr("192.0.2.71")
)

func (s *moving) answer(m *peer.Message) []*peer.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	times := []peer.Option{
		{Code: peer.OptRouter, Value: serverNet.Addr().AsSlice()},
		{Code: peer.OptT1, Value: peer.Seconds(4)},
		{Code: peer.OptT2, Value: peer.Seconds(16)},
	}
	if !s.refused.IsZero() {
		return peer.Simple(serverNet, newAddr, 30, times...)(m)
	}
	if m.Type() == peer.Request && m.CIAddr == oldAddr {
		s.refused = time.Now()
		close(s.told)
		return []*peer.Message{m.Reply(peer.Nak, serverNet.Addr(), netip.IPv4Unspecified())}
	}
	return peer.Simple(serverNet, oldAddr, 30, times...)(m)
}

// nak measures how fast a client that is refused while it renews has another
// address.
func (b *bench) nak() error {
	one := func(n *lane, v variant, _ int) (time.Duration, error) {
		script := &moving{told: make(chan struct{})}
		s, err := peer.Serve(n.s, "eth0", serverNet.Addr(), script.answer)
		if err != nil {
			return 0, err
		}
		defer s.Close()
		p, err := b.start(n.c, v.args)
		if err != nil {
			return 0, err
		}
		defer p.end()
		select {
		case <-script.told:
		case <-time.After(40 * time.Second):
			return 0, fmt.Errorf("no renewal was seen: %s", p.Output())
		}
		e, err := n.rec.AwaitAddr(netip.PrefixFrom(newAddr, 32), 40*time.Second)
		if err != nil {
			return never, nil
		}
		return e.At.Sub(script.refused), nil
	}
	got, err := b.inLanes(b.variants(false), 50*time.Millisecond, one)
	if err != nil {
		return err
	}
	b.table.addTimes("broadcast NAK to a renewal, to new address", got, limit{most: 20 * time.Millisecond})
	return nil
}

// carrier measures from the return of the carrier to the ACK of a server.
func (b *bench) carrier() error {
	one := func(n *lane, v variant, _ int) (time.Duration, error) {
		if _, err := n.dnsmasq(); err != nil {
			return 0, err
		}
		p, err := b.start(n.c, v.args)
		if err != nil {
			return 0, err
		}
		defer p.end()
		if _, err := n.rec.AwaitAddr(network, 20*time.Second); err != nil {
			return 0, fmt.Errorf("%w: %s", err, p.Output())
		}
		time.Sleep(time.Second)
		if err := n.cable.Cut(); err != nil {
			return 0, err
		}
		time.Sleep(2 * time.Second)
		n.rec.Reset()
		healed := time.Now()
		if err := n.cable.Heal(); err != nil {
			return 0, err
		}
		up, err := n.rec.Await(10*time.Second, func(e netlab.Recorded) bool {
			return e.Kind == rtnl.LinkNew && e.Link.Name == "eth0" && e.Link.Up()
		})
		if err != nil {
			return 0, fmt.Errorf("no carrier: %w", err)
		}
		at, ok := n.acks.after(healed, 12*time.Second)
		if !ok {
			return never, nil
		}
		// On a busy machine the ACK may be read before the news of the carrier.
		return max(at.Sub(up.At), 0), nil
	}
	got, err := b.inLanes(b.variants(false), 100*time.Millisecond, one)
	if err != nil {
		return err
	}
	b.table.addTimes("carrier back to lease confirmed", got, limit{most: 40 * time.Millisecond}, "never: not within 12 s")
	return nil
}

// absence starts clients while no server is there, for 20 to 40 seconds.
func (b *bench) absence() error {
	one := func(n *lane, v variant, round int) (time.Duration, error) {
		s, err := peer.Serve(n.s, "eth0", serverNet.Addr(), func(*peer.Message) []*peer.Message { return nil })
		if err != nil {
			return 0, err
		}
		defer s.Close()
		p, err := b.start(n.c, v.args)
		if err != nil {
			return 0, err
		}
		defer p.end()
		away := 20 * time.Second
		if b.rounds > 1 {
			away += time.Duration(round) * 20 * time.Second / time.Duration(b.rounds-1)
		}
		time.Sleep(away)
		back := time.Now()
		s.Script(peer.Simple(serverNet, oldAddr, 3600))
		at, ok := n.acks.after(back, 70*time.Second)
		if !ok {
			return never, nil
		}
		return at.Sub(back), nil
	}
	// Where in a wait of eight seconds the server comes back is chance; three
	// lanes of ours keep the median from jumping by seconds.
	vs := b.defaults()
	vs = append(vs, vs[0], vs[0])
	got, err := b.inLanes(vs, 50*time.Millisecond, one)
	if err != nil {
		return err
	}
	b.table.addTimes("server back after 20–40 s, to lease", got, limit{most: 5 * time.Second})
	return nil
}
