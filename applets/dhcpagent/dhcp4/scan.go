package dhcp4

import (
	"encoding/binary"
	"net/netip"
)

// maxOption bounds a concatenated option; fragments beyond it are left out.
const maxOption = 16 << 10

// span is where an option's value lies.
type span struct {
	off   uint32
	n     uint16 // octets
	parts uint8  // fragments seen, stops at 255; 0: no such option
	buf   bool   // in options.buf, else in options.raw
}

// options are the scanned options of one message. Values of one fragment stay
// where they are; the others are put together in buf (RFC 3396 §7). The memory
// is used again by the next scan.
type options struct {
	raw, buf []byte
	span     [256]span
}

func (o *options) get(code uint8) ([]byte, bool) {
	s := &o.span[code]
	if s.parts == 0 {
		return nil, false
	}
	b := o.raw
	if s.buf {
		b = o.buf
	}
	end := s.off + uint32(s.n)
	return b[s.off:end:end], true
}

// area is a part of the message with options in it.
type area struct{ off, end int }

// next returns the option at a.off, or false at the end of the area: at END, at
// a code without length and at a length that leads out of it (the option
// concerned is lost, those before it are not). off and n tell where the value
// lies.
func (a *area) next(raw []byte) (code uint8, off, n int, ok bool) {
	for a.off < a.end {
		code = raw[a.off]
		a.off++
		if code == optPad {
			continue
		}
		if code == optEnd || a.off == a.end {
			break
		}
		n = int(raw[a.off])
		off = a.off + 1
		if n > a.end-off {
			break
		}
		a.off = off + n
		return code, off, n, true
	}
	a.off = a.end
	return 0, 0, 0, false
}

// Parse fills m from the payload of a UDP datagram, a BOOTREPLY, and returns
// DropNone if it is well-formed. m keeps referring to payload. Only what can be
// said of the message alone is checked: what depends on state or identity is
// the client's business.
//
// The layout is that of RFC 2131 §2, all integers in network byte order:
// op, htype, hlen, hops (1 octet each), xid (4), secs (2), flags (2), ciaddr,
// yiaddr, siaddr, giaddr (4 each), chaddr (16), sname (64), file (128), cookie
// (4), options. The time is linear in len(payload), and no memory is needed
// unless an option comes in fragments.
func Parse(m *Message, payload []byte, src netip.AddrPort, broadcast bool) DropReason {
	return parse(m, payload, src, broadcast, opReply)
}

// ParseRequest is Parse for a server: it takes BOOTREQUESTs.
func ParseRequest(m *Message, payload []byte, src netip.AddrPort) DropReason {
	return parse(m, payload, src, false, opRequest)
}

func parse(m *Message, b []byte, src netip.AddrPort, broadcast bool, op uint8) DropReason {
	m.Raw, m.Src, m.Broadcast = b, src, broadcast
	m.Cookie, m.Type, m.Overload = false, 0, 0
	m.opts.raw, m.opts.buf = b, m.opts.buf[:0]
	clear(m.opts.span[:])
	if len(b) < offOptions {
		return DropShort
	}
	m.header(b)
	if m.Op != op {
		return DropOp
	}
	if int(m.HLen) > len(m.CHAddr) {
		return DropHLen
	}
	switch binary.BigEndian.Uint32(b[offCookie:]) {
	case magic:
		m.Cookie = true
	case 0:
		return DropNone // BOOTP without a vendor area (RFC 951 §3)
	default:
		return DropCookie // a vendor area nobody knows, or a damaged message
	}
	m.scan()
	return m.vital()
}

func (m *Message) header(b []byte) {
	m.Op, m.HType, m.HLen = b[0], b[1], b[2]
	m.Xid = binary.BigEndian.Uint32(b[offXid:])
	m.Secs = binary.BigEndian.Uint16(b[offSecs:])
	m.Flags = binary.BigEndian.Uint16(b[offFlags:])
	m.CIAddr = netip.AddrFrom4([4]byte(b[offCIAddr:]))
	m.YIAddr = netip.AddrFrom4([4]byte(b[offYIAddr:]))
	m.SIAddr = netip.AddrFrom4([4]byte(b[offSIAddr:]))
	m.GIAddr = netip.AddrFrom4([4]byte(b[offGIAddr:]))
	m.CHAddr = [16]byte(b[offCHAddr:])
}

