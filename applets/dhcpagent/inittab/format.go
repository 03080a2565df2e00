package inittab

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"strconv"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dnsname"
)

// ErrValue says that an option's value does not have the form of its type.
var ErrValue = errors.New("malformed option value")

// Canonical returns every octet of v as 0xNN, one a line.
func Canonical(v []byte) []string {
	lines := make([]string, len(v))
	for i, c := range v {
		lines[i] = string(appendOctet(nil, c))
	}
	return lines
}

// Format returns the value v as text, one line for each group of values.
func (e *Entry) Format(v []byte) ([]string, error) {
	switch e.Type {
	case Bool:
		return []string{"1"}, nil
	case ASCII, Octet:
		if n := e.Size(); n > 0 && len(v) > n {
			v = v[:n]
		}
		if len(v) == 0 {
			return nil, nil
		}
		if e.Type == ASCII {
			return []string{formatASCII(v)}, nil
		}
		return []string{formatOctets(v)}, nil
	case Number:
		return formatNumber(v)
	case Domain:
		return e.group(e.domains(v)), nil
	case DUID:
		return formatDUID(v)
	case Routes:
		return formatRoutes(v)
	}
	return e.elements(v)
}

// elements formats a list of values of fixed size.
func (e *Entry) elements(v []byte) ([]string, error) {
	if e.Family == 6 && e.Category == api.Standard && e.Code == 13 && len(v) > 2 {
		v = v[:2] // RFC 8415 §21.13: a message follows the status code
	}
	size := int(types[e.Type].size)
	if size == 0 || len(v)%(size*int(max(e.Gran, 1))) != 0 {
		return nil, ErrValue
	}
	list := make([]string, 0, len(v)/size)
	for ; len(v) > 0; v = v[size:] {
		list = append(list, formatElement(e.Type, v[:size]))
	}
	return e.group(list), nil
}

// group joins the values that belong together and keeps to the maximum.
func (e *Entry) group(list []string) []string {
	gran := int(max(e.Gran, 1))
	if n := gran * int(e.Max); n > 0 && len(list) > n {
		list = list[:n]
	}
	if gran == 1 {
		return list
	}
	var lines []string
	for len(list) > 0 {
		n := min(gran, len(list))
		line := list[0]
		for _, s := range list[1:n] {
			line += " " + s
		}
		lines = append(lines, line)
		list = list[n:]
	}
	return lines
}

func formatElement(t Type, v []byte) string {
	switch t {
	case IP:
		return netip.AddrFrom4([4]byte(v)).String()
	case IPv6:
		return netip.AddrFrom16([16]byte(v)).String()
	case SNumber8, SNumber16, SNumber32, SNumber64:
		shift := 64 - 8*len(v)
		return strconv.FormatInt(int64(unsigned(v)<<shift)>>shift, 10)
	}
	return strconv.FormatUint(unsigned(v), 10)
}

// unsigned reads up to eight octets in network byte order.
func unsigned(v []byte) uint64 {
	var n uint64
	for _, c := range v {
		n = n<<8 | uint64(c)
	}
	return n
}

func formatNumber(v []byte) ([]string, error) {
	switch len(v) {
	case 1, 2, 4, 8:
		return []string{strconv.FormatUint(unsigned(v), 10)}, nil
	}
	return nil, ErrValue
}

// formatASCII returns the text up to its first NUL. What does not print becomes
// an octal escape, so that a terminal is safe from it.
func formatASCII(v []byte) string {
	b := make([]byte, 0, len(v))
	for _, c := range v {
		if c == 0 {
			break
		}
		if c >= 0x20 && c <= 0x7e {
			b = append(b, c)
		} else {
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		}
	}
	return string(b)
}

func formatOctets(v []byte) string {
	b := make([]byte, 0, 5*len(v))
	for i, c := range v {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendOctet(b, c)
	}
	return string(b)
}

const hexDigits = "0123456789ABCDEF"

func appendOctet(b []byte, c byte) []byte {
	return append(b, '0', 'x', hexDigits[c>>4], hexDigits[c&15])
}

// maxNames bounds the names shown of one value.
const maxNames = 255

// domains returns the names of the value; what is malformed ends the list.
// Pointers are legal in option 119 of DHCPv4 (RFC 3397), nowhere in DHCPv6
// (RFC 8415 §10).
func (e *Entry) domains(v []byte) []string {
	pointers := e.Family == 4 && e.Category == api.Standard && e.Code == 119
	var list []string
	for off := 0; off < len(v) && len(list) < maxNames; {
		name, next, ok := dnsname.Next(v, off, pointers)
		if !ok {
			break
		}
		list = append(list, name)
		off = next
	}
	return list
}

// formatDUID returns the notation of the CLIENT_ID parameter (RFC 8415 §11).
func formatDUID(v []byte) ([]string, error) {
	if len(v) < 3 {
		return nil, ErrValue
	}
	be := binary.BigEndian
	kind := be.Uint16(v)
	v = v[2:]
	b := strconv.AppendUint(nil, uint64(kind), 10)
	number := func(n int) {
		b = append(b, ',')
		b = strconv.AppendUint(b, unsigned(v[:n]), 10)
		v = v[n:]
	}
	colon := false
	switch {
	case kind == 1 && len(v) > 6:
		number(2) // hardware type
		number(4) // seconds since 2000
		colon = true
	case kind == 2 && len(v) > 4:
		number(4) // enterprise
	case kind == 3 && len(v) > 2:
		number(2)
		colon = true
	case kind >= 1 && kind <= 3:
		return nil, ErrValue
	}
	b = append(b, ',')
	for i, c := range v {
		if colon && i > 0 {
			b = append(b, ':')
		}
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return []string{string(b)}, nil
}

// formatRoutes returns "destination/width router" for each route of RFC 3442.
func formatRoutes(v []byte) ([]string, error) {
	var lines []string
	for len(v) > 0 {
		width := int(v[0])
		n := (width + 7) / 8
		if width > 32 || len(v) < 1+n+4 {
			return nil, ErrValue
		}
		var dst [4]byte
		copy(dst[:], v[1:1+n])
		p := netip.PrefixFrom(netip.AddrFrom4(dst), width).Masked()
		lines = append(lines, p.String()+" "+netip.AddrFrom4([4]byte(v[1+n:])).String())
		v = v[1+n+4:]
	}
	return lines, nil
}
