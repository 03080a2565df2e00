package frame

import "net/netip"

const (
	ip4HeaderLen = 20 // without options
	udpHeaderLen = 8
	protoUDP     = 17

	// maxTotal is what the 16-bit total length of IPv4 can say, in octets.
	maxTotal = 1<<16 - 1

	// HeaderLen is what Append puts before the payload, in octets.
	HeaderLen = ip4HeaderLen + udpHeaderLen
	// MaxPayload is the largest UDP payload one IPv4 packet can hold, in octets.
	MaxPayload = maxTotal - HeaderLen
)

// UDP4 is a UDP datagram in an IPv4 packet that is not a fragment.
type UDP4 struct {
	Src, Dst netip.AddrPort // the zero address is 0.0.0.0
	TTL, TOS uint8          // TOS is the DSCP (6 bits) and ECN (2 bits) octet
	ID       uint16         // identification of the IPv4 header
	Payload  []byte
}

// Append appends the packet: an IPv4 header without options, DF clear, the UDP
// header and the payload, with both checksums. It panics when the payload is
// larger than MaxPayload or an address is not IPv4: both are the caller's errors.
func (u *UDP4) Append(b []byte) []byte {
	if len(u.Payload) > MaxPayload {
		panic("frame: payload larger than an IPv4 packet can hold")
	}
	udpLen := udpHeaderLen + len(u.Payload)
	src, dst := as4(u.Src.Addr()), as4(u.Dst.Addr())

	var h [HeaderLen]byte
	ip := h[:ip4HeaderLen]
	ip[0] = 4<<4 | ip4HeaderLen/4
	ip[1] = u.TOS
	be.PutUint16(ip[2:], uint16(ip4HeaderLen+udpLen))
	be.PutUint16(ip[4:], u.ID)
	ip[8] = u.TTL
	ip[9] = protoUDP
	copy(ip[12:], src[:])
	copy(ip[16:], dst[:])
	be.PutUint16(ip[10:], ^fold(sum(0, ip)))

	udp := h[ip4HeaderLen:]
	be.PutUint16(udp[0:], u.Src.Port())
	be.PutUint16(udp[2:], u.Dst.Port())
	be.PutUint16(udp[4:], uint16(udpLen))
	acc := sum(pseudo(ip, udpLen), udp)
	c := ^fold(sum(acc, u.Payload))
	if c == 0 {
		c = 0xffff // RFC 768: zero on the wire means no checksum
	}
	be.PutUint16(udp[6:], c)

	b = append(b, h[:]...)
	return append(b, u.Payload...)
}

// pseudo is the unfolded sum of the pseudo header of RFC 768 for the IPv4
// header ip and a UDP length in octets.
func pseudo(ip []byte, udpLen int) uint64 {
	return sum(uint64(protoUDP)+uint64(udpLen), ip[12:20])
}

// ParseUDP4 decodes a packet that begins with its IPv4 header. Octets behind
// the total length (padding of short Ethernet frames) and behind the UDP
// length are cut off. The payload points into b.
//
// checksumNotReady tells that the sender's kernel left the UDP checksum to
// hardware that never saw the packet, so the field holds only the sum of the
// pseudo header (TP_STATUS_CSUMNOTREADY of packet(7), usual on veth and
// virtio); then the UDP checksum is not verified, everything else is. A UDP
// checksum of zero means that the sender made none (RFC 768).
func ParseUDP4(b []byte, checksumNotReady bool) (UDP4, error) {
	ip, udp, err := splitUDP4(b)
	if err != nil {
		return UDP4{}, err
	}
	if be.Uint16(udp[6:]) != 0 && !checksumNotReady &&
		fold(sum(pseudo(ip, len(udp)), udp)) != 0xffff {
		return UDP4{}, ErrUDPChecksum
	}
	src := netip.AddrFrom4([4]byte(ip[12:16]))
	dst := netip.AddrFrom4([4]byte(ip[16:20]))
	return UDP4{
		Src:     netip.AddrPortFrom(src, be.Uint16(udp[0:])),
		Dst:     netip.AddrPortFrom(dst, be.Uint16(udp[2:])),
		TTL:     ip[8],
		TOS:     ip[1],
		ID:      be.Uint16(ip[4:]),
		Payload: udp[udpHeaderLen:],
	}, nil
}

// splitUDP4 checks everything but the UDP checksum. It returns the IPv4 header
// with its options and the UDP datagram of exactly its own length.
func splitUDP4(b []byte) (ip, udp []byte, err error) {
	if len(b) < ip4HeaderLen {
		return nil, nil, ErrShort
	}
	if b[0]>>4 != 4 {
		return nil, nil, ErrVersion
	}
	ihl := int(b[0]&0xf) * 4
	if ihl < ip4HeaderLen || ihl > len(b) {
		return nil, nil, ErrHeaderLength
	}
	// The checksum first among the checks of content: a header that was
	// damaged on the way is counted as that.
	if fold(sum(0, b[:ihl])) != 0xffff {
		return nil, nil, ErrHeaderChecksum
	}
	// RFC 791: MF is bit 13, the offset the 13 bits below.
	if be.Uint16(b[6:])&0x3fff != 0 {
		return nil, nil, ErrFragment
	}
	if b[9] != protoUDP {
		return nil, nil, ErrProtocol
	}
	total := int(be.Uint16(b[2:]))
	if total < ihl+udpHeaderLen || total > len(b) {
		return nil, nil, ErrTotalLength
	}
	udp = b[ihl:total]
	n := int(be.Uint16(udp[4:]))
	if n < udpHeaderLen || n > len(udp) {
		return nil, nil, ErrUDPLength
	}
	return b[:ihl], udp[:n], nil
}
