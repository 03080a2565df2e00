package rtnl

import (
	"bytes"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Link is a network interface.
type Link struct {
	Index  int
	Name   string
	Type   uint16 // ARPHRD_*
	Flags  uint32 // IFF_*
	MTU    int
	MinMTU int // 0: not told
	MaxMTU int // 0: no limit or not told
	Master int // index of the bridge, bond, team or VRF this link is a port of
	Parent int // IFLA_LINK: the lower interface of a VLAN, the peer of a veth

	HW          []byte // hardware address, up to 32 octets
	BroadcastHW []byte
	PermHW      []byte // the address burnt in, where the driver tells

	OperState uint8  // IF_OPER_*, RFC 2863
	Kind      string // "veth", "bridge", "vlan", …; empty for hardware
	PortKind  string // kind of the master: "bridge", "bond", "vrf", …
	VRFTable  uint32 // routing table of a VRF, 0 for other kinds

	Carrier        bool
	CarrierChanges uint32 // counts since the interface was made

	LinkNetns    int // id of the namespace of Parent, when HasLinkNetns
	HasLinkNetns bool

	Inet6Flags uint32 // IF_RA_MANAGED and so on, when HasInet6
	HasInet6   bool   // the interface has IPv6
}

// Values of Link.OperState that matter here (RFC 2863; linux/if.h IF_OPER_*).
const (
	OperUnknown = 0 // the driver does not tell: loopback, tun
	OperDormant = 5 // carrier, but something is pending: 802.1X
	OperUp      = 6
)

// Flags of Link.Inet6Flags that router advertisements set (linux/if_link.h
// passes the kernel's if_flags on).
const (
	InetOtherConf = 0x80 // IF_RA_OTHERCONF: O flag of the last advertisement
	InetManaged   = 0x40 // IF_RA_MANAGED: M flag
	InetRARcvd    = 0x20 // IF_RA_RCVD: an advertisement was received
	InetRSSent    = 0x10 // IF_RS_SENT: a solicitation was sent
)

// Up reports whether the link can carry packets: administratively up, with
// carrier, and not held back, as a port before 802.1X is (OperDormant).
func (l *Link) Up() bool {
	const need = unix.IFF_UP | unix.IFF_LOWER_UP
	return l.Flags&need == need &&
		(l.OperState == OperUp || l.OperState == OperUnknown)
}

// Equal reports whether two links are the same in every field.
func (l *Link) Equal(o *Link) bool {
	return l.scalars() == o.scalars() && bytes.Equal(l.HW, o.HW) &&
		bytes.Equal(l.BroadcastHW, o.BroadcastHW) && bytes.Equal(l.PermHW, o.PermHW)
}

// linkScalars is what can be compared with ==.
type linkScalars struct {
	index, mtu, minMTU, maxMTU, master, parent, netns int
	name, kind, portKind                              string
	typ                                               uint16
	flags, changes, inet6, vrfTable                   uint32
	oper                                              uint8
	carrier, hasNetns, hasInet6                       bool
}

func (l *Link) scalars() linkScalars {
	return linkScalars{
		index: l.Index, mtu: l.MTU, minMTU: l.MinMTU, maxMTU: l.MaxMTU,
		master: l.Master, parent: l.Parent, netns: l.LinkNetns,
		name: l.Name, kind: l.Kind, portKind: l.PortKind, typ: l.Type,
		flags: l.Flags, changes: l.CarrierChanges, inet6: l.Inet6Flags,
		oper: l.OperState, carrier: l.Carrier,
		hasNetns: l.HasLinkNetns, hasInet6: l.HasInet6, vrfTable: l.VRFTable,
	}
}

// decodeLink reads struct ifinfomsg and its attributes. Messages that say only
// a part are told by their family: AF_INET6 carries the router advertisement
// flags and a few basics; other families (AF_BRIDGE: a port joined or left, and
// its "deletion" is not the link's) and wireless events are errIgnored.
func decodeLink(data []byte) (l Link, family uint8, err error) {
	if len(data) < unix.SizeofIfInfomsg {
		return Link{}, 0, errShort
	}
	family = data[0]
	if family != unix.AF_UNSPEC && family != unix.AF_INET6 {
		return Link{}, family, errIgnored
	}
	l.Type = ne.Uint16(data[2:])
	l.Index = int(int32(ne.Uint32(data[4:])))
	l.Flags = ne.Uint32(data[8:])
	ignored := false
	err = decodeAttrs(data, unix.SizeofIfInfomsg, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case unix.IFLA_WIRELESS:
			ignored = true
		default:
			l.attr(ad)
		}
	})
	if err != nil {
		return Link{}, family, err
	}
	if ignored || l.Index <= 0 {
		return Link{}, family, errIgnored
	}
	return l, family, nil
}

