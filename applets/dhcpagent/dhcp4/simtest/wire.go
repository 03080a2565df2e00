package simtest

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"daemonbox/core/rawsock/frame"
	"daemonbox/core/sim"
)

// EtherTypes on the segments.
const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
)

const (
	clientPort = 68
	serverPort = 67
)

var (
	anyIP       = netip.AddrFrom4([4]byte{})
	broadcastIP = netip.AddrFrom4([4]byte{255, 255, 255, 255})
)

// Octets of a BOOTP message (RFC 951, RFC 2131 §2) as this package, which is
// to find the machine's mistakes, sees them on its own account.
const (
	offXid     = 4
	offFlags   = 10
	offCIAddr  = 12
	offYIAddr  = 16
	offGIAddr  = 24
	offCHAddr  = 28
	offCookie  = 236
	offOptions = 240

	cookie = 0x63825363
)

// Message types and options used here (RFC 2132).
const (
	typeDiscover = 1
	typeOffer    = 2
	typeRequest  = 3
	typeDecline  = 4
	typeAck      = 5
	typeNak      = 6
	typeRelease  = 7
	typeInform   = 8

	optMask        = 1
	optRequestedIP = 50
	optLease       = 51
	optType        = 53
	optServerID    = 54
	optT1          = 58
	optT2          = 59
	optEnd         = 255
)

var typeNames = [...]string{"BOOTP", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"}

// dhcp is a BOOTP payload under examination.
type dhcp []byte

func (d dhcp) ok() bool {
	return len(d) >= offOptions && binary.BigEndian.Uint32(d[offCookie:]) == cookie
}

func (d dhcp) xid() uint32                { return binary.BigEndian.Uint32(d[offXid:]) }
func (d dhcp) broadcast() bool            { return d[offFlags]&0x80 != 0 }
func (d dhcp) addr(off int) netip.Addr    { return netip.AddrFrom4([4]byte(d[off:])) }
func (d dhcp) hw() sim.HW                 { return sim.HW(d[offCHAddr:]) }
func (d dhcp) setAddr(off int, a [4]byte) { copy(d[off:], a[:]) }

// option returns the first option of that code in the option area.
func (d dhcp) option(code byte) []byte {
	for b := d[offOptions:]; len(b) >= 2 && b[0] != optEnd; {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		n := 2 + int(b[1])
		if n > len(b) {
			return nil
		}
		if b[0] == code {
			return b[2:n]
		}
		b = b[n:]
	}
	return nil
}

// typ returns option 53, 0 without it.
func (d dhcp) typ() byte {
	if v := d.option(optType); len(v) == 1 {
		return v[0]
	}
	return 0
}

func (d dhcp) optAddr(code byte) netip.Addr {
	if v := d.option(code); len(v) == 4 {
		return netip.AddrFrom4([4]byte(v))
	}
	return netip.Addr{}
}

func (d dhcp) lease() uint32 {
	if v := d.option(optLease); len(v) == 4 {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// appendUDP wraps a payload as the packet socket does.
func appendUDP(b []byte, src netip.Addr, sport uint16, dst netip.Addr, dport uint16, payload []byte) []byte {
	u := frame.UDP4{Src: netip.AddrPortFrom(src, sport), Dst: netip.AddrPortFrom(dst, dport), TTL: 64, Payload: payload}
	return u.Append(b)
}

// udpPort returns the destination port of an IPv4/UDP packet, 0 for others: a
// socket filter's view, which looks no further than it must.
func udpPort(f *sim.Frame) uint16 {
	if f.Type != etherIPv4 || len(f.Data) < 28 || f.Data[9] != 17 {
		return 0
	}
	at := int(f.Data[0]&0xf) * 4
	if len(f.Data) < at+4 {
		return 0
	}
	return binary.BigEndian.Uint16(f.Data[at+2:])
}

// arpRequest and arpReply build ARP packets.
func arpRequest(hw sim.HW, from, about netip.Addr) []byte {
	a := frame.ARP{Op: frame.ARPRequest, SenderHW: hw, SenderIP: from, TargetIP: about}
	return a.Append(nil)
}

func arpReply(hw sim.HW, from netip.Addr, to sim.HW, about netip.Addr) []byte {
	a := frame.ARP{Op: frame.ARPReply, SenderHW: hw, SenderIP: from, TargetHW: to, TargetIP: about}
	return a.Append(nil)
}

// describe shows a frame in a trace.
func describe(typ uint16, data []byte) string {
	switch typ {
	case etherARP:
		p, err := frame.ParseARP(data)
		if err != nil {
			return "bad ARP"
		}
		op := "who has"
		if p.Op == frame.ARPReply {
			op = "I have"
		}
		return fmt.Sprintf("ARP %s: sender %v target %v", op, p.SenderIP, p.TargetIP)
	case etherIPv4:
		u, err := frame.ParseUDP4(data, false)
		if err != nil {
			return "bad packet: " + err.Error()
		}
		return fmt.Sprintf("%v > %v %s", u.Src, u.Dst, describeDHCP(u.Payload))
	}
	return fmt.Sprintf("type %#04x, %d octets", typ, len(data))
}

func describeDHCP(d dhcp) string {
	if !d.ok() {
		return fmt.Sprintf("no DHCP, %d octets", len(d))
	}
	var b strings.Builder
	name := fmt.Sprintf("type %d", d.typ())
	if int(d.typ()) < len(typeNames) {
		name = typeNames[d.typ()]
	}
	fmt.Fprintf(&b, "%s xid %08x hw %v", name, d.xid(), d.hw())
	show := func(what string, a netip.Addr) {
		if a.IsValid() && a != anyIP {
			fmt.Fprintf(&b, " %s %v", what, a)
		}
	}
	show("ciaddr", d.addr(offCIAddr))
	show("yiaddr", d.addr(offYIAddr))
	show("giaddr", d.addr(offGIAddr))
	show("asks for", d.optAddr(optRequestedIP))
	show("server", d.optAddr(optServerID))
	if l := d.lease(); l != 0 {
		fmt.Fprintf(&b, " lease %d", l)
	}
	return b.String()
}
