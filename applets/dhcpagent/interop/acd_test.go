//go:build interop

package interop

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/interop/peer"
	"daemonbox/core/netlab"
)

// squatter adds a host that holds an address.
func (w *world) squatter(addr string) *netlab.Host {
	w.t.Helper()
	h := w.lab.Host("squatter")
	w.lab.Link(h, "eth0", w.sw, "psquatter")
	if err := h.AddAddr("eth0", netip.MustParsePrefix(addr)); err != nil {
		w.t.Fatal(err)
	}
	return h
}

// twoAddresses is a script of a server that offers one address until it is
// declined, and then another. The times of the client's messages are noted.
type twoAddresses struct {
	mu       sync.Mutex
	first    netip.Addr
	then     netip.Addr
	declined time.Time
	next     time.Time // first DISCOVER after the decline
}

func (s *twoAddresses) answer(m *peer.Message) []*peer.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	addr := s.first
	switch {
	case m.Type() == peer.Decline && m.Addr(peer.OptRequested) == s.first:
		s.declined = time.Now()
		return nil
	case !s.declined.IsZero():
		addr = s.then
		if m.Type() == peer.Discover && s.next.IsZero() {
			s.next = time.Now()
		}
	}
	return peer.Simple(serverNet, addr, 300)(m)
}

// TestConflict has another host hold the offered address: the client declines
// it and takes another one not before ten seconds later, RFC 2131 section
// 3.1.
func TestConflict(t *testing.T) {
	t.Parallel()
	for _, acd := range []string{"fast", "optimistic"} {
		t.Run("ACD="+acd, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			script := &twoAddresses{first: netip.MustParseAddr("192.0.2.70"), then: netip.MustParseAddr("192.0.2.71")}
			srv := w.scripted(w.s, serverAddr, script.answer)
			w.squatter("192.0.2.70/24")
			r := w.record()
			w.agent("-o", "ACD="+acd, "eth0")
			st := w.waitStatus("eth0", "bound to the other address", later, func(st statusResult) bool {
				return st.State == "BOUND" && st.Address == "192.0.2.71"
			})
			if st.Counters.BadOffers == 0 {
				t.Error("no bad offer is counted")
			}
			script.mu.Lock()
			gap := script.next.Sub(script.declined)
			script.mu.Unlock()
			if gap < 9*time.Second || gap > 14*time.Second {
				t.Errorf("%v between DECLINE and DISCOVER", gap)
			}
			d := srv.Seen(peer.Decline)
			if len(d) != 1 {
				t.Fatalf("%d DECLINEs", len(d))
			}
			if d[0].Addr(peer.OptServer) != serverAddr || len(d[0].Get(peer.OptMessage)) == 0 || d[0].Src.Addr().IsValid() && !d[0].Src.Addr().IsUnspecified() {
				t.Errorf("DECLINE %+v", d[0])
			}
			_, seen := r.AwaitAddr(netip.MustParsePrefix("192.0.2.70/32"), 0)
			if (seen == nil) != (acd == "optimistic") {
				t.Errorf("with ACD=%s the held address was configured: %v", acd, seen == nil)
			}
			if acd == "optimistic" && w.hookCount("EXPIRE") == 0 {
				t.Error("no hook EXPIRE")
			}
			if got := w.addrs("eth0"); len(got) != 1 {
				t.Errorf("addresses %v", got)
			}
		})
	}
}

// TestConflictSeenByServer lets the ISC server see the DECLINE.
func TestConflictSeenByServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv := w.dhcpd(w.s, `default-lease-time 60; max-lease-time 60; ping-check false;
subnet 192.0.2.0 netmask 255.255.255.0 { range 192.0.2.70; }
`)
	w.squatter("192.0.2.70/24")
	w.agent("eth0")
	if err := srv.WaitOutput("DHCPDECLINE of 192.0.2.70", soon); err != nil {
		t.Fatal(err)
	}
	if err := srv.WaitOutput("abandoned", soon); err != nil && !strings.Contains(strings.ToLower(srv.Output()), "abandon") {
		t.Error(err)
	}
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("addresses %v", got)
	}
}

