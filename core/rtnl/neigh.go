package rtnl

import (
	"bytes"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Neigh is an entry of a neighbour (ARP, ND) table.
type Neigh struct {
	Index int
	IP    netip.Addr
	HW    []byte // empty while not resolved
	State uint16 // NUD_*
	Flags uint8  // NTF_*
}

// Equal reports whether two neighbours are the same in every field.
func (n *Neigh) Equal(o *Neigh) bool {
	return n.Index == o.Index && n.IP == o.IP && n.State == o.State &&
		n.Flags == o.Flags && bytes.Equal(n.HW, o.HW)
}

// decodeNeigh reads struct ndmsg and its attributes.
func decodeNeigh(data []byte) (n Neigh, err error) {
	if len(data) < unix.SizeofNdMsg {
		return Neigh{}, errShort
	}
	if data[0] != unix.AF_INET && data[0] != unix.AF_INET6 {
		return Neigh{}, errIgnored // AF_BRIDGE: forwarding entries
	}
	n.Index = int(int32(ne.Uint32(data[4:])))
	n.State = ne.Uint16(data[8:])
	n.Flags = data[10]
	err = decodeAttrs(data, unix.SizeofNdMsg, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case unix.NDA_DST:
			n.IP = decodeAddr(ad)
		case unix.NDA_LLADDR:
			n.HW = ad.Bytes()
		}
	})
	if err != nil {
		return Neigh{}, err
	}
	if familyOf(n.IP) != data[0] {
		return Neigh{}, errFamily
	}
	return n, nil
}

// neighHeader is struct ndmsg.
func neighHeader(family uint8, index int, state uint16, flags uint8) []byte {
	b := make([]byte, unix.SizeofNdMsg, 64)
	b[0] = family
	ne.PutUint32(b[4:], uint32(index))
	ne.PutUint16(b[8:], state)
	b[10] = flags
	return b
}

func (n *Neigh) encode() ([]byte, error) {
	if !n.IP.IsValid() {
		return nil, errFamily
	}
	state := n.State
	if state == 0 && len(n.HW) > 0 {
		state = unix.NUD_PERMANENT
	}
	h := neighHeader(familyOf(n.IP), n.Index, state, n.Flags)
	return encode(h, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.NDA_DST, n.IP.AsSlice())
		if len(n.HW) > 0 {
			ae.Bytes(unix.NDA_LLADDR, n.HW)
		}
	})
}
