// Package server is a small DHCPv4 server (RFC 2131) without I/O, for
// simulations, labs and tests. It gives out addresses of one subnet. It never
// gives an address to a second client while a lease as it was told to the first
// one may still be in use. A Server belongs to one goroutine.
package server

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

// Infinite is the lease time that does not end.
const Infinite = 0xffffffff * time.Second

// Defaults for zero values in Config.
const (
	defaultLease       = time.Hour
	defaultOfferHold   = 60 * time.Second
	defaultDeclineHold = 10 * time.Minute
	defaultMaxLeases   = 4096

	// reuseGrace lies between the end of a lease and the next client: clocks
	// differ, and a host may take a moment to let go of the address.
	reuseGrace = 5 * time.Second
	// lateRelease is how long a RELEASE may have been on its way. One that comes
	// so soon after an ACK may be older than that ACK.
	lateRelease = 10 * time.Second
)

// Option is one option as it goes out.
type Option struct {
	Code  uint8
	Value []byte
}

// Reservation gives a client a fixed address. The client is known by its option
// 61 or, if ClientID is nil, by its hardware address.
type Reservation struct {
	ClientID []byte
	HW       []byte
	Addr     netip.Addr
}

// Config is what a server hands out.
type Config struct {
	// Addr is the server's own address.
	Addr netip.Addr
	// ServerID replaces Addr in option 54.
	ServerID netip.Addr
	// Prefix is the subnet, First and Last the pool in it.
	Prefix      netip.Prefix
	First, Last netip.Addr
	// Reserved addresses may lie outside the pool.
	Reserved []Reservation
	// Lease is the longest lease; clients may ask for less. T1 and T2 are left
	// to the client if they are 0.
	Lease, T1, T2 time.Duration
	// OfferHold is how long an offered address is kept, DeclineHold how long a
	// declined one is not used.
	OfferHold, DeclineHold time.Duration

	Routers, DNS, NTP []netip.Addr
	Domain            string
	// Options go out in every OFFER and ACK, asked for or not, and replace what
	// the server would say by itself. Options of one code are concatenated.
	Options []Option
	// Overload puts Options into the file (1) and sname (2) fields where they
	// fit (RFC 2132 §9.3).
	Overload uint8

	// Authoritative: what the server does not know does not exist. It refuses
	// foreign addresses by NAK and takes over unknown clients with a good one;
	// otherwise it is silent towards clients of others (RFC 2131 §4.3.2).
	Authoritative bool
	// RapidCommit answers a DISCOVER with option 80 by an ACK (RFC 4039).
	RapidCommit bool
	// BOOTP makes it a BOOTP server (RFC 951), which answers everything that
	// looks for an address with a lasting one and knows no DHCP.
	BOOTP bool
	// MaxLeases bounds the table.
	MaxLeases int
}

// Reply is a datagram to send from port 67. It goes to port 68 of Dst, or port
// 67 if Relay is set.
type Reply struct {
	Data []byte
	// Dst is the limited broadcast address if Broadcast is set. Otherwise, if
	// DstHW is set, the client cannot answer ARP for Dst yet.
	Dst       netip.Addr
	Broadcast bool
	Relay     bool
	DstHW     []byte
}

// Stats counts messages by their type (0: BOOTP) and those that were dropped.
type Stats struct {
	Recv, Sent [9]uint64
	Dropped    uint64
}

// Server is a DHCPv4 server.
type Server struct {
	cfg    Config
	rnd    *rand.Rand
	id     netip.Addr
	byAddr map[netip.Addr]*Lease
	byKey  map[string]*Lease
	stats  Stats
	msg    dhcp4.Message
}

// New returns a server with an empty table. rnd chooses among free addresses.
func New(cfg Config, rnd *rand.Rand) *Server {
	orDefault := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	orDefault(&cfg.Lease, defaultLease)
	orDefault(&cfg.OfferHold, defaultOfferHold)
	orDefault(&cfg.DeclineHold, defaultDeclineHold)
	if cfg.MaxLeases <= 0 {
		cfg.MaxLeases = defaultMaxLeases
	}
	s := &Server{cfg: cfg, rnd: rnd, id: cfg.Addr, byAddr: map[netip.Addr]*Lease{}, byKey: map[string]*Lease{}}
	if cfg.ServerID.IsValid() {
		s.id = cfg.ServerID
	}
	return s
}

// Stats returns the counters.
func (s *Server) Stats() Stats { return s.stats }

// query is a request with what was found out about its sender.
type query struct {
	now timer.Time
	m   *dhcp4.Message
	key string
	id  []byte // option 61, nil without one
	hw  []byte
	out *[]Reply
}

