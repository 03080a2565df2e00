package dhcp4

import "net/netip"

// ValidHost reports whether s may be handed on as a host or domain name:
// labels of letters, digits, '-' and '_' of at most 63 octets that do not begin
// with '-', 253 octets in all. One dot at the end is allowed (RFC 1035 §2.3.1,
// RFC 1123 §2.1; the underscore is for service names).
func ValidHost(s string) bool {
	if len(s) > 0 && s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	label := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.':
			if label == 0 {
				return false
			}
			label = 0
			continue
		case c == '-' && label == 0:
			return false
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0
}

// ValidText reports whether s may be handed to scripts as it is: printing ASCII
// without the characters that mean something to a shell.
func ValidText(s string) bool {
	for i := range len(s) {
		switch c := s[i]; c {
		case '`', '$', '\\', '"', '\'', ';', '|', '&', '<', '>', '(', ')', '*', '?', '!':
			return false
		default:
			if c < 0x20 || c > 0x7e {
				return false
			}
		}
	}
	return true
}

// maxPrintable bounds the text of a peer in one log record.
const maxPrintable = 256

// Printable makes text of a peer fit for a log: what is not printing ASCII, and
// the backslash, becomes \xNN, and what is too long is cut.
func Printable(s string) string {
	const hex = "0123456789abcdef"
	plain := len(s) <= maxPrintable
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= 0x20 && s[i] <= 0x7e && s[i] != '\\'
	}
	if plain {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := range min(len(s), maxPrintable) {
		if c := s[i]; c >= 0x20 && c <= 0x7e && c != '\\' {
			b = append(b, c)
		} else {
			b = append(b, '\\', 'x', hex[c>>4], hex[c&15])
		}
	}
	if len(s) > maxPrintable {
		b = append(b, "..."...)
	}
	return string(b)
}

// ValidAddr reports whether a can be a host's own address. 240/4 is reserved
// (RFC 1112 §4), yet some networks use it.
func ValidAddr(a netip.Addr, allow240 bool) bool {
	if !a.Is4() {
		return false
	}
	b := a.As4()
	switch {
	case b[0] == 0, b[0] == 127:
		return false
	case b[0] >= 240:
		return allow240 && b != [4]byte{255, 255, 255, 255}
	}
	return b[0] < 224
}

// CheckAddress says whether yiaddr is an address that can be used: DropAddress
// if it is special, the network or broadcast address of its own subnet, or that
// of the server or a router.
func (m *Message) CheckAddress(allow240 bool) DropReason {
	a := m.YIAddr
	if !ValidAddr(a, allow240) || a == m.ServerID() {
		return DropAddress
	}
	if bits, ok := m.maskBits(); ok && bits < 31 { // RFC 3021: a /31 has neither
		p := netip.PrefixFrom(a, bits)
		if a == p.Masked().Addr() || a == lastAddr(p) {
			return DropAddress
		}
	}
	if v, _ := m.opts.get(optRouter); len(v)%4 == 0 {
		for ; len(v) > 0; v = v[4:] {
			if a == netip.AddrFrom4([4]byte(v)) {
				return DropAddress
			}
		}
	}
	return DropNone
}
