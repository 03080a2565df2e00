package simtest

import (
	"fmt"
	"net/netip"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

// A host holds an address from the moment its kernel has it until the kernel
// has it no longer or the lease is over, whichever comes first.
//
// Who may hold it is told by the books, which are kept here from what servers
// acknowledge and what they are told, independently of the servers' own
// records: an ACK of an honest server is a grant to the client that asked for
// it; RELEASE and DECLINE end it. A host that took its lease from octets no
// honest server has sent — a rogue's, or a genuine ACK that was tampered with —
// is believed by nobody: what such a host uses is not counted, since no client
// can tell a good liar from a server. It still has to keep to the times of the
// lease it was given.
//
// Two hosts that hold one address by grants of one server are always a defect.
// Two more cases exist that no lease can prevent, only the probe of the address
// before its use (RFC 5227): the grants come from servers that share a pool
// without knowing of each other, or the earlier grant was forgotten with the
// server's database. A probe or its answer may be lost, and clients may be told
// not to probe. So these two cases count only in a world with Strict set, where
// by construction nothing is lost, all clients probe before they use an address
// and all hosts are awake to answer.

// grant is a lease as an honest server has to know it.
type grant struct {
	server  *Server
	addr    netip.Addr
	who     ident
	ends    timer.Time // the world's time
	revoked bool       // released or declined
	lost    bool       // gone with the database
}

// ident is what a server knows a client by: option 61 or the hardware address.
type ident string

func identOf(d dhcp) ident {
	if v := d.option(61); len(v) > 0 {
		return ident("\x00" + string(v))
	}
	hw := d.hw()
	return ident(hw[:])
}

// books are the grants of all honest servers.
type books struct {
	acks  map[string]*grant // by the octets of the ACK
	naks  map[string]bool   // refusals, by their octets
	lease map[leaseKey]*grant
}

type leaseKey struct {
	server *Server
	addr   netip.Addr
}

func newBooks() books {
	return books{acks: map[string]*grant{}, naks: map[string]bool{}, lease: map[leaseKey]*grant{}}
}

// granted enters an ACK into the books.
func (w *World) granted(s *Server, request, ack dhcp) {
	addr, lease := ack.addr(offYIAddr), ack.lease()
	if addr == anyIP || lease == 0 {
		return // the answer to an INFORM
	}
	who, ends := identOf(request), timer.Never
	if lease != 0xffffffff {
		ends = w.Now().Add(time.Duration(lease) * time.Second)
	}
	k := leaseKey{s, addr}
	g := w.books.lease[k]
	if g != nil && g.who != who && !g.revoked && !g.lost && g.ends.After(w.Now()) {
		w.Fail("server", fmt.Errorf("%s granted %v to a second client %v before the lease of the first was over", s.name, addr, g.ends.Sub(w.Now())))
		return
	}
	if g == nil || g.who != who || g.revoked || g.lost {
		g = &grant{server: s, addr: addr, who: who}
		w.books.lease[k] = g
	}
	g.ends = max(g.ends, ends)
	w.books.acks[string(ack)] = g
}

// returned ends a grant: the client gave the address back or refused it.
func (w *World) returned(s *Server, m dhcp) {
	addr := m.addr(offCIAddr)
	if m.typ() == typeDecline {
		addr = m.optAddr(optRequestedIP)
	}
	if g := w.books.lease[leaseKey{s, addr}]; g != nil && g.who == identOf(m) {
		g.revoked = true
		w.dirty = true
	}
}

// forgotten is the loss of a server's database.
func (w *World) forgotten(s *Server) {
	for k, g := range w.books.lease { // the order changes nothing
		if k.server == s {
			g.lost = true
		}
	}
}

// holding is what a host has on its link and by what right.
type holding struct {
	addr  netip.Prefix
	end   timer.Time // of the lease, the world's time
	given timer.Time // when it was refused or given up before, Never if it was not
	grant *grant     // nil: not from an honest server
	cause string     // why it may be dropped before its end
	// excused: the host cannot know that it gave the address back.
	excused bool
}

// hold notes that the kernel got the address of n.
func (h *Host) hold(n *dhcp4.NetConfig) {
	end := timer.Never
	if n.Expires != timer.Never {
		end = h.w.Now().Add(n.Expires.Sub(h.proc.Now()))
	}
	cause := ""
	if h.held.addr == n.Addr && h.m.State() != dhcp4.Bound {
		cause = h.held.cause
	}
	h.held = holding{addr: n.Addr, end: end, given: timer.Never, cause: cause}
	if ack, _ := h.m.Ack(); ack != nil {
		h.held.grant = h.w.books.acks[string(ack.Raw)]
	}
	// A process that gave the address back and died before the removal of the
	// saved lease was on the disk leaves no word of it to the next one.
	h.held.excused = h.amnesia
}

// endLease ends the right to the address before its time: the server refused
// it, or the client gave it up. From now on it must go as after its end.
func (h *Host) endLease() { h.held.given = min(h.held.given, h.w.Now()) }

// over reports whether the host has no right to its address any more.
func (h *Host) over() bool { return h.w.Now() >= min(h.held.end, h.held.given) }

// cause notes why the address may go before the end of its lease.
func (h *Host) cause(why string) {
	if h.held.cause == "" {
		h.held.cause = why
		h.w.Trace().Add(h.proc, "cause", why, 0, 0)
	}
}

// dropped is called when the machine takes the address away.
func (h *Host) dropped() {
	if !h.inst.IsValid() || h.k.addr != h.inst || h.k.taken {
		return
	}
	if h.held.cause == "" && !h.over() {
		h.bad("%v dropped %v before the end of its lease, without a cause", h.held.addr, h.held.end.Sub(h.w.Now()))
	}
}

// holds reports whether the host uses its address by the right of a lease that
// is not over.
func (h *Host) holds() bool {
	return h.k.addr.IsValid() && !h.k.taken && h.held.grant != nil && !h.over()
}

// checkHolders is the invariant of holders and books. It looks only after
// something about addresses changed: time alone ends holdings.
func (w *World) checkHolders() error {
	if !w.dirty {
		return nil
	}
	w.dirty = false
	for i, a := range w.hosts {
		if !a.holds() {
			continue
		}
		if err := a.checkGrant(); err != nil {
			return err
		}
		for _, b := range w.hosts[:i] {
			if b.holds() && a.k.addr.Addr() == b.k.addr.Addr() && w.counts(a.held.grant, b.held.grant) {
				return fmt.Errorf("%s and %s hold %v", b.name, a.name, a.k.addr.Addr())
			}
		}
	}
	return nil
}

// counts tells whether two holdings of one address are a defect.
func (w *World) counts(a, b *grant) bool {
	return w.opt.Strict || a.server == b.server && !a.lost && !b.lost
}

// checkGrant compares a holding with the books.
func (h *Host) checkGrant() error {
	g := h.held.grant
	switch {
	case g.addr != h.k.addr.Addr():
		return fmt.Errorf("%s holds %v by the grant of %v", h.name, h.k.addr, g.addr)
	case g.ends.Before(h.held.end):
		return fmt.Errorf("%s believes that its lease of %v lasts %v longer than the server does", h.name, h.k.addr, h.held.end.Sub(g.ends))
	case g.revoked && h.held.given == timer.Never && !h.held.excused:
		return fmt.Errorf("%s holds %v after giving it back", h.name, h.k.addr)
	}
	return nil
}

// useAfterEnd is how long the kernel may have an address after its lease.
const useAfterEnd = 2 * time.Second

// checkLate is the invariant that no address outlives its lease. A host that
// slept gets the instant of its waking to find out. After a refusal only a
// living agent can remove the address: it has the same time from then on, or
// from its own waking.
func (w *World) checkLate() error {
	now := w.Now()
	for _, h := range w.hosts {
		if !h.k.addr.IsValid() || h.k.taken || !h.kern.Awake() {
			continue
		}
		if h.held.end != timer.Never && now.Sub(h.held.end) > useAfterEnd && now > h.kern.Woke() {
			return fmt.Errorf("%s uses %v, %v after the end of its lease", h.name, h.k.addr, now.Sub(h.held.end))
		}
		if h.held.given != timer.Never && h.m != nil && h.proc.Awake() && now.Sub(max(h.held.given, h.proc.Woke())) > useAfterEnd {
			return fmt.Errorf("%s uses %v, %v after it was refused or given up", h.name, h.k.addr, now.Sub(h.held.given))
		}
	}
	return nil
}
