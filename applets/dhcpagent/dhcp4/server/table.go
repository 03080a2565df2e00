package server

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"daemonbox/core/timer"
)

// State is the state of an address in the table.
type State uint8

// The states.
const (
	Offered  State = iota // kept for a REQUEST
	Bound                 // leased
	Released              // given back; kept for its client if possible
	Declined              // in use by a stranger
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Offered:
		return "offered"
	case Bound:
		return "bound"
	case Released:
		return "released"
	}
	return "declined"
}

// NotLeased is the Until of an address that its client was never told to be its.
const NotLeased timer.Time = math.MinInt64

// Lease is an entry of the table. Nobody but its client gets the address before
// Until and Hold.
type Lease struct {
	Addr  netip.Addr
	State State
	// Until is the latest end of a lease that was told to the client.
	Until timer.Time
	// Hold is how long an offer or a refused address is kept.
	Hold timer.Time
	// Acked is when the last ACK went out.
	Acked timer.Time
	// ClientID is option 61 of the client, nil without one.
	ClientID []byte
	HWType   uint8
	HW       []byte
}

// key tells clients apart (RFC 2131 §4.2). It is empty for one that cannot be.
func (l *Lease) key() string {
	switch {
	case len(l.ClientID) > 0:
		return "id" + string(l.ClientID)
	case len(l.HW) > 0:
		return "hw" + string([]byte{l.HWType}) + string(l.HW)
	}
	return ""
}

// Leases returns the table in order of addresses. The entries are copies.
func (s *Server) Leases() []Lease {
	list := make([]Lease, 0, len(s.byAddr))
	for _, l := range s.byAddr {
		list = append(list, *l)
	}
	slices.SortFunc(list, func(a, b Lease) int { return a.Addr.Compare(b.Addr) })
	return list
}

// Snapshot returns what a lease database has to keep: everything but offers.
func (s *Server) Snapshot() []Lease {
	return slices.DeleteFunc(s.Leases(), func(l Lease) bool { return l.State == Offered })
}

// Restore replaces the table by a snapshot, or empties it with nil.
func (s *Server) Restore(list []Lease) {
	clear(s.byAddr)
	clear(s.byKey)
	for _, l := range list {
		s.byAddr[l.Addr] = &l
		key := l.key()
		if old := s.byKey[key]; l.State != Declined && (old == nil || old.Acked < l.Acked) {
			s.byKey[key] = &l
		}
	}
}

// choose finds an address for a DISCOVER in the order of RFC 2131 §4.3.1: the
// client's, the one it had, the one it asks for, any other.
func (s *Server) choose(q *query) *Lease {
	if a := s.reserved(q); a.IsValid() {
		return s.claim(q, a)
	}
	if old := s.byKey[q.key]; old != nil {
		if l := s.claim(q, old.Addr); l != nil {
			return l
		}
	}
	if a, ok := q.m.Addr(uint8(dhcpv4.OptionRequestedIPAddress)); ok {
		if l := s.claim(q, a); l != nil {
			return l
		}
	}
	if a := s.unused(q); a.IsValid() {
		return s.claim(q, a)
	}
	return nil
}

// claim returns the entry for addr, making it the client's, or nil if the client
// cannot have it.
func (s *Server) claim(q *query, addr netip.Addr) *Lease {
	if !s.allowed(q, addr) {
		return nil
	}
	l := s.byAddr[addr]
	if l != nil && (l.key() != q.key || l.State == Declined) {
		if !reusable(l, q.now) {
			return nil
		}
		s.drop(l)
		l = nil
	}
	if l == nil {
		if len(s.byAddr) >= s.cfg.MaxLeases && !s.evict(q.now) {
			return nil
		}
		l = &Lease{
			Addr: addr, State: Offered, Until: NotLeased, Hold: q.now,
			ClientID: slices.Clone(q.id), HWType: q.m.HType, HW: slices.Clone(q.hw),
		}
		s.byAddr[addr] = l
	}
	if old := s.byKey[q.key]; old != nil && old != l {
		s.withdraw(old, q.now)
	}
	s.byKey[q.key] = l
	return l
}

// withdraw ends an offer.
func (s *Server) withdraw(l *Lease, now timer.Time) {
	if l.State != Offered {
		return
	}
	l.State, l.Hold = Released, now
	if reusable(l, now) {
		s.drop(l)
	}
}

// allowed reports whether the client may have addr by configuration.
func (s *Server) allowed(q *query, addr netip.Addr) bool {
	if !addr.Is4() || !s.cfg.Prefix.Contains(addr) || addr == s.cfg.Addr || addr == s.id || slices.Contains(s.cfg.Routers, addr) {
		return false
	}
	if own := s.reserved(q); own.IsValid() {
		return addr == own
	}
	for _, r := range s.cfg.Reserved {
		if r.Addr == addr {
			return false
		}
	}
	return s.cfg.First.Compare(addr) <= 0 && addr.Compare(s.cfg.Last) <= 0
}

// reusable reports whether another client may have the address.
func reusable(l *Lease, now timer.Time) bool {
	return l.Hold <= now && l.Until != timer.Never && l.Until.Add(reuseGrace) <= now
}

// unused picks an address that nobody has: one that is not in the table if
// possible, else the one given back the longest time ago.
func (s *Server) unused(q *query) netip.Addr {
	first, last := toUint(s.cfg.First), toUint(s.cfg.Last)
	if !s.cfg.First.Is4() || !s.cfg.Last.Is4() || last < first {
		return netip.Addr{}
	}
	size := uint64(last-first) + 1
	start := s.rnd.Uint64N(size)
	// Among so many addresses there is one that is neither in the table nor
	// set aside, if there is any.
	tries := min(size, uint64(len(s.byAddr)+len(s.cfg.Reserved)+len(s.cfg.Routers)+3))
	for i := range tries {
		a := fromUint(first + uint32((start+i)%size))
		if s.byAddr[a] == nil && s.allowed(q, a) {
			return a
		}
	}
	var best *Lease
	for _, l := range s.byAddr {
		if reusable(l, q.now) && s.allowed(q, l.Addr) &&
			(best == nil || l.Until < best.Until || l.Until == best.Until && l.Addr.Less(best.Addr)) {
			best = l
		}
	}
	if best == nil {
		return netip.Addr{}
	}
	return best.Addr
}

// evict makes room in a full table by forgetting who had an address last.
func (s *Server) evict(now timer.Time) bool {
	var best *Lease
	for _, l := range s.byAddr {
		if reusable(l, now) && (best == nil || l.Until < best.Until || l.Until == best.Until && l.Addr.Less(best.Addr)) {
			best = l
		}
	}
	if best != nil {
		s.drop(best)
	}
	return best != nil
}

func (s *Server) drop(l *Lease) {
	delete(s.byAddr, l.Addr)
	if key := l.key(); s.byKey[key] == l {
		delete(s.byKey, key)
	}
}

func toUint(a netip.Addr) uint32 {
	if !a.Is4() {
		return 0
	}
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func fromUint(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}
