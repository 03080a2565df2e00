package dhcpagent

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/event"
	"daemonbox/core/rawsock"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/rtnl"
	"daemonbox/core/timer"
)

// packetBudget bounds how many frames one turn of the loop takes from one
// socket, so that a flood on one interface does not hold up the others.
const packetBudget = 64

// pif is a physical interface: the kernel link under one or more logical
// interfaces and the packet sockets on it.
type pif struct {
	a     *agent
	index int
	link  rtnl.Link
	// clients are the logical interfaces on this link, the base one first.
	clients []*client

	ip    *rawsock.Conn
	ipSrc *event.Source

	arp     *rawsock.Conn
	arpSrc  *event.Source
	probers int

	dropped  map[string]uint64 // frames that reached no client, by reason
	limit    limiter
	mtuAsked int // MTU we set, 0 when none
	mtuOrig  int
	// mtuChanged is when we last changed it.
	mtuChanged timer.Time
	log        *slog.Logger
}

// state is what the machine has to know of the link.
func (p *pif) state(name string) dhcp4.Link {
	return dhcp4.Link{
		Name:   name,
		Up:     p.link.Up(),
		HWType: p.link.Type,
		HWAddr: p.link.HW,
		MTU:    p.link.MTU,
		NoARP:  p.link.Flags&unix.IFF_NOARP != 0,
	}
}

// open opens the packet socket. Binding it costs nothing with the protocol
// left to bind(2); closing it waits for a grace period of the kernel, so it
// stays open as long as a client is there.
func (p *pif) open() error {
	if p.ip != nil {
		return nil
	}
	c, err := rawsock.Open(p.index, unix.ETH_P_IP, rawsock.DHCPFilter())
	if err != nil {
		return fmt.Errorf("open a packet socket on %s: %w", p.link.Name, err)
	}
	src, err := p.a.loop.Add("dhcp4 "+p.link.Name, c.Fd(), event.Read, func(event.Ready) { p.readIP() })
	if err != nil {
		c.Close()
		return fmt.Errorf("watch the packet socket on %s: %w", p.link.Name, err)
	}
	p.ip, p.ipSrc = c, src
	return nil
}

// close closes the sockets.
func (p *pif) close() {
	if p.ip != nil {
		p.ipSrc.Remove()
		p.ip.Close()
		p.ip = nil
	}
	p.closeARP()
}

func (p *pif) closeARP() {
	if p.arp != nil {
		p.arpSrc.Remove()
		p.arp.Close()
		p.arp = nil
	}
}

// drop counts a frame that has no effect and logs it at a limited rate.
func (p *pif) drop(reason string, src netip.AddrPort) {
	if p.dropped == nil {
		p.dropped = make(map[string]uint64)
	}
	p.dropped[reason]++
	if p.limit.allow(p.a.loop.Now(), reason) {
		p.log.Debug("dropped a bad packet", "reason", reason, "peer", src, "count", p.dropped[reason])
	}
}

// readIP takes frames from the packet socket until it is empty or the budget
// is used up; the level-triggered loop comes back for the rest.
func (p *pif) readIP() {
	for range packetBudget {
		if p.ip == nil {
			return
		}
		n, meta, err := p.ip.Recv(p.a.rxBuf)
		if err != nil {
			p.readError(err)
			return
		}
		p.frame(p.a.rxBuf[:n], &meta)
	}
}

// readError handles the end of a burst. ENETDOWN is how a packet socket tells
// that the link went down; the link event says the rest.
func (p *pif) readError(err error) {
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENETDOWN) || errors.Is(err, unix.EINTR) {
		return
	}
	if p.limit.allow(p.a.loop.Now(), "recv") {
		p.log.Warn("cannot receive", "err", err)
	}
}

