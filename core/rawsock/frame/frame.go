// Package frame encodes and decodes the headers that travel on a packet
// socket: IPv4 with UDP (RFC 791, RFC 768) and ARP for IPv4 over Ethernet
// (RFC 826).
//
// The package is pure: it has no state, no sockets and no clock. Any goroutine
// may call it. All fields are in network byte order on the wire and plain
// numbers in the structures. Received octets are hostile: no length field is
// believed before it has been compared with the octets that are really there,
// and every way of being wrong has a sentinel error, so that callers can count
// by reason.
package frame

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// The reasons why a received packet is refused. They are returned as they are,
// never wrapped, so a caller may compare with == and keep counters by value.
var (
	// ErrShort means fewer octets than the fixed headers need.
	ErrShort = errors.New("packet shorter than its headers")
	// ErrVersion means the IP version is not 4.
	ErrVersion = errors.New("IP version is not 4")
	// ErrHeaderLength means an IPv4 header length below 20 octets or beyond the packet.
	ErrHeaderLength = errors.New("bad IPv4 header length")
	// ErrTotalLength means an IPv4 total length beyond the received octets or
	// too small for the headers.
	ErrTotalLength = errors.New("bad IPv4 total length")
	// ErrFragment means a fragment of a datagram; nothing here reassembles.
	ErrFragment = errors.New("IPv4 fragment")
	// ErrHeaderChecksum means the IPv4 header checksum does not match.
	ErrHeaderChecksum = errors.New("bad IPv4 header checksum")
	// ErrProtocol means a protocol other than UDP.
	ErrProtocol = errors.New("not UDP")
	// ErrUDPLength means a UDP length below 8 or beyond the IPv4 payload.
	ErrUDPLength = errors.New("bad UDP length")
	// ErrUDPChecksum means the UDP checksum does not match.
	ErrUDPChecksum = errors.New("bad UDP checksum")
	// ErrHardware means an ARP hardware type or address length that is not Ethernet's.
	ErrHardware = errors.New("ARP hardware is not Ethernet")
	// ErrARPProtocol means an ARP protocol type or address length that is not IPv4's.
	ErrARPProtocol = errors.New("ARP protocol is not IPv4")
)

var be = binary.BigEndian

// sum adds the octets of b, taken as big-endian 16-bit words and padded with a
// zero octet, to an unfolded ones' complement sum (RFC 1071). It adds 32 bits
// at a time, which is the same modulo 2^16-1; 64 KiB cannot overflow acc.
func sum(acc uint64, b []byte) uint64 {
	for len(b) >= 4 {
		acc += uint64(be.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		acc += uint64(be.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		acc += uint64(b[0]) << 8
	}
	return acc
}

// fold brings a sum down to 16 bits with end-around carry.
func fold(acc uint64) uint16 {
	acc = acc>>32 + acc&0xffffffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	acc = acc>>16 + acc&0xffff
	return uint16(acc)
}

// as4 is the wire form of an address: the zero Addr stands for 0.0.0.0.
func as4(a netip.Addr) [4]byte {
	if !a.IsValid() {
		return [4]byte{}
	}
	if a = a.Unmap(); !a.Is4() {
		panic("frame: not an IPv4 address")
	}
	return a.As4()
}
