//go:build interop

package interop

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// renewer is a scripted server that grants leases with a T1 of two seconds
// and notes how late each renewal comes.
type renewer struct {
	mu    sync.Mutex
	acked time.Time
	late  []time.Duration
}

const renewAfter = 2 * time.Second

func (r *renewer) answer(m *peer.Message) []*peer.Message {
	out := peer.Simple(netip.MustParsePrefix("198.51.100.1/24"), netip.MustParseAddr("198.51.100.70"), 300,
		peer.Option{Code: peer.OptT1, Value: peer.Seconds(uint32(renewAfter / time.Second))},
		peer.Option{Code: peer.OptT2, Value: peer.Seconds(200)})(m)
	if m.Type() == peer.Request {
		r.mu.Lock()
		if !m.CIAddr.IsUnspecified() {
			r.late = append(r.late, time.Since(r.acked)-renewAfter)
		}
		r.acked = time.Now()
		r.mu.Unlock()
	}
	return out
}

// secondInterface adds eth1 in another network with its renewer.
func (w *world) secondInterface() *renewer {
	w.t.Helper()
	h := w.lab.Host("quietserver")
	w.lab.Link(w.c, "eth1", h, "eth0")
	if err := h.AddAddr("eth0", netip.MustParsePrefix("198.51.100.1/24")); err != nil {
		w.t.Fatal(err)
	}
	r := &renewer{}
	w.scripted(h, netip.MustParseAddr("198.51.100.1"), r.answer)
	return r
}

// punctual checks that the renewals on the other interface came in time. On a
// machine that is busy with other things any one of them may come late, but
// not half of them: there is a second of slack in the middle.
func (r *renewer) punctual(t *testing.T, atLeast int) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.late) < atLeast {
		t.Fatalf("%d renewals, want %d", len(r.late), atLeast)
	}
	slices.Sort(r.late)
	if d := r.late[len(r.late)/2]; d > time.Second {
		t.Errorf("half of the renewals came %v late or more: %v", d, r.late)
	}
}

// flood sends frames from a generator at a rate until the time is over.
func flood(t *testing.T, s *peer.Scripted, perSecond int, d time.Duration, next func(i int) []byte) {
	t.Helper()
	const tick = 5 * time.Millisecond
	end := time.Now().Add(d)
	for i, start := 0, time.Now(); time.Now().Before(end); time.Sleep(tick) {
		due := int(time.Since(start).Seconds() * float64(perSecond))
		for ; i < due; i++ {
			if err := s.Send(next(i)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFlood sends 20 000 junk packets a second of several kinds. Memory does
// not grow, the other interface renews in time, and afterwards a good server
// is heard. It runs alone, as it needs a whole processor and looks at times.
func TestFlood(t *testing.T) {
	w := newWorld(t)
	other := w.secondInterface()
	s := w.scripted(w.s, serverAddr, silent)
	a := w.quietAgent("-o", "ACD=off", "eth0", "eth1")
	w.bound("eth1")
	req := w.waitFor(s, "a DISCOVER", func(m *peer.Message) bool { return m.Type() == peer.Discover })
	junk := s.Frame(req, good(req, peer.Offer))
	nak := s.Frame(req, good(req, peer.Nak))
	unusable := s.Frame(req, func() *peer.Message { m := good(req, peer.Offer); yiaddr("0.0.0.0")(m); return m }())
	kinds := [][]byte{junk, junk, nak, unusable, junk[:len(junk)-50]}
	second := func(i int) []byte {
		b := kinds[i%len(kinds)]
		if i%len(kinds) < 2 {
			binary.BigEndian.PutUint32(b[peer.PayloadAt+4:], uint32(i)|1<<31) // some other xid
			peer.FixUDP(b)
		}
		return b
	}
	flood(t, s, 20000, time.Second, second)
	_, before := memory(t, a.Pid())
	flood(t, s, 20000, 7*time.Second, second)
	_, after := memory(t, a.Pid())
	if after > before+8192 {
		t.Errorf("anonymous memory grew from %d to %d KiB", before, after)
	}
	if n := countLines(a.Output(), ""); n > 60 {
		t.Errorf("%d lines in the log", n)
	}
	other.punctual(t, 3)
	s.Script(peer.Simple(serverNet, target, 300))
	w.waitState("eth0", later, "BOUND")
}

// TestOfferFlood sends more offers than are worth keeping while they are
// collected. It runs alone too.
func TestOfferFlood(t *testing.T) {
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, silent)
	a := w.quietAgent("-o", "ACD=off", "-o", "OFFER_WAIT=5", "eth0")
	req := w.waitFor(s, "a DISCOVER", func(m *peer.Message) bool { return m.Type() == peer.Discover })
	_, before := memory(t, a.Pid())
	// Far more than a collector of garbage leaves lying about.
	flood(t, s, 10000, 4*time.Second, func(i int) []byte {
		m := good(req, peer.Offer)
		m.YIAddr = netip.AddrFrom4([4]byte{192, 0, 2, byte(64 + i%64)})
		return s.Frame(req, m)
	})
	s.Script(func(m *peer.Message) []*peer.Message {
		if m.Type() == peer.Request {
			return peer.Simple(serverNet, m.Addr(peer.OptRequested), 300)(m)
		}
		return nil
	})
	w.waitState("eth0", later, "BOUND")
	if _, after := memory(t, a.Pid()); after > before+8192 {
		t.Errorf("anonymous memory grew from %d to %d KiB", before, after)
	}
}

// TestNakStorm refuses every REQUEST: the client backs off, and the other
// interface is not concerned.
func TestNakStorm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.secondInterface()
	var naks atomic.Int32
	nakAll := func(m *peer.Message) []*peer.Message {
		if m.Type() == peer.Request {
			naks.Add(1)
			return []*peer.Message{m.Reply(peer.Nak, serverAddr, netip.IPv4Unspecified())}
		}
		return peer.Simple(serverNet, target, 300)(m)
	}
	s := w.scripted(w.s, serverAddr, nakAll)
	w.agent("-o", "ACD=off", "eth0", "eth1")
	w.bound("eth1")
	w.wait(soon, "the first NAKs", func() bool { return naks.Load() >= 3 })
	time.Sleep(8 * time.Second) // a span in which to count
	// Waits of 1, 2, 4, 8 s after the first restart, give or take a tenth.
	if n := naks.Load(); n > 6 {
		t.Errorf("%d refused REQUESTs in about ten seconds", n)
	}
	if st := w.mustStatus("eth0"); st.Counters.BadOffers == 0 {
		t.Error("NAKs are not counted as bad offers")
	}
	s.Script(peer.Simple(serverNet, target, 300))
	w.waitState("eth0", later, "BOUND")
	other.punctual(t, 2)
}

// TestShortLease grants leases of one second: no more than a packet a second
// goes out, averaged over ten.
func TestShortLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 1))
	w.agent("-o", "ACD=off", "eth0")
	w.waitFor(s, "a REQUEST", func(m *peer.Message) bool { return m.Type() == peer.Request })
	before := len(s.Seen())
	time.Sleep(10 * time.Second) // the span of the average
	if n := len(s.Seen()) - before; n > 11 || n == 0 {
		t.Errorf("%d packets in ten seconds", n)
	}
}
