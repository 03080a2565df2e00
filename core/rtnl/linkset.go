package rtnl

import (
	"errors"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// SetLinkOptions says what to change about a link; zero fields stay as they are.
type SetLinkOptions struct {
	Up          *bool
	MTU         int
	Name        string // new name
	HW          []byte // hardware address
	BroadcastHW []byte
	Master      *int   // index of the new master, 0: leave the master
	Netns       int    // descriptor of a network namespace to move into, 0: stay
	AddrGenMode *uint8 // IPv6: 0 EUI-64, 1 none, 2 stable privacy, 3 random
}

// Bool returns a pointer to v, for options.
func Bool(v bool) *bool { return &v }

// Int returns a pointer to v, for options.
func Int(v int) *int { return &v }

// SetLink changes a link. With Netns the index and, if taken there, the name
// may be others afterwards.
func (b *Batch) SetLink(index int, o SetLinkOptions) {
	data, err := encode(linkHeader(unix.AF_UNSPEC, index, o.upFlag(), o.upMask()), o.attrs)
	b.add(item{typ: unix.RTM_NEWLINK, verb: "change link " + strconv.Itoa(index)}, data, err)
}

// DelLink deletes a virtual link; of a veth pair both ends go.
func (b *Batch) DelLink(index int) {
	data, err := encode(linkHeader(unix.AF_UNSPEC, index, 0, 0), func(*netlink.AttributeEncoder) {})
	b.add(item{typ: unix.RTM_DELLINK, verb: "delete link " + strconv.Itoa(index)}, data, err)
}

// AddLink makes a virtual link of a kind that needs no parameters: "bridge",
// "dummy", "ifb".
func (b *Batch) AddLink(kind, name string, o SetLinkOptions) {
	b.addLink(kind, name, o, nil)
}

// AddBridge makes a bridge with no delay before a new port forwards.
func (b *Batch) AddBridge(name string, o SetLinkOptions) {
	b.addLink("bridge", name, o, func(ae *netlink.AttributeEncoder) {
		ae.Uint32(unix.IFLA_BR_FORWARD_DELAY, 0)
	})
}

// VethEnd describes one end of a veth pair.
type VethEnd struct {
	Name string
	SetLinkOptions
}

var errPeerUp = errors.New("rtnl: the peer of a veth cannot be made up, set it up afterwards")

// AddVeth makes a veth pair, each end at once with its name, hardware address
// and MTU and in its namespace. end may be up from the start; peer may not, the
// kernel would open it before it has its own peer.
func (b *Batch) AddVeth(end, peer VethEnd) {
	p, err := encode(linkHeader(unix.AF_UNSPEC, 0, peer.upFlag(), peer.upMask()), peer.attrs0(peer.Name))
	if err == nil && peer.upFlag() != 0 {
		err = errPeerUp
	}
	if err != nil {
		b.add(item{verb: "add link", name: peer.Name}, nil, err)
		return
	}
	b.addLink("veth", end.Name, end.SetLinkOptions, func(ae *netlink.AttributeEncoder) {
		ae.Bytes(unix.NLA_F_NESTED|vethInfoPeer, p)
	})
}

func (b *Batch) addLink(kind, name string, o SetLinkOptions, info func(*netlink.AttributeEncoder)) {
	data, err := encode(linkHeader(unix.AF_UNSPEC, 0, o.upFlag(), o.upMask()), func(ae *netlink.AttributeEncoder) {
		o.attrs0(name)(ae)
		ae.Nested(unix.IFLA_LINKINFO, func(nae *netlink.AttributeEncoder) error {
			nae.String(unix.IFLA_INFO_KIND, kind)
			if info != nil {
				nae.Nested(unix.IFLA_INFO_DATA, func(dae *netlink.AttributeEncoder) error {
					info(dae)
					return nil
				})
			}
			return nil
		})
	})
	b.add(item{
		typ: unix.RTM_NEWLINK, flags: netlink.Create | netlink.Excl,
		verb: "add " + kind, name: name,
	}, data, err)
}

func (o *SetLinkOptions) upFlag() uint32 {
	if o.Up != nil && *o.Up {
		return unix.IFF_UP
	}
	return 0
}

func (o *SetLinkOptions) upMask() uint32 {
	if o.Up != nil {
		return unix.IFF_UP
	}
	return 0
}

// attrs0 is attrs with the name of a link that is being made.
func (o SetLinkOptions) attrs0(name string) func(*netlink.AttributeEncoder) {
	o.Name = name
	return o.attrs
}

func (o *SetLinkOptions) attrs(ae *netlink.AttributeEncoder) {
	if o.Name != "" {
		ae.String(unix.IFLA_IFNAME, o.Name)
	}
	if o.MTU != 0 {
		ae.Uint32(unix.IFLA_MTU, uint32(o.MTU))
	}
	if len(o.HW) != 0 {
		ae.Bytes(unix.IFLA_ADDRESS, o.HW)
	}
	if len(o.BroadcastHW) != 0 {
		ae.Bytes(unix.IFLA_BROADCAST, o.BroadcastHW)
	}
	if o.Master != nil {
		ae.Uint32(unix.IFLA_MASTER, uint32(*o.Master))
	}
	if o.Netns != 0 {
		ae.Uint32(unix.IFLA_NET_NS_FD, uint32(o.Netns))
	}
	if o.AddrGenMode != nil {
		ae.Nested(unix.IFLA_AF_SPEC, func(nae *netlink.AttributeEncoder) error {
			nae.Nested(unix.AF_INET6, func(in *netlink.AttributeEncoder) error {
				in.Uint8(unix.IFLA_INET6_ADDR_GEN_MODE, *o.AddrGenMode)
				return nil
			})
			return nil
		})
	}
}