// Packet takes the payload of a datagram to port 67 and appends the answers.
func (s *Server) Packet(now timer.Time, payload []byte, src netip.Addr, out *[]Reply) {
	m := &s.msg
	if dhcp4.ParseRequest(m, payload, netip.AddrPortFrom(src, 68)) != dhcp4.DropNone {
		s.stats.Dropped++
		return
	}
	q := query{now: now, m: m, out: out, hw: m.CHAddr[:m.HLen]}
	q.id, _ = m.Option(uint8(dhcpv4.OptionClientIdentifier))
	who := Lease{ClientID: q.id, HWType: m.HType, HW: q.hw}
	if q.key = who.key(); q.key == "" {
		s.stats.Dropped++
		return
	}
	s.stats.Recv[m.Type]++
	if s.cfg.BOOTP {
		s.bootp(&q)
		return
	}
	switch dhcpv4.MessageType(m.Type) {
	case dhcpv4.MessageTypeDiscover:
		s.discover(&q)
	case dhcpv4.MessageTypeRequest:
		s.request(&q)
	case dhcpv4.MessageTypeDecline:
		s.decline(&q)
	case dhcpv4.MessageTypeRelease:
		s.release(&q)
	case dhcpv4.MessageTypeInform:
		if m.CIAddr.IsValid() && !m.CIAddr.IsUnspecified() {
			s.reply(&q, dhcpv4.MessageTypeAck, nil)
		}
	default:
		s.stats.Dropped++
	}
}

// discover offers an address (RFC 2131 §4.3.1).
func (s *Server) discover(q *query) {
	l := s.choose(q)
	if l == nil {
		return
	}
	if s.cfg.RapidCommit && q.m.Has(uint8(dhcpv4.OptionRapidCommit)) {
		s.grant(q, l)
		return
	}
	if l.State != Bound || l.Until <= q.now {
		l.State, l.Hold = Offered, q.now.Add(s.cfg.OfferHold)
	}
	s.reply(q, dhcpv4.MessageTypeOffer, l)
}

// bootp answers with an address for ever.
func (s *Server) bootp(q *query) {
	switch dhcpv4.MessageType(q.m.Type) {
	case dhcpv4.MessageTypeNone, dhcpv4.MessageTypeDiscover:
		if l := s.choose(q); l != nil {
			l.State, l.Until, l.Acked = Bound, timer.Never, q.now
			s.reply(q, dhcpv4.MessageTypeNone, l)
		}
	}
}

// request answers the four forms of REQUEST (RFC 2131 §4.3.2).
func (s *Server) request(q *query) {
	want, asked := q.m.Addr(uint8(dhcpv4.OptionRequestedIPAddress))
	server := q.m.ServerID()
	if server.IsValid() { // SELECTING
		if server != s.id {
			s.refused(q)
			return
		}
		s.answer(q, want, true)
		return
	}
	if !asked { // RENEWING, REBINDING
		want = q.m.CIAddr
	}
	s.answer(q, want, s.cfg.Authoritative)
}

// answer gives want to the client or refuses it. Without a record of the client
// it speaks only if it must.
func (s *Server) answer(q *query, want netip.Addr, must bool) {
	known := s.byKey[q.key]
	if known == nil && !must {
		return
	}
	l := s.claim(q, want)
	if l == nil {
		s.nak(q, "address not available")
		return
	}
	s.grant(q, l)
}

// grant acknowledges l. A lease that the client was told before may be longer
// than the new one, and the client may not get this answer: so nothing is ever
// taken off.
func (s *Server) grant(q *query, l *Lease) {
	d := s.leaseTime(q.m)
	end := timer.Never
	if d < Infinite {
		end = q.now.Add(d)
	}
	l.State, l.Until, l.Hold, l.Acked = Bound, max(end, l.Until), q.now, q.now
	s.reply(q, dhcpv4.MessageTypeAck, l)
}

// leaseTime is what the client asks for, or less.
func (s *Server) leaseTime(m *dhcp4.Message) time.Duration {
	d := min(s.cfg.Lease, Infinite)
	if n, ok := m.Uint32(uint8(dhcpv4.OptionIPAddressLeaseTime)); ok {
		d = min(d, time.Duration(n)*time.Second)
	}
	return max(d.Truncate(time.Second), time.Second)
}

// refused: the client took another server's offer.
func (s *Server) refused(q *query) {
	if l := s.byKey[q.key]; l != nil {
		s.withdraw(l, q.now)
	}
}

// decline keeps the address away from everybody for a while.
func (s *Server) decline(q *query) {
	addr, _ := q.m.Addr(uint8(dhcpv4.OptionRequestedIPAddress))
	l := s.byAddr[addr]
	if l == nil || l.key() != q.key || q.m.ServerID() != s.id || l.State == Declined {
		return
	}
	l.State, l.Hold = Declined, q.now.Add(s.cfg.DeclineHold)
	if s.byKey[q.key] == l {
		delete(s.byKey, q.key)
	}
}

// release ends a lease. Its address is kept for the client as long as nobody
// else needs it.
func (s *Server) release(q *query) {
	l := s.byAddr[q.m.CIAddr]
	if l == nil || l.key() != q.key || l.State != Bound || q.m.ServerID() != s.id {
		return
	}
	l.State = Released
	if q.now.Sub(l.Acked) >= lateRelease {
		l.Until = min(l.Until, q.now)
	}
}

// reserved returns the address kept for the client.
func (s *Server) reserved(q *query) netip.Addr {
	for _, r := range s.cfg.Reserved {
		if r.ClientID != nil && slices.Equal(r.ClientID, q.id) ||
			r.ClientID == nil && len(r.HW) > 0 && slices.Equal(r.HW, q.hw) {
			return r.Addr
		}
	}
	return netip.Addr{}
}
