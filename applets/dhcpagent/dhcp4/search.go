package dhcp4

import "strings"

// maxWireName is the longest name in wire form (RFC 1035 §3.1).
const maxWireName = 255

// appendWireName appends name as RFC 1035 §3.1 labels with the root's zero
// octet at the end. False: it has an empty or too long label, or is too long.
func appendWireName(b []byte, name string) ([]byte, bool) {
	name = strings.TrimSuffix(name, ".")
	start := len(b)
	for name != "" {
		label, rest, more := strings.Cut(name, ".")
		if label == "" || len(label) > 63 || more && rest == "" {
			return b[:start], false
		}
		b = append(b, uint8(len(label)))
		b = append(b, label...)
		name = rest
	}
	b = append(b, 0)
	if n := len(b) - start; n == 1 || n > maxWireName {
		return b[:start], false
	}
	return b, true
}
