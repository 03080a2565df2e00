package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/interop/peer"
	"daemonbox/core/netlab"
	"daemonbox/core/rtnl"
)

// rawExchange measures what server and kernel need by themselves: the four
// messages over a socket that is open already, and the address.
func (b *bench) rawExchange() (series, error) {
	var got series
	err := withLab(func(l *netlab.Lab) error {
		n, err := b.newLane(l, "raw")
		if err != nil {
			return err
		}
		defer n.close()
		if _, err := n.dnsmasq(); err != nil {
			return err
		}
		link, err := n.c.Link("eth0")
		if err != nil {
			return err
		}
		w, err := peer.OpenWire(n.c, "eth0", unix.ETH_P_IP)
		if err != nil {
			return err
		}
		defer w.Close()
		for round := range b.rounds {
			if err := n.reset(); err != nil {
				return err
			}
			began := time.Now()
			addr, err := exchange(w, uint32(round)+1)
			if err != nil {
				return err
			}
			err = n.c.Change(func(_ *rtnl.Conn, batch *rtnl.Batch) error {
				batch.AddAddr(rtnl.Addr{Index: link.Index, Prefix: netip.PrefixFrom(addr, 24), Preferred: 3600, Valid: 3600}, true)
				return nil
			})
			if err != nil {
				return err
			}
			e, err := n.rec.AwaitAddr(network, 5*time.Second)
			if err != nil {
				return err
			}
			got = append(got, e.At.Sub(began))
		}
		return nil
	})
	return got, err
}

// exchange gets an address by the shortest way.
func exchange(w *peer.Wire, xid uint32) (netip.Addr, error) {
	offer, err := ask(w, xid, peer.Discover, peer.Offer)
	if err != nil {
		return netip.Addr{}, err
	}
	ack, err := ask(w, xid, peer.Request, peer.Ack,
		peer.Option{Code: peer.OptRequested, Value: offer.YIAddr.AsSlice()}, peer.Option{Code: peer.OptServer, Value: offer.Get(peer.OptServer)})
	if err != nil {
		return netip.Addr{}, err
	}
	return ack.YIAddr, nil
}

// ask sends a message and waits for its answer.
func ask(w *peer.Wire, xid uint32, kind, want byte, opts ...peer.Option) (*peer.Message, error) {
	none := netip.IPv4Unspecified()
	m := &peer.Message{
		Op: 1, HType: 1, HLen: 6, XID: xid, CIAddr: none, YIAddr: none, SIAddr: none, GIAddr: none,
		Options: append([]peer.Option{{Code: peer.OptType, Value: []byte{kind}}}, opts...),
	}
	copy(m.CHAddr[:], w.MAC[:])
	f := peer.Frame{
		SrcMAC: w.MAC, DstMAC: [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		Src: netip.AddrPortFrom(none, 68), Dst: netip.MustParseAddrPort("255.255.255.255:67"), Payload: m.Bytes(),
	}
	if err := w.Send(f.Bytes()); err != nil {
		return nil, err
	}
	b := make([]byte, 4096)
	for range 100 {
		n, err := w.Recv(b)
		if err != nil {
			return nil, err
		}
		if r := peer.ParseFrame(b[:n]); r != nil && r.XID == xid && r.Type() == want {
			return r, nil
		}
	}
	return nil, fmt.Errorf("no message of type %d for xid %x", want, binary.BigEndian.AppendUint32(nil, xid))
}