// TestLateConflict gives the client's address to another host after it was
// bound: it is defended once, and given up when the other insists.
func TestLateConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	script := &twoAddresses{first: netip.MustParseAddr("192.0.2.70"), then: netip.MustParseAddr("192.0.2.71")}
	srv := w.scripted(w.s, serverAddr, script.answer)
	w.agent("eth0")
	if st := w.bound("eth0"); st.Address != "192.0.2.70" {
		t.Fatalf("bound to %s", st.Address)
	}
	bad := w.lab.Host("bad")
	w.lab.Link(bad, "eth0", w.sw, "pbad")
	wire, err := peer.OpenWire(bad, "eth0", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Close)
	claim := peer.ARP(1, wire.MAC, netip.MustParseAddr("192.0.2.70"), [6]byte{}, netip.MustParseAddr("192.0.2.70"))
	if err := wire.Send(claim); err != nil {
		t.Fatal(err)
	}
	// RFC 5227 section 2.4 (b): defend with one announcement.
	buf := make([]byte, 2048)
	deadline := time.AfterFunc(soon, wire.Close)
	defer deadline.Stop()
	link, err := w.c.Link("eth0")
	if err != nil {
		t.Fatal(err)
	}
	for {
		n, err := wire.Recv(buf)
		if err != nil {
			t.Fatalf("no defence was seen: %v", err)
		}
		op, hw, sender, target := peer.ParseARP(buf[:n])
		if op == 1 && hw == [6]byte(link.HW) && sender == target && sender.String() == "192.0.2.70" {
			break
		}
	}
	if len(srv.Seen(peer.Decline)) != 0 {
		t.Error("the first conflict was answered by a DECLINE")
	}
	if err := wire.Send(claim); err != nil {
		t.Fatal(err)
	}
	w.wait(soon, "a DECLINE", func() bool { return len(srv.Seen(peer.Decline)) == 1 })
	w.waitHook("EXPIRE", 1, soon)
	w.wait(soon, "the address goes", func() bool { return len(w.addrs("eth0")) == 0 })
	w.waitStatus("eth0", "bound to the other address", later, func(st statusResult) bool {
		return st.State == "BOUND" && st.Address == "192.0.2.71"
	})
}

// TestNoConflict sends ARP traffic that is none: others ask who has the
// address, as routers do, and the client's own other interface is at the same
// switch.
func TestNoConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lab.Link(w.c, "eth1", w.sw, "pc2")
	s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
	own, err := peer.OpenWire(w.c, "eth1", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(own.Close)
	other, err := peer.OpenWire(w.s, "eth0", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	none := netip.IPv4Unspecified()
	done := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			for _, b := range [][]byte{
				peer.ARP(1, other.MAC, serverAddr, [6]byte{}, target),                                 // who has it?
				peer.ARP(1, other.MAC, serverAddr, [6]byte{}, serverAddr),                             // an announcement of another
				peer.ARP(1, other.MAC, none, [6]byte{}, netip.MustParseAddr("192.0.2.99")),            // a probe for another
				peer.ARP(7, other.MAC, target, other.MAC, target),                                     // no request or reply
				peer.ARP(2, other.MAC, netip.MustParseAddr("192.0.2.98"), [6]byte{1}, target)[:14+20], // cut short
			} {
				_ = other.Send(b)
			}
			_ = own.Send(peer.ARP(1, own.MAC, none, [6]byte{}, target)) // a probe of this very host
			_ = own.Send(peer.ARP(2, own.MAC, target, [6]byte{}, target))
		}
	}()
	w.agent("eth0")
	w.bound("eth0")
	time.Sleep(time.Second) // a while in which a conflict would be seen
	close(done)
	<-stopped
	if n := len(s.Seen(peer.Decline)); n != 0 {
		t.Errorf("%d DECLINEs", n)
	}
	if st := w.bound("eth0"); st.Address != target.String() {
		t.Errorf("address %s", st.Address)
	}
}
