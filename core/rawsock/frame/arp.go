package frame

import "net/netip"

const (
	// ARPLen is the length of an ARP packet for IPv4 over Ethernet, in octets.
	ARPLen = 28

	// ARPRequest and ARPReply are the operations of RFC 826.
	ARPRequest = 1
	ARPReply   = 2

	arpEthernet = 1
	arpIEEE802  = 6 // same addresses, other number; some stacks send it
	etherIPv4   = 0x0800
)

// ARP is an ARP packet for IPv4 over Ethernet (RFC 826). The zero Addr is
// written as 0.0.0.0, the sender address of a probe (RFC 5227 section 1.1).
type ARP struct {
	Op       uint16
	SenderHW [6]byte
	SenderIP netip.Addr
	TargetHW [6]byte
	TargetIP netip.Addr
}

// Append appends the 28 octets of the packet. It panics when an address is not
// IPv4.
func (a *ARP) Append(b []byte) []byte {
	sender, target := as4(a.SenderIP), as4(a.TargetIP)
	b = append(b, 0, arpEthernet, etherIPv4>>8, etherIPv4&0xff, 6, 4)
	b = be.AppendUint16(b, a.Op)
	b = append(b, a.SenderHW[:]...)
	b = append(b, sender[:]...)
	b = append(b, a.TargetHW[:]...)
	return append(b, target[:]...)
}

// ParseARP decodes an ARP packet. Octets behind the 28 of the packet are
// Ethernet padding and ignored. The operation is not judged.
func ParseARP(b []byte) (ARP, error) {
	if len(b) < ARPLen {
		return ARP{}, ErrShort
	}
	if hw := be.Uint16(b[0:]); hw != arpEthernet && hw != arpIEEE802 || b[4] != 6 {
		return ARP{}, ErrHardware
	}
	if be.Uint16(b[2:]) != etherIPv4 || b[5] != 4 {
		return ARP{}, ErrARPProtocol
	}
	return ARP{
		Op:       be.Uint16(b[6:]),
		SenderHW: [6]byte(b[8:14]),
		SenderIP: netip.AddrFrom4([4]byte(b[14:18])),
		TargetHW: [6]byte(b[18:24]),
		TargetIP: netip.AddrFrom4([4]byte(b[24:28])),
	}, nil
}