// frame works off one IPv4 frame.
func (p *pif) frame(b []byte, meta *rawsock.Meta) {
	switch {
	case meta.PktType == unix.PACKET_OUTGOING:
		return // our own, looped back: no bad packet
	case meta.Truncated:
		p.drop("truncated", netip.AddrPort{})
		return
	case meta.HasVLAN && meta.VLAN&0xfff != 0:
		p.drop("vlan", netip.AddrPort{})
		return
	case meta.PktType != unix.PACKET_HOST && meta.PktType != unix.PACKET_BROADCAST && meta.PktType != unix.PACKET_MULTICAST:
		p.drop("other-host", netip.AddrPort{})
		return
	}
	u, err := frame.ParseUDP4(b, meta.ChecksumNotReady)
	if err != nil {
		p.drop(frameReason(err), netip.AddrPort{})
		return
	}
	if u.Dst.Port() != clientPort {
		p.drop("port", u.Src)
		return
	}
	m := &p.a.rxMsg
	if r := dhcp4.Parse(m, u.Payload, u.Src, u.Dst.Addr() == broadcastIP); r != 0 {
		p.drop(r.String(), u.Src)
		return
	}
	for _, c := range p.clients {
		if c.m.Expecting(m.Xid) {
			c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Packet(now, m, out) })
			return
		}
	}
	p.drop("xid", u.Src)
}

// frameReason maps a header error to the key of a counter.
func frameReason(err error) string {
	switch {
	case errors.Is(err, frame.ErrUDPChecksum):
		return "udp-checksum"
	case errors.Is(err, frame.ErrHeaderChecksum):
		return "ip-checksum"
	}
	return "header"
}

// sendIP broadcasts an IPv4 packet.
func (p *pif) sendIP(b []byte) error {
	if p.ip == nil {
		return errors.New("the packet socket is closed")
	}
	return p.ip.Send(p.broadcastHW(), b)
}

func (p *pif) broadcastHW() []byte {
	if len(p.link.BroadcastHW) > 0 {
		return p.link.BroadcastHW
	}
	return []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
}

// probing opens the ARP socket for the first client that needs it and closes
// it after the last.
func (p *pif) probing(c *client, on bool) {
	if c.probes == on {
		return
	}
	c.probes = on
	if !on {
		if p.probers--; p.probers == 0 {
			p.closeARP()
		}
		return
	}
	p.probers++
	if p.arp != nil {
		return
	}
	conn, err := rawsock.Open(p.index, unix.ETH_P_ARP, rawsock.ARPFilter())
	if err != nil {
		c.log.Error("address conflicts cannot be detected: no ARP socket", "err", err)
		return
	}
	src, err := p.a.loop.Add("arp "+p.link.Name, conn.Fd(), event.Read, func(event.Ready) { p.readARP() })
	if err != nil {
		conn.Close()
		c.log.Error("address conflicts cannot be detected: no ARP socket", "err", err)
		return
	}
	p.arp, p.arpSrc = conn, src
}

// readARP hands ARP packets to the clients that probe or defend.
func (p *pif) readARP() {
	for range packetBudget {
		if p.arp == nil {
			return
		}
		n, meta, err := p.arp.Recv(p.a.rxBuf)
		if err != nil {
			p.readError(err)
			return
		}
		if meta.PktType == unix.PACKET_OUTGOING || meta.Truncated {
			continue
		}
		pkt, err := frame.ParseARP(p.a.rxBuf[:n])
		if err != nil {
			p.drop("arp", netip.AddrPort{})
			continue
		}
		local := p.a.localHW(pkt.SenderHW[:])
		for _, c := range slices.Clone(p.clients) {
			if c.probes {
				c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.ARP(now, pkt, local, out) })
			}
		}
	}
}

// sendARP broadcasts an ARP packet.
func (p *pif) sendARP(b []byte, log *slog.Logger) {
	if p.arp == nil {
		return
	}
	if err := p.arp.Send(p.broadcastHW(), b); err != nil && p.limit.allow(p.a.loop.Now(), "arp-send") {
		log.Warn("cannot send an ARP packet", "err", err)
	}
}

// sameHW reports whether two links have one hardware address.
func sameHW(a, b *rtnl.Link) bool { return a.Type == b.Type && bytes.Equal(a.HW, b.HW) }
