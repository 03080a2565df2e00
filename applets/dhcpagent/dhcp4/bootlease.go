package dhcp4

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// BootLease is what a boot loader or an initramfs tells of a lease it got: not
// the packets, only their outcome.
type BootLease struct {
	Address netip.Prefix
	// Server is the DHCP server; invalid if it isn't known.
	Server  netip.Addr
	Routers []netip.Addr
	DNS     []netip.Addr
	Domain  string
	// Lease is the length of the lease, 0 if it isn't known.
	Lease time.Duration
}

// bootLeaseTime is the length of an adopted lease of unknown length: short,
// since nobody knows when it began.
const bootLeaseTime = time.Hour

// AppendACK appends a DHCPACK that would have led to the lease.
func (l *BootLease) AppendACK(b []byte) []byte {
	start := len(b)
	b = append(b, make([]byte, offCookie)...)
	b[start] = opReply
	a := l.Address.Addr().As4()
	copy(b[start+offYIAddr:], a[:])
	b = binary.BigEndian.AppendUint32(b, magic)
	b = append(b, optType, 1, typeAck)
	b = appendAddr(b, optServerID, l.Server)
	lease := l.Lease
	if lease <= 0 {
		lease = bootLeaseTime
	}
	b = appendOption(b, optLeaseTime, binary.BigEndian.AppendUint32(nil, uint32(min(lease/time.Second, 1<<32-2))))
	var mask [4]byte
	binary.BigEndian.PutUint32(mask[:], ^uint32(0)<<(32-l.Address.Bits()))
	b = appendOption(b, optMask, mask[:])
	b = appendAddrs(b, optRouter, l.Routers)
	b = appendAddrs(b, optDNS, l.DNS)
	b = appendOption(b, optDomain, []byte(l.Domain))
	return append(b, optEnd)
}

// appendAddrs appends an option that is a list of addresses; none for an
// empty one.
func appendAddrs(b []byte, code uint8, as []netip.Addr) []byte {
	var v []byte
	for _, a := range as {
		x := a.As4()
		v = append(v, x[:]...)
	}
	return appendOption(b, code, v)
}
