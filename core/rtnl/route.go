package rtnl

import (
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Route is an entry of a routing table.
type Route struct {
	Dst     netip.Prefix // always valid when read; 0.0.0.0/0 or ::/0 is the default route
	Gateway netip.Addr   // zero: on link
	PrefSrc netip.Addr   // source address for packets without one
	Index   int          // outgoing interface
	Metric  uint32       // priority, the smaller the better
	Table   uint32       // 0 in a request: main (254)
	Proto   uint8        // RTPROT_*: who added it; 0 in a request to add: boot
	Scope   uint8        // RT_SCOPE_*; see the batch's AddRoute for 0
	Type    uint8        // RTN_*; 0 in a request: unicast
	TOS     uint8
	Flags   uint32 // RTNH_F_*: 4 is onlink, the gateway needs no route of its own
	MTU     uint32 // 0: the interface's
	// Multipath is the number of next hops when there are several; Gateway and
	// Index are those of the first then. Read only.
	Multipath uint8
}

// decodeRoute reads struct rtmsg and its attributes.
func decodeRoute(data []byte) (r Route, err error) {
	if len(data) < unix.SizeofRtMsg {
		return Route{}, errShort
	}
	family := data[0]
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return Route{}, errIgnored // multicast routing and MPLS use the same messages
	}
	r.TOS = data[3]
	r.Table = uint32(data[4])
	r.Proto, r.Scope, r.Type = data[5], data[6], data[7]
	flags := ne.Uint32(data[8:])
	if flags&unix.RTM_F_CLONED != 0 {
		return Route{}, errIgnored // a cached decision, not a route
	}
	r.Flags = flags & 0xff // RTNH_F_* are below RTM_F_*
	dst, err := unspecified(family)
	if err != nil {
		return Route{}, err
	}
	err = decodeAttrs(data, unix.SizeofRtMsg, func(ad *netlink.AttributeDecoder) {
		if ad.Type() == unix.RTA_DST {
			dst = decodeAddr(ad)
			return
		}
		r.attr(ad)
	})
	if err != nil {
		return Route{}, err
	}
	if familyOf(dst) != family {
		return Route{}, errFamily
	}
	r.Dst, err = prefixOf(dst, data[1])
	return r, err
}

func (r *Route) attr(ad *netlink.AttributeDecoder) {
	switch ad.Type() {
	case unix.RTA_GATEWAY:
		r.Gateway = decodeAddr(ad)
	case unix.RTA_VIA: // a family in host order, then an address of it (RFC 5549)
		if b := ad.Bytes(); len(b) > 2 {
			r.Gateway, _ = netip.AddrFromSlice(b[2:])
		}
	case unix.RTA_PREFSRC:
		r.PrefSrc = decodeAddr(ad)
	case unix.RTA_OIF:
		r.Index = int(ad.Uint32())
	case unix.RTA_PRIORITY:
		r.Metric = ad.Uint32()
	case unix.RTA_TABLE:
		r.Table = ad.Uint32()
	case unix.RTA_METRICS:
		ad.Nested(func(nad *netlink.AttributeDecoder) error {
			for nad.Next() {
				if nad.Type() == unix.RTAX_MTU {
					r.MTU = nad.Uint32()
				}
			}
			return nil
		})
	case unix.RTA_MULTIPATH:
		r.multipath(ad.Bytes())
	}
}

// multipath reads a list of struct rtnexthop, each with its attributes.
func (r *Route) multipath(b []byte) {
	for len(b) >= unix.SizeofRtNexthop {
		n := int(ne.Uint16(b))
		if n < unix.SizeofRtNexthop || n > len(b) {
			return
		}
		if r.Multipath == 0 {
			r.Index = int(int32(ne.Uint32(b[4:])))
			hop := Route{}
			if decodeAttrs(b[:n], unix.SizeofRtNexthop, hop.attr) == nil {
				r.Gateway = hop.Gateway
			}
		}
		if r.Multipath < 255 {
			r.Multipath++
		}
		b = b[min((n+3)&^3, len(b)):]
	}
}

// family of a route in a request.
func (r *Route) family() uint8 { return familyOf(r.Dst.Addr()) }

// routeHeader is struct rtmsg. Table numbers above 255 go into RTA_TABLE.
func routeHeader(family, bits uint8, table uint32, proto, scope, typ uint8, flags uint32) []byte {
	b := make([]byte, unix.SizeofRtMsg, 128)
	b[0], b[1] = family, bits
	if table < 256 {
		b[4] = uint8(table)
	}
	b[5], b[6], b[7] = proto, scope, typ
	ne.PutUint32(b[8:], flags)
	return b
}

func (r *Route) encode(del bool) ([]byte, error) {
	if !r.Dst.IsValid() {
		return nil, errPrefixLen
	}
	table := r.Table
	if table == 0 {
		table = unix.RT_TABLE_MAIN
	}
	proto, typ := r.Proto, r.Type
	if !del {
		if proto == 0 {
			proto = unix.RTPROT_BOOT
		}
		if typ == 0 {
			typ = unix.RTN_UNICAST
		}
	}
	h := routeHeader(r.family(), uint8(r.Dst.Bits()), table, proto, r.scope(del), typ, r.Flags&unix.RTNH_F_ONLINK)
	h[3] = r.TOS
	return encode(h, func(ae *netlink.AttributeEncoder) { r.encodeAttrs(ae, table) })
}

// scope fills in what nobody wants to say. IPv4 accepts a gateway only behind a
// route of narrower scope, so routes without one are of link scope. In a
// request to delete, RT_SCOPE_NOWHERE matches any.
func (r *Route) scope(del bool) uint8 {
	switch {
	case r.Scope != 0 || r.family() != unix.AF_INET:
		return r.Scope
	case del:
		return unix.RT_SCOPE_NOWHERE
	case r.Type == unix.RTN_LOCAL:
		return unix.RT_SCOPE_HOST
	case (r.Type == 0 || r.Type == unix.RTN_UNICAST) && !r.Gateway.IsValid():
		return unix.RT_SCOPE_LINK
	}
	return r.Scope
}

func (r *Route) encodeAttrs(ae *netlink.AttributeEncoder, table uint32) {
	if r.Dst.Bits() > 0 {
		ae.Bytes(unix.RTA_DST, r.Dst.Masked().Addr().AsSlice())
	}
	if r.Gateway.IsValid() {
		if f := familyOf(r.Gateway); f == r.family() {
			ae.Bytes(unix.RTA_GATEWAY, r.Gateway.AsSlice())
		} else {
			via := ne.AppendUint16(nil, uint16(f))
			ae.Bytes(unix.RTA_VIA, append(via, r.Gateway.AsSlice()...))
		}
	}
	if r.PrefSrc.IsValid() {
		ae.Bytes(unix.RTA_PREFSRC, r.PrefSrc.AsSlice())
	}
	if r.Index != 0 {
		ae.Uint32(unix.RTA_OIF, uint32(r.Index))
	}
	if r.Metric != 0 {
		ae.Uint32(unix.RTA_PRIORITY, r.Metric)
	}
	if table > 255 {
		ae.Uint32(unix.RTA_TABLE, table)
	}
	if r.MTU != 0 {
		ae.Nested(unix.RTA_METRICS, func(nae *netlink.AttributeEncoder) error {
			nae.Uint32(unix.RTAX_MTU, r.MTU)
			return nil
		})
	}
}