// vital checks the options without which a message has no meaning: malformed
// ones spoil it.
func (m *Message) vital() DropReason {
	if m.opts.span[optType].parts > 0 {
		t, ok := m.Uint8(optType)
		// FORCERENEW (9) is not taken without authentication, which we do not
		// offer (RFC 6704); 10 and up is talk between relays and servers
		// (RFC 4388, RFC 6926, RFC 7724).
		if !ok || t < typeDiscover || t > typeInform {
			return DropType
		}
		m.Type = t
	}
	if m.opts.span[optServerID].parts > 0 {
		if _, ok := m.Addr(optServerID); !ok {
			return DropServerID
		}
	}
	if m.opts.span[optLeaseTime].parts > 0 {
		if t, ok := m.Uint32(optLeaseTime); !ok || t == 0 {
			return DropLease
		}
	}
	return DropNone
}

// scan finds the options in the order of RFC 3396 §5: option area, file,
// sname. First come the places and sizes, then the fragmented ones are copied.
func (m *Message) scan() {
	o := &m.opts
	areas := [3]area{{offOptions, len(m.Raw)}}
	o.measure(areas[0], false)
	n := 1
	if s := o.span[optOverload]; s.parts > 0 {
		if s.parts == 1 && s.n == 1 && m.Raw[s.off] >= 1 && m.Raw[s.off] <= 3 {
			m.Overload = m.Raw[s.off]
		} else {
			o.span[optOverload] = span{}
		}
	}
	if m.Overload&1 != 0 {
		areas[n] = area{offFile, offCookie}
		n++
	}
	if m.Overload&2 != 0 {
		areas[n] = area{offSname, offFile}
		n++
	}
	for _, a := range areas[1:n] {
		o.measure(a, true)
	}
	if o.reserve() {
		for i, a := range areas[:n] {
			o.collect(a, i > 0)
		}
	}
}

// measure notes place and size of the area's options. Inside of an overloaded
// field option 52 has no meaning (RFC 2132 §9.3).
func (o *options) measure(a area, overloaded bool) {
	for {
		code, off, n, ok := a.next(o.raw)
		if !ok {
			return
		}
		if overloaded && code == optOverload {
			continue
		}
		s := &o.span[code]
		if s.parts == 0 {
			s.off = uint32(off)
		}
		if int(s.n)+n <= maxOption {
			s.n += uint16(n)
		}
		if s.parts < 255 {
			s.parts++
		}
	}
}

// reserve gives every fragmented option its place in buf and takes away those
// without octets. It reports whether there is something to collect.
func (o *options) reserve() bool {
	need := 0
	for c := range o.span {
		s := &o.span[c]
		if s.parts > 0 && s.n == 0 && !emptyAllowed(uint8(c)) {
			*s = span{}
		}
		if s.parts > 1 {
			s.off, s.buf = uint32(need), true
			need += int(s.n)
			s.n = 0 // counts again in collect
		}
	}
	if need == 0 {
		return false
	}
	if cap(o.buf) < need {
		o.buf = make([]byte, need)
	}
	o.buf = o.buf[:need]
	return true
}

// collect copies the fragments of one area.
func (o *options) collect(a area, overloaded bool) {
	for {
		code, off, n, ok := a.next(o.raw)
		if !ok {
			return
		}
		s := &o.span[code]
		if !s.buf || overloaded && code == optOverload || int(s.n)+n > maxOption {
			continue
		}
		copy(o.buf[int(s.off)+int(s.n):], o.raw[off:off+n])
		s.n += uint16(n)
	}
}

// emptyAllowed tells which options mean something without a value: rapid commit
// (RFC 4039), whatever a site likes, and the three whose absence must not be
// made from their being malformed.
func emptyAllowed(code uint8) bool {
	switch code {
	case optRapidCommit, optType, optServerID, optLeaseTime:
		return true
	}
	return code >= optSiteFirst
}
