package log

// maxPrintable bounds the octets that Printable looks at.
const maxPrintable = 1024

// Printable makes text from the network safe to log: octets outside 0x20..0x7e
// become \xNN and a backslash is doubled, so that no text can end a line,
// steer a terminal or look like another text. What is longer than 1024 octets
// is cut and marked with "...".
func Printable(s string) string {
	cut := len(s) > maxPrintable
	if cut {
		s = s[:maxPrintable]
	}
	if !cut && isPlain(s) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, `\\`...)
		case plain(c):
			b = append(b, c)
		default:
			b = appendHex(b, c)
		}
	}
	if cut {
		b = append(b, "..."...)
	}
	return string(b)
}

func isPlain(s string) bool {
	for i := range len(s) {
		if !plain(s[i]) {
			return false
		}
	}
	return true
}

func plain(c byte) bool { return c >= 0x20 && c <= 0x7e && c != '\\' }

func appendHex(b []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	return append(b, '\\', 'x', digits[c>>4], digits[c&15])
}
