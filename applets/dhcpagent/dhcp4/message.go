package dhcp4

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// Message is a received BOOTP or DHCP message after the tolerant scanner of
// scan.go. Options of one code are concatenated in order of appearance
// (RFC 3396) over the option area and overloaded file and sname fields.
//
// A Message filled by Parse refers to the octets it was parsed from; Clone it
// to keep it.
type Message struct {
	// Raw is the BOOTP payload as received.
	Raw []byte
	// Src is the sender's address and port as the IP header had it.
	Src netip.AddrPort
	// Broadcast: delivered to the limited broadcast address.
	Broadcast bool

	Op, HType, HLen uint8
	Xid             uint32
	Secs, Flags     uint16
	CIAddr, YIAddr  netip.Addr
	SIAddr, GIAddr  netip.Addr
	CHAddr          [16]byte
	// Cookie: the magic cookie of RFC 1048 is there.
	Cookie bool
	// Type is the value of option 53, 0 without a valid one (BOOTP).
	Type uint8
	// Overload is the accepted value of option 52 (0: none).
	Overload uint8

	opts options
}

// maxAddrs bounds the addresses taken from one option.
const maxAddrs = 64

// Clone returns a copy that shares no memory with m.
func (m *Message) Clone() *Message {
	c := *m
	c.Raw = slices.Clone(m.Raw)
	c.opts.raw = c.Raw
	c.opts.buf = slices.Clone(m.opts.buf)
	return &c
}

// Option returns the value of an option, or nil and false. An option without
// octets counts as absent unless it means something by being there.
func (m *Message) Option(code uint8) ([]byte, bool) { return m.opts.get(code) }

// Has reports whether the option is there.
func (m *Message) Has(code uint8) bool { _, ok := m.opts.get(code); return ok }

// Uint8 returns the value of an option of exactly one octet.
func (m *Message) Uint8(code uint8) (uint8, bool) {
	v, _ := m.opts.get(code)
	if len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// Uint16 returns the value of an option of exactly two octets.
func (m *Message) Uint16(code uint8) (uint16, bool) {
	v, _ := m.opts.get(code)
	if len(v) != 2 {
		return 0, false
	}
	return binary.BigEndian.Uint16(v), true
}

// Uint32 returns the value of an option of exactly four octets.
func (m *Message) Uint32(code uint8) (uint32, bool) {
	v, _ := m.opts.get(code)
	if len(v) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(v), true
}

// Addr returns the value of an option of exactly one address.
func (m *Message) Addr(code uint8) (netip.Addr, bool) {
	v, _ := m.opts.get(code)
	if len(v) != 4 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom4([4]byte(v)), true
}

// Addrs returns the addresses of a list option: at most 64, an incomplete last
// one is cut off.
func (m *Message) Addrs(code uint8) []netip.Addr {
	v, _ := m.opts.get(code)
	n := min(len(v)/4, maxAddrs)
	if n == 0 {
		return nil
	}
	list := make([]netip.Addr, n)
	for i := range list {
		list[i] = netip.AddrFrom4([4]byte(v[4*i:]))
	}
	return list
}

// String returns the value of a text option up to its first NUL: RFC 2132 §2
// has senders leave it out and receivers strip it. The text is not safe to
// print or to pass on; see ValidHost, ValidText and Printable.
func (m *Message) String(code uint8) string {
	v, _ := m.opts.get(code)
	return text(v)
}

// ServerID returns option 54, the invalid address without one.
func (m *Message) ServerID() netip.Addr {
	a, _ := m.Addr(optServerID)
	return a
}

// BootFile returns the file name of option 67 or of the file field. A field that
// carries options (RFC 2132 §9.3) has no name.
func (m *Message) BootFile() string {
	if v, ok := m.opts.get(optBootFile); ok {
		return text(v)
	}
	if m.Overload&1 != 0 || len(m.Raw) < offCookie {
		return ""
	}
	return text(m.Raw[offFile:offCookie])
}

// ServerName returns the name of option 66 or of the sname field, in the same
// way.
func (m *Message) ServerName() string {
	if v, ok := m.opts.get(optServerName); ok {
		return text(v)
	}
	if m.Overload&2 != 0 || len(m.Raw) < offFile {
		return ""
	}
	return text(m.Raw[offSname:offFile])
}

// Field returns up to n octets from offset off of the packet, nil where there
// are none. Fields that carry options show as empty.
func (m *Message) Field(off, n uint32) []byte {
	size := uint32(len(m.Raw))
	if off >= size {
		return nil
	}
	n = min(n, size-off)
	v := m.Raw[off : off+n]
	if m.Overload&1 != 0 && off+n > offFile && off < offCookie ||
		m.Overload&2 != 0 && off+n > offSname && off < offFile {
		return nil
	}
	return v
}

// Vendor returns sub-option code of option 43 (RFC 2132 §8.4). An area that
// does not add up has no sub-options.
func (m *Message) Vendor(code uint8) ([]byte, bool) {
	v, _ := m.opts.get(optVendor)
	return suboption(v, code)
}

// Ignore makes the options in codes absent, other than those without which
// there is no DHCP.
func (m *Message) Ignore(codes []uint8) {
	for _, c := range codes {
		switch c {
		case optLeaseTime, optType, optServerID:
		default:
			m.opts.span[c] = span{}
		}
	}
}

// text cuts v at its first NUL.
func text(v []byte) string {
	if i := slices.Index(v, 0); i >= 0 {
		v = v[:i]
	}
	return string(v)
}

// suboption finds a sub-option in an encapsulated area, concatenating nothing:
// areas over 255 octets are put together before (RFC 3396 §8).
func suboption(area []byte, code uint8) (value []byte, ok bool) {
	for len(area) > 0 {
		switch area[0] {
		case optPad:
			area = area[1:]
			continue
		case optEnd:
			return value, ok
		}
		if len(area) < 2 || len(area) < 2+int(area[1]) {
			return nil, false
		}
		if area[0] == code && !ok {
			value, ok = area[2:2+int(area[1])], true
		}
		area = area[2+int(area[1]):]
	}
	return value, ok
}
