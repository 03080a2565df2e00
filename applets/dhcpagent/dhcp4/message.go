package dhcp4

import (
	"net/netip"
)

// Message is a received BOOTP or DHCP message after the tolerant scanner of
// scan.go. Options of one code are concatenated in order of appearance
// (RFC 3396) over the option area and overloaded file and sname fields.
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

// Option returns the value of an option, or nil and false.
func (m *Message) Option(code uint8) ([]byte, bool) { return m.opts.get(code) }
