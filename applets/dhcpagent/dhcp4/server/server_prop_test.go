package server

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

// modelClient is what a host believes to have.
type modelClient struct {
	xid   uint32
	sent  time.Duration // of the REQUEST with that xid
	addr  string
	until time.Duration
	offer string
}

// flight is a message under way.
type flight struct {
	from time.Duration
	a    ask
}

// TestNoDuplicateAddress: whatever gets lost, doubled, late and out of order, no
// two clients believe at one time to have one address.
func TestNoDuplicateAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig()
		cfg.Lease, cfg.T1, cfg.T2, cfg.Last = 60*time.Second, 0, 0, addr("192.0.2.11")
		cfg.Authoritative = rapid.Bool().Draw(t, "authoritative")
		cfg.RapidCommit = rapid.Bool().Draw(t, "rapid")
		cfg.DeclineHold = 20 * time.Second
		s := New(cfg, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)))
		var now time.Duration
		clients := make([]modelClient, 3)
		var wire []flight
		xid := uint32(0)
		deliver := func(f flight) {
			var out []Reply
			s.Packet(timer.Time(now), f.a.bytes(), netip.IPv4Unspecified(), &out)
			for _, r := range out {
				var m dhcp4.Message
				if d := dhcp4.Parse(&m, r.Data, netip.AddrPort{}, false); d != dhcp4.DropNone {
					t.Fatalf("malformed answer: %s", d)
				}
				c := &clients[f.a.client]
				if m.Xid != c.xid || rapid.IntRange(0, 3).Draw(t, "lost") == 0 {
					continue
				}
				switch m.Type {
				case 2:
					c.offer = m.YIAddr.String()
				case 5:
					n, _ := m.Uint32(51)
					c.addr, c.until = m.YIAddr.String(), c.sent+time.Duration(n)*time.Second
				case 6:
					c.addr = ""
				}
			}
		}
		for range 250 {
			i := rapid.IntRange(0, len(clients)-1).Draw(t, "client")
			c := &clients[i]
			if c.until <= now {
				c.addr = ""
			}
			a := ask{client: byte(i), server: "192.0.2.1"}
			switch what := rapid.IntRange(0, 8).Draw(t, "what"); {
			case what == 0:
				now += time.Duration(rapid.IntRange(1, 30).Draw(t, "seconds")) * time.Second
				continue
			case what == 1 && len(wire) > 0: // late by less than lateRelease
				k := rapid.IntRange(0, len(wire)-1).Draw(t, "which")
				if now-wire[k].from < lateRelease {
					deliver(wire[k])
				}
				if rapid.Bool().Draw(t, "once") {
					wire = append(wire[:k], wire[k+1:]...)
				}
				continue
			case what == 2:
				a.typ, a.server = discover, ""
				if rapid.Bool().Draw(t, "rapid commit") {
					a.options = "\x50\x00"
				}
			case what == 3 && c.offer != "":
				a.typ, a.requested = request, c.offer
			case what == 4 && c.addr != "":
				a.typ, a.server, a.ciaddr = request, "", c.addr
				if rapid.Bool().Draw(t, "short") {
					a.options = "\x33\x04\x00\x00\x00\x05"
				}
			case what == 5:
				a.typ = request
				a.requested = rapid.SampledFrom([]string{"192.0.2.10", "192.0.2.11"}).Draw(t, "address")
				if rapid.Bool().Draw(t, "reboot") {
					a.server = ""
				}
			case what == 6 && c.addr != "":
				a.typ, a.ciaddr = release, c.addr
				c.addr = ""
			case what == 7 && c.addr != "":
				a.typ, a.requested = decline, c.addr
				c.addr = ""
			case what == 8:
				a.typ, a.requested, a.server = request, "192.0.2.10", "192.0.2.9" // takes another's offer
			default:
				continue
			}
			xid++
			a.xid, c.xid, c.sent = xid, xid, now
			wire = append(wire, flight{now, a})
			if rapid.IntRange(0, 2).Draw(t, "at once") > 0 {
				deliver(wire[len(wire)-1])
			}
			for j := range clients {
				for k := range j {
					if x, y := clients[j], clients[k]; x.addr != "" && x.addr == y.addr && x.until > now && y.until > now {
						t.Fatalf("clients %d and %d both have %s at %v", j, k, x.addr, now)
					}
				}
			}
		}
	})
}

func FuzzServer(f *testing.F) {
	f.Add(ask{typ: discover, client: 1}.bytes(), ask{typ: request, client: 1, requested: "192.0.2.10", server: "192.0.2.1"}.bytes(), uint8(3))
	f.Add(ask{typ: release, client: 1, ciaddr: "192.0.2.10", server: "192.0.2.1"}.bytes(), ask{typ: decline, client: 1, requested: "192.0.2.10", server: "192.0.2.1"}.bytes(), uint8(0))
	f.Add(ask{typ: discover, client: 1, options: "\x50\x00", giaddr: "10.0.0.1"}.bytes(), ask{typ: inform, ciaddr: "1.2.3.4"}.bytes(), uint8(255))
	f.Fuzz(func(t *testing.T, a, b []byte, flags uint8) {
		cfg := testConfig()
		cfg.Authoritative, cfg.RapidCommit, cfg.BOOTP, cfg.Overload = flags&1 != 0, flags&2 != 0, flags&4 != 0, flags>>3&3
		cfg.Options = []Option{{12, []byte("name")}}
		cfg.MaxLeases = 2
		s := newServer(cfg)
		give(t, s, 0, ask{typ: request, client: 1, requested: "192.0.2.10", server: "192.0.2.1"})
		var out []Reply
		for i, p := range [][]byte{a, b, a} {
			s.Packet(timer.Time(i)*timer.Time(time.Minute), p, netip.Addr{}, &out)
		}
		for _, r := range out {
			var m dhcp4.Message
			if d := dhcp4.Parse(&m, r.Data, netip.AddrPort{}, false); d != dhcp4.DropNone {
				t.Fatalf("malformed answer: %s", d)
			}
		}
		if n := len(s.Leases()); n > 2 || len(s.byKey) > n {
			t.Fatalf("%d leases, %d clients", n, len(s.byKey))
		}
	})
}
