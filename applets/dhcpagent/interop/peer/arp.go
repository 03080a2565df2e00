package peer

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// arpLen is the length of an ARP packet for IPv4 over Ethernet, RFC 826.
const arpLen = 28

// ARP encodes a broadcast Ethernet frame with an ARP packet: op 1 asks, 2
// answers.
func ARP(op uint16, senderHW [6]byte, sender netip.Addr, targetHW [6]byte, target netip.Addr) []byte {
	b := make([]byte, 0, IPAt+arpLen)
	b = append(append(b, broadcast[:]...), senderHW[:]...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_ARP)
	b = append(b, 0, 1, 8, 0, 6, 4)
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(append(b, senderHW[:]...), sender.AsSlice()...)
	return append(append(b, targetHW[:]...), target.AsSlice()...)
}

// ParseARP decodes a frame with an ARP packet; op 0 if it is none.
func ParseARP(b []byte) (op uint16, senderHW [6]byte, sender, target netip.Addr) {
	if len(b) < IPAt+arpLen || binary.BigEndian.Uint16(b[12:]) != unix.ETH_P_ARP {
		return 0, senderHW, sender, target
	}
	p := b[IPAt:]
	return binary.BigEndian.Uint16(p[6:]), [6]byte(p[8:]), netip.AddrFrom4([4]byte(p[14:])), netip.AddrFrom4([4]byte(p[24:]))
}
