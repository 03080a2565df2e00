package rtnl

import (
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Addr is an address of an interface.
type Addr struct {
	Index     int
	Prefix    netip.Prefix // the address with its prefix length, host bits kept
	Broadcast netip.Addr   // IPv4 only; zero: none
	Label     string       // IPv4 only; empty: the interface's name
	Flags     uint32       // IFA_F_*
	Proto     uint8        // IFA_PROTO, who added it; 0 before Linux 5.18
	Scope     uint8        // RT_SCOPE_*; 0 is universe

	// Preferred and Valid are remaining lifetimes in seconds, Forever without
	// end. Both 0 in a request mean forever.
	Preferred, Valid uint32
	// Updated is when the kernel last changed the lifetimes, in hundredths of
	// a second since boot; read only.
	Updated uint32

	Metric uint32     // of the prefix route, 0: the default
	Peer   netip.Addr // other end of a point-to-point address; zero: none
}

// same reports whether an address is unchanged, not counting that time passes:
// remaining lifetimes differ in every dump.
func (a *Addr) same(o *Addr) bool {
	x, y := *a, *o
	if x.Updated == y.Updated {
		x.Preferred, x.Valid = y.Preferred, y.Valid
	}
	return x == y
}

// decodeAddress reads struct ifaddrmsg and its attributes.
func decodeAddress(data []byte) (a Addr, err error) {
	if len(data) < unix.SizeofIfAddrmsg {
		return Addr{}, errShort
	}
	a.Flags = uint32(data[2])
	a.Scope = data[3]
	a.Index = int(int32(ne.Uint32(data[4:])))
	var local, address netip.Addr
	err = decodeAttrs(data, unix.SizeofIfAddrmsg, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case unix.IFA_LOCAL:
			local = decodeAddr(ad)
		case unix.IFA_ADDRESS:
			address = decodeAddr(ad)
		default:
			a.attr(ad)
		}
	})
	if err != nil {
		return Addr{}, err
	}
	// IFA_ADDRESS is the peer when it differs from IFA_LOCAL; IPv6 sends
	// IFA_LOCAL only then.
	switch {
	case !local.IsValid():
		local = address
	case address.IsValid() && address != local:
		a.Peer = address
	}
	if f := familyOf(local); f == unix.AF_UNSPEC || f != data[0] {
		return Addr{}, errFamily
	}
	a.Prefix, err = prefixOf(local, data[1])
	return a, err
}

func (a *Addr) attr(ad *netlink.AttributeDecoder) {
	switch ad.Type() {
	case unix.IFA_BROADCAST:
		a.Broadcast = decodeAddr(ad)
	case unix.IFA_LABEL:
		a.Label = ad.String()
	case unix.IFA_FLAGS:
		a.Flags = ad.Uint32()
	case unix.IFA_RT_PRIORITY:
		a.Metric = ad.Uint32()
	case ifaProto:
		a.Proto = ad.Uint8()
	case unix.IFA_CACHEINFO: // preferred, valid, created, updated
		if b := ad.Bytes(); len(b) >= 16 {
			a.Preferred, a.Valid = ne.Uint32(b), ne.Uint32(b[4:])
			a.Updated = ne.Uint32(b[12:])
		}
	}
}

// addrHeader is struct ifaddrmsg.
func addrHeader(family, bits, flags, scope uint8, index int) []byte {
	b := make([]byte, unix.SizeofIfAddrmsg, 128)
	b[0], b[1], b[2], b[3] = family, bits, flags, scope
	ne.PutUint32(b[4:], uint32(index))
	return b
}

// encode makes RTM_NEWADDR; the kernel finds the address to change by index,
// address and prefix length.
func (a *Addr) encode() ([]byte, error) {
	ip := a.Prefix.Addr()
	if !a.Prefix.IsValid() {
		return nil, errPrefixLen
	}
	h := addrHeader(familyOf(ip), uint8(a.Prefix.Bits()), uint8(a.Flags), a.Scope, a.Index)
	return encode(h, func(ae *netlink.AttributeEncoder) {
		a.identity(ae)
		if a.Broadcast.IsValid() {
			ae.Bytes(unix.IFA_BROADCAST, a.Broadcast.AsSlice())
		}
		if a.Label != "" {
			ae.String(unix.IFA_LABEL, a.Label)
		}
		if a.Flags != 0 {
			ae.Uint32(unix.IFA_FLAGS, a.Flags)
		}
		if a.Proto != 0 {
			ae.Uint8(ifaProto, a.Proto)
		}
		if a.Metric != 0 {
			ae.Uint32(unix.IFA_RT_PRIORITY, a.Metric)
		}
		if a.Valid != 0 || a.Preferred != 0 {
			var ci [16]byte
			ne.PutUint32(ci[0:], a.Preferred)
			ne.PutUint32(ci[4:], a.Valid)
			ae.Bytes(unix.IFA_CACHEINFO, ci[:])
		}
	})
}

// encodeKey makes RTM_DELADDR of exactly this index, address and prefix length.
func (a *Addr) encodeKey() ([]byte, error) {
	if !a.Prefix.IsValid() {
		return nil, errPrefixLen
	}
	ip := a.Prefix.Addr()
	h := addrHeader(familyOf(ip), uint8(a.Prefix.Bits()), 0, 0, a.Index)
	return encode(h, a.identity)
}

func (a *Addr) identity(ae *netlink.AttributeEncoder) {
	ip := a.Prefix.Addr().AsSlice()
	ae.Bytes(unix.IFA_LOCAL, ip)
	if a.Peer.IsValid() {
		ip = a.Peer.AsSlice()
	}
	ae.Bytes(unix.IFA_ADDRESS, ip)
}
