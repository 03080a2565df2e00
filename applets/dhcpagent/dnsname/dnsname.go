// Package dnsname converts domain names between wire form (RFC 1035 §3.1) and
// text, for DHCP options that carry them. It has no state; any goroutine may
// use it.
package dnsname

import "strings"

const (
	// MaxWire is the longest name in wire form, MaxLabel the longest label
	// (RFC 1035 §2.3.4).
	MaxWire  = 255
	MaxLabel = 63

	// maxJumps bounds the compression pointers in one name: a name has at most
	// 127 labels, and more than one pointer a label is nonsense.
	maxJumps = 127
)

// Append appends name, labels with dots between them and perhaps one at the
// end, in wire form without compression. It does not know escapes. False: a
// label is empty or too long or the name is, and b comes back as it was.
func Append(b []byte, name string) ([]byte, bool) {
	start := len(b)
	name = strings.TrimSuffix(name, ".")
	for more := true; more; {
		var label string
		label, name, more = strings.Cut(name, ".")
		if label == "" || len(label) > MaxLabel {
			return b[:start], false
		}
		b = append(b, uint8(len(label)))
		b = append(b, label...)
	}
	if b = append(b, 0); len(b)-start > MaxWire {
		return b[:start], false
	}
	return b, true
}

// Next returns as text the name that begins at msg[off], and where the one
// after it begins. A dot or backslash inside of a label gets a backslash before
// it, octets that are not printing ASCII become \DDD; the root is ".". Pointers
// (RFC 1035 §4.1.4), if allowed, count from the beginning of msg and must lead
// backwards. False: cut short, too long, a pointer that is not allowed or leads
// elsewhere.
func Next(msg []byte, off int, pointers bool) (name string, next int, ok bool) {
	var text strings.Builder
	size := 1 // octets of the wire form without pointers; the root's is one
	run := off
	jumps := 0
	next = -1
	for {
		if off < 0 || off >= len(msg) {
			return "", 0, false
		}
		n := int(msg[off])
		switch {
		case n == 0:
			if next < 0 {
				next = off + 1
			}
			if size == 1 {
				return ".", next, true
			}
			return text.String(), next, true
		case n <= MaxLabel:
			if size += 1 + n; size > MaxWire || off+1+n > len(msg) {
				return "", 0, false
			}
			if text.Len() > 0 {
				text.WriteByte('.')
			}
			escape(&text, msg[off+1:off+1+n])
			off += 1 + n
		case n >= 0xc0:
			if jumps++; !pointers || jumps > maxJumps || off+2 > len(msg) {
				return "", 0, false
			}
			if next < 0 {
				next = off + 2
			}
			// Each jump leads before the run of labels it ends, so that there
			// can be no loop.
			off = (n&0x3f)<<8 | int(msg[off+1])
			if off >= run {
				return "", 0, false
			}
			run = off
		default: // 0x40 and 0x80 were never put to use (RFC 6891 §5)
			return "", 0, false
		}
	}
}

// escape writes a label as in RFC 1035 §5.1.
func escape(w *strings.Builder, label []byte) {
	for _, c := range label {
		switch {
		case c == '.' || c == '\\':
			w.WriteByte('\\')
			w.WriteByte(c)
		case c > 0x20 && c < 0x7f:
			w.WriteByte(c)
		default:
			w.Write([]byte{'\\', '0' + c/100, '0' + c/10%10, '0' + c%10})
		}
	}
}
