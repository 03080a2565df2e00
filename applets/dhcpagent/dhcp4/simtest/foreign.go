package simtest

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"daemonbox/core/rawsock/frame"
	"daemonbox/core/sim"
)

// squatter is a foreign host that uses addresses of a pool without asking.
type squatter struct {
	w    *World
	node *sim.Node
	port *sim.Port
	addr netip.Addr // invalid: none at the moment
	hw   sim.HW
}

func (w *World) addSquatter() *squatter {
	s := &squatter{w: w, hw: sim.HW{2, 0, 0, 0, 4, byte(len(w.squatters))}}
	s.node = w.Node("squat" + string(rune('0'+len(w.squatters))))
	s.port = s.node.Attach(w.lan, s.hw)
	s.port.Filter = func(f *sim.Frame) bool { return f.Type == etherARP }
	s.port.Recv = s.recv
	w.squatters = append(w.squatters, s)
	return s
}

// recv answers for the address, also to a host that claims it.
func (s *squatter) recv(f *sim.Frame) {
	p, err := frame.ParseARP(f.Data)
	if err != nil || !s.addr.IsValid() || p.Op != frame.ARPRequest || p.TargetIP != s.addr {
		return
	}
	s.port.Send(p.SenderHW, etherARP, arpReply(s.hw, s.addr, p.SenderHW, p.SenderIP))
}

// settle takes an address; a polite squatter announces it.
func (s *squatter) settle(a netip.Addr, announce bool) {
	s.addr = a
	if announce {
		s.port.Send(sim.Broadcast, etherARP, arpRequest(s.hw, a, a))
	}
}

// liar is a hostile node: it hears everything and sends forged answers.
type liar struct {
	w    *World
	node *sim.Node
	port *sim.Port
	hw   sim.HW
	on   bool
	// refuseAll: every REQUEST gets a NAK.
	refuseAll bool

	buf []byte
	msg []byte
	// last is the last request of a client, for bursts at any time.
	last []byte
}

func (w *World) addLiar() {
	l := &liar{w: w, hw: sim.HW{2, 0, 0, 0, 5, 1}}
	l.node = w.Node("liar")
	l.port = l.node.Attach(w.lan, l.hw)
	l.port.Promiscuous = true
	l.port.Filter = func(f *sim.Frame) bool { return (l.on || l.refuseAll) && f.Type == etherIPv4 && f.Src != l.hw }
	l.port.Recv = l.recv
	w.liar = l
}

// recv looks at genuine traffic and answers some of it.
func (l *liar) recv(f *sim.Frame) {
	u, err := frame.ParseUDP4(f.Data, false)
	if err != nil || !dhcp(u.Payload).ok() {
		return
	}
	d := dhcp(u.Payload)
	switch {
	case u.Dst.Port() == clientPort:
		if l.on && l.w.Chance(0.3) {
			l.tamper(f, &u)
		}
	case u.Dst.Port() == serverPort && d.typ() == typeRequest:
		l.last = append(l.last[:0], d...)
		if l.refuseAll || l.w.Chance(0.02) {
			l.nak(d)
		}
	case u.Dst.Port() == serverPort:
		l.last = append(l.last[:0], d...)
	}
}

// tamper sends a damaged copy of a server's answer after it, or a damaged IP
// packet around it.
func (l *liar) tamper(f *sim.Frame, u *frame.UDP4) {
	dst := f.Dst
	if l.w.Chance(0.3) {
		l.buf = append(l.buf[:0], f.Data...)
		l.mutate(&l.buf)
		l.send(dst, l.buf)
		return
	}
	l.msg = append(l.msg[:0], u.Payload...)
	for range 1 + l.w.Rand.IntN(3) {
		l.mutate(&l.msg)
	}
	l.buf = appendUDP(l.buf[:0], u.Src.Addr(), u.Src.Port(), u.Dst.Addr(), clientPort, l.msg)
	l.send(dst, l.buf)
}

func (l *liar) send(dst sim.HW, b []byte) { l.port.Send(dst, etherIPv4, b) }

// mutate damages a message in one way. Most ways aim at the option area.
func (l *liar) mutate(p *[]byte) {
	b, r := *p, l.w.Rand
	if len(b) < 2 {
		return
	}
	at := r.IntN(len(b))
	if len(b) > offOptions+8 && r.IntN(3) > 0 {
		at = offOptions + r.IntN(len(b)-offOptions)
		if r.IntN(2) == 0 {
			at = offOptions + r.IntN(min(60, len(b)-offOptions))
		}
	}
	switch r.IntN(9) {
	case 0: // one bit
		b[at] ^= 1 << r.IntN(8)
	case 1: // one octet
		b[at] = byte(r.Uint32())
	case 2: // cut short
		b = b[:at]
	case 3: // an extreme
		b[at] = []byte{0, 1, 0x7f, 0x80, 0xff}[r.IntN(5)]
	case 4: // something in between
		b = slices.Insert(b, at, byte(r.Uint32()), byte(r.Uint32()))
	case 5: // something missing
		b = slices.Delete(b, at, min(at+1+r.IntN(8), len(b)))
	case 6: // a run of one value
		for i := at; i < min(at+1+r.IntN(32), len(b)); i++ {
			b[i] = b[at]
		}
	case 7: // an option given twice
		if at+6 < len(b) {
			b = slices.Insert(b, at, b[at:at+6]...)
		}
	case 8: // a 32-bit number
		if at+4 <= len(b) {
			binary.BigEndian.PutUint32(b[at:], []uint32{0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff}[r.IntN(6)])
		}
	}
	*p = b
}

// nak answers a REQUEST before the server can.
func (l *liar) nak(request dhcp) {
	d := make(dhcp, offOptions, 320)
	copy(d, request[:offOptions])
	d[0], d[3] = 2, 0
	d.setAddr(offYIAddr, [4]byte{})
	d.setAddr(offCIAddr, [4]byte{})
	server := l.w.servers[l.w.Rand.IntN(len(l.w.servers))].opt.Addr.As4()
	d = append(d, optType, 1, typeNak, optServerID, 4)
	d = append(d, server[:]...)
	d = append(d, optEnd)
	d = append(d, make([]byte, 300-len(d))...)
	l.buf = appendUDP(l.buf[:0], netip.AddrFrom4(server), serverPort, broadcastIP, clientPort, d)
	l.send(sim.Broadcast, l.buf)
}

// flood sends junk to everybody's client port, some of it with the last
// client's transaction id and hardware address.
func (l *liar) flood(n int) {
	r := l.w.Rand
	for range n {
		b := make([]byte, r.IntN(600))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if len(l.last) >= offOptions && len(b) >= offOptions && r.IntN(2) == 0 {
			copy(b, l.last[:offOptions])
			b[0] = 2
			if r.IntN(2) == 0 {
				b = append(b[:offOptions], optType, 1, []byte{typeOffer, typeAck, typeNak}[r.IntN(3)])
				for range r.IntN(100) {
					b = append(b, byte(r.Uint32()))
				}
			}
		}
		l.buf = appendUDP(l.buf[:0], netip.AddrFrom4([4]byte{10, 0, 0, byte(r.Uint32())}), serverPort, broadcastIP, clientPort, b)
		l.send(sim.Broadcast, l.buf)
	}
}

// floodEvery is the interval of floods while the liar is at work.
const floodEvery = 97 * time.Second
