package dhcp4

import (
	"strings"

	"daemonbox/applets/dhcpagent/dnsname"
)

// maxSearch bounds the names taken from one option; resolvers do not use more.
const maxSearch = 32

// searchList returns the names of option 119, the concatenated value with
// pointers relative to its beginning (RFC 3397 §2). Names that may not be
// handed on are left out and counted in bad; whole is false where the coding
// is broken, and nothing after that place is used.
func searchList(v []byte) (names []string, bad int, whole bool) {
	for off := 0; off < len(v); {
		if len(names)+bad == maxSearch {
			return names, bad, true
		}
		name, next, ok := dnsname.Next(v, off, true)
		if !ok {
			return names, bad, false
		}
		off = next
		if !ValidHost(name) {
			bad++
			continue
		}
		names = append(names, name)
	}
	return names, bad, true
}

// domain returns the name of option 15 without the dot at its end, or "" and
// false for one that may not be handed on.
func domain(s string) (string, bool) {
	if !ValidHost(s) {
		return "", false
	}
	return strings.TrimSuffix(s, "."), true
}
