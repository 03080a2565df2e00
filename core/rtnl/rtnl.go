// Package rtnl reads, changes and watches the kernel's links, addresses,
// routes, neighbours and rules over rtnetlink (rtnetlink(7), netlink(7)).
//
// Everything is a plain struct in host terms: netip addresses, seconds, Linux
// interface indexes. A [Conn] is for requests; a [Batch] carries many changes
// in one system call and gets one error per change. A [Watcher] is a
// non-blocking source of events for an event loop. A [Table] is a copy of what
// the kernel has: filled by dumps, kept by events, and repaired after an
// overrun by the same Resync that filled it.
//
// A Conn, a Watcher and a Table each belong to one goroutine. A request does
// not block in practice: the kernel answers rtnetlink requests before sendmsg
// returns. Sockets belong to the network namespace of the thread that opened
// them; lock the goroutine to its thread before switching namespaces.
//
// What the kernel sends is checked like anything else: only messages whose
// sender is the kernel (nl_pid 0) are looked at, and no length is believed.
package rtnl

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Values that golang.org/x/sys does not name.
const (
	ifaProto            = 11 // IFA_PROTO, Linux 5.18
	vethInfoPeer        = 1  // VETH_INFO_PEER of linux/veth.h
	rtextFilterSkipStat = 8  // RTEXT_FILTER_SKIP_STATS of linux/rtnetlink.h
)

// Forever is the lifetime of an address that does not run out, in seconds.
const Forever = 0xffffffff

// ProtoDHCP marks what a DHCP client added: the value of RTPROT_DHCP for routes,
// used for addresses (IFA_PROTO) and rules as well.
const ProtoDHCP = unix.RTPROT_DHCP

var (
	errShort     = errors.New("rtnl: message too short")
	errFamily    = errors.New("rtnl: unknown address family")
	errPrefixLen = errors.New("rtnl: prefix length out of range")
	// errIgnored is for messages that are not about the object they name.
	errIgnored = errors.New("rtnl: not of interest")
)

var ne = binary.NativeEndian

// familyOf tells AF_INET or AF_INET6, and AF_UNSPEC for the zero Addr.
func familyOf(a netip.Addr) uint8 {
	switch {
	case a.Is4():
		return unix.AF_INET
	case a.IsValid():
		return unix.AF_INET6
	}
	return unix.AF_UNSPEC
}

// unspecified is 0.0.0.0 or ::.
func unspecified(family uint8) (netip.Addr, error) {
	switch family {
	case unix.AF_INET:
		return netip.IPv4Unspecified(), nil
	case unix.AF_INET6:
		return netip.IPv6Unspecified(), nil
	}
	return netip.Addr{}, errFamily
}

// prefixOf joins an address and a length that came from outside.
func prefixOf(a netip.Addr, bits uint8) (netip.Prefix, error) {
	p := netip.PrefixFrom(a, int(bits))
	if !p.IsValid() {
		return netip.Prefix{}, errPrefixLen
	}
	return p, nil
}

// decodeAttrs calls fn for each attribute behind a fixed header of n octets.
func decodeAttrs(data []byte, n int, fn func(ad *netlink.AttributeDecoder)) error {
	if len(data) < n {
		return errShort
	}
	ad, err := netlink.NewAttributeDecoder(data[n:])
	if err != nil {
		return err
	}
	for ad.Next() {
		fn(ad)
	}
	return ad.Err()
}

// decodeAddr reads an address attribute; a wrong length gives the zero Addr.
func decodeAddr(ad *netlink.AttributeDecoder) netip.Addr {
	a, _ := netip.AddrFromSlice(ad.Bytes())
	return a
}

// encode puts the attributes that fn adds behind a fixed header.
func encode(header []byte, fn func(ae *netlink.AttributeEncoder)) ([]byte, error) {
	ae := netlink.NewAttributeEncoder()
	fn(ae)
	b, err := ae.Encode()
	if err != nil {
		return nil, err
	}
	return append(header, b...), nil
}