func (l *Link) attr(ad *netlink.AttributeDecoder) {
	switch ad.Type() {
	case unix.IFLA_IFNAME:
		l.Name = ad.String()
	case unix.IFLA_MTU:
		l.MTU = int(ad.Uint32())
	case unix.IFLA_MIN_MTU:
		l.MinMTU = int(ad.Uint32())
	case unix.IFLA_MAX_MTU:
		l.MaxMTU = int(ad.Uint32())
	case unix.IFLA_MASTER:
		l.Master = int(ad.Uint32())
	case unix.IFLA_LINK:
		l.Parent = int(ad.Uint32())
	case unix.IFLA_LINK_NETNSID:
		l.LinkNetns, l.HasLinkNetns = int(ad.Int32()), true
	case unix.IFLA_ADDRESS:
		l.HW = ad.Bytes()
	case unix.IFLA_BROADCAST:
		l.BroadcastHW = ad.Bytes()
	case unix.IFLA_PERM_ADDRESS:
		l.PermHW = ad.Bytes()
	case unix.IFLA_OPERSTATE:
		l.OperState = ad.Uint8()
	case unix.IFLA_CARRIER:
		l.Carrier = ad.Uint8() != 0
	case unix.IFLA_CARRIER_CHANGES:
		l.CarrierChanges = ad.Uint32()
	case unix.IFLA_LINKINFO:
		ad.Nested(l.linkInfo)
	case unix.IFLA_AF_SPEC:
		ad.Nested(func(nad *netlink.AttributeDecoder) error {
			for nad.Next() {
				if nad.Type() == unix.AF_INET6 {
					nad.Nested(l.inet6)
				}
			}
			return nil
		})
	case unix.IFLA_PROTINFO: // of messages with family AF_INET6
		ad.Nested(l.inet6)
	}
}

// vrfKind is the kind whose IFLA_INFO_DATA is understood here; that of other
// kinds gives the same numbers other meanings.
const vrfKind = "vrf"

func (l *Link) linkInfo(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		switch ad.Type() {
		case unix.IFLA_INFO_DATA: // the kernel sends the kind before
			if l.Kind == vrfKind {
				ad.Nested(l.vrf)
			}
		case unix.IFLA_INFO_KIND:
			l.Kind = ad.String()
		case unix.IFLA_INFO_SLAVE_KIND:
			l.PortKind = ad.String()
		}
	}
	return nil
}

func (l *Link) vrf(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		if ad.Type() == unix.IFLA_VRF_TABLE {
			l.VRFTable = ad.Uint32()
		}
	}
	return nil
}

func (l *Link) inet6(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		if ad.Type() == unix.IFLA_INET6_FLAGS {
			l.Inet6Flags, l.HasInet6 = ad.Uint32(), true
		}
	}
	return nil
}

// linkHeader is struct ifinfomsg.
func linkHeader(family uint8, index int, flags, change uint32) []byte {
	b := make([]byte, unix.SizeofIfInfomsg, 128)
	b[0] = family
	ne.PutUint32(b[4:], uint32(index))
	ne.PutUint32(b[8:], flags)
	ne.PutUint32(b[12:], change)
	return b
}

// linkRequest asks for one link by index or by name, or for all with neither.
// Statistics are left out: half a kilobyte of every answer.
func linkRequest(index int, name string) ([]byte, error) {
	return encode(linkHeader(unix.AF_UNSPEC, index, 0, 0), func(ae *netlink.AttributeEncoder) {
		switch {
		case len(name) >= unix.IFNAMSIZ:
			ae.String(unix.IFLA_ALT_IFNAME, name)
		case name != "":
			ae.String(unix.IFLA_IFNAME, name)
		}
		ae.Uint32(unix.IFLA_EXT_MASK, rtextFilterSkipStat)
	})
}
