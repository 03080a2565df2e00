package simtest

import (
	"net/netip"
	"slices"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4/server"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/sim"
)

// ServerOptions describe one server.
type ServerOptions struct {
	Addr        netip.Addr
	First, Last netip.Addr
	Prefix      netip.Prefix
	Lease       time.Duration
	T1, T2      time.Duration
	// Authoritative servers refuse what they know to be wrong.
	Authoritative bool
	RapidCommit   bool
	// Relayed servers stand behind a relay on a network of their own.
	Relayed bool
	// Service is how long the server works on a message, Backlog how many its
	// socket holds meanwhile; 0 is no limit.
	Service time.Duration
	Backlog int
	// BOOTP servers know no leases; nobody keeps books of what they give.
	BOOTP bool
	// Rogue servers hand out addresses without any right; nobody believes the
	// clients that took them.
	Rogue bool
}

// Server is a host with the real sans-IO server.
type Server struct {
	w    *World
	name string
	opt  ServerOptions
	hw   sim.HW
	node *sim.Node
	port *sim.Port
	s    *server.Server

	replies []server.Reply
	buf     []byte
	deaf    bool // a rogue that was switched off

	waiting [][]byte // in the socket, oldest first
	work    *sim.Timer
	overrun int // messages lost because the socket was full
}

// addServer adds a server and starts it with an empty database.
func (w *World) addServer(o ServerOptions) *Server {
	id := len(w.servers)
	s := &Server{w: w, name: "srv" + string(rune('0'+id)), opt: o, hw: sim.HW{2, 0, 0, 0, 2, byte(id)}}
	s.node = w.Node(s.name)
	s.node.SetBootAge(w.Duration(0, 1000*time.Hour))
	seg := w.lan
	if o.Relayed {
		seg = w.backbone()
	}
	s.port = s.node.Attach(seg, s.hw)
	s.port.Filter = func(f *sim.Frame) bool { return udpPort(f) == serverPort }
	s.port.Recv = s.recv
	s.work = s.node.Timer("work", s.next)
	s.s = server.New(s.config(), w.Source())
	w.servers = append(w.servers, s)
	return s
}

func (s *Server) config() server.Config {
	o := &s.opt
	return server.Config{
		Addr: o.Addr, First: o.First, Last: o.Last, Prefix: o.Prefix,
		Lease: o.Lease, T1: o.T1, T2: o.T2,
		Routers: []netip.Addr{routerIP}, DNS: []netip.Addr{o.Addr},
		Authoritative: o.Authoritative, RapidCommit: o.RapidCommit, BOOTP: o.BOOTP,
	}
}

// recv is the server's socket.
func (s *Server) recv(f *sim.Frame) {
	if s.opt.Service == 0 {
		s.handle(f.Data)
		return
	}
	if len(s.waiting) >= s.opt.Backlog {
		s.overrun++
		return
	}
	s.waiting = append(s.waiting, slices.Clone(f.Data))
	if !s.work.Pending() {
		s.work.Set(s.node.Now().Add(s.opt.Service))
	}
}

// next works off the oldest message in the socket.
func (s *Server) next() {
	b := s.waiting[0]
	s.waiting = s.waiting[1:]
	if len(s.waiting) > 0 {
		s.work.Set(s.node.Now().Add(s.opt.Service))
	}
	s.handle(b)
}

// handle gives a packet to the server and sends what it answers.
func (s *Server) handle(b []byte) {
	u, err := frame.ParseUDP4(b, false)
	if err != nil || u.Dst.Port() != serverPort || s.deaf {
		return
	}
	if a := u.Dst.Addr(); a != broadcastIP && a != s.opt.Addr {
		return
	}
	d := dhcp(u.Payload)
	if d.ok() && !s.opt.Rogue && (d.typ() == typeRelease || d.typ() == typeDecline) {
		s.w.returned(s, d)
	}
	s.replies = s.replies[:0]
	s.s.Packet(s.node.Now(), u.Payload, u.Src.Addr(), &s.replies)
	for i := range s.replies {
		s.answer(d, &s.replies[i])
	}
}

func (s *Server) answer(request dhcp, r *server.Reply) {
	d := dhcp(r.Data)
	if d.ok() && d.typ() == typeAck && !s.opt.Rogue {
		s.w.granted(s, request, d)
	}
	if d.ok() && d.typ() == typeNak && !s.opt.Rogue {
		s.w.books.naks[string(d)] = true
	}
	dst, hw, port := r.Dst, sim.Broadcast, uint16(clientPort)
	if r.Relay {
		port = serverPort
	}
	switch {
	case r.Broadcast:
		dst = broadcastIP
	case len(r.DstHW) == 6:
		hw = sim.HW(r.DstHW)
	}
	if s.opt.Relayed {
		hw = relayBackHW // the only neighbour
	} else if !r.Broadcast && len(r.DstHW) != 6 {
		var ok bool
		if hw, ok = s.w.resolve(dst); !ok {
			return
		}
	}
	s.buf = appendUDP(s.buf[:0], s.opt.Addr, serverPort, dst, port, r.Data)
	s.port.Send(hw, etherIPv4, s.buf)
}

// restart ends the server for a while. Without its database it has forgotten
// all leases.
func (s *Server) restart(down time.Duration, keep bool) {
	if !s.node.Alive() {
		return
	}
	var snap []server.Lease
	if keep {
		snap = s.s.Snapshot()
	}
	s.node.Crash()
	s.waiting = nil
	s.w.After(down, "server back", func() {
		s.s = server.New(s.config(), s.w.Source())
		if keep {
			s.s.Restore(snap)
		} else {
			s.w.forgotten(s)
		}
		s.node.Restart()
	})
}

// Relay is a router between the clients' segment and the backbone that also
// relays BOOTP messages (RFC 1542 §4).
type Relay struct {
	w           *World
	node        *sim.Node
	front, back *sim.Port
	buf         []byte
	msg         []byte
}

var (
	relayHW     = sim.HW{2, 0, 0, 0, 3, 1}
	relayBackHW = sim.HW{2, 0, 0, 0, 3, 2}
	routerIP    = netip.AddrFrom4([4]byte{10, 0, 0, 254})
)

// backbone returns the segment behind the relay, made on first use.
func (w *World) backbone() *sim.Segment {
	if w.back != nil {
		return w.back
	}
	w.back = w.Segment("backbone", sim.Link{Delay: 2 * time.Millisecond, Jitter: time.Millisecond})
	r := &Relay{w: w, node: w.Node("relay")}
	r.front, r.back = r.node.Attach(w.lan, relayHW), r.node.Attach(w.back, relayBackHW)
	r.front.Filter = func(f *sim.Frame) bool { return udpPort(f) == serverPort }
	r.front.Recv = r.fromClients
	r.back.Filter = func(f *sim.Frame) bool { return f.Type == etherIPv4 }
	r.back.Recv = r.fromServers
	w.relay = r
	return w.back
}

// fromClients relays broadcasts to every server on the backbone and routes
// what is addressed to one.
func (r *Relay) fromClients(f *sim.Frame) {
	u, err := frame.ParseUDP4(f.Data, false)
	if err != nil {
		return
	}
	if u.Dst.Addr() != broadcastIP {
		if s := r.w.serverAt(u.Dst.Addr()); s != nil && s.opt.Relayed {
			r.back.Send(s.hw, etherIPv4, f.Data)
		}
		return
	}
	d := dhcp(u.Payload)
	if !d.ok() || d[0] != 1 || d[3] > 4 {
		return
	}
	r.msg = append(r.msg[:0], d...)
	m := dhcp(r.msg)
	m[3]++
	if m.addr(offGIAddr) == anyIP {
		copy(m[offGIAddr:], routerIP.AsSlice())
	}
	for _, s := range r.w.servers {
		if s.opt.Relayed {
			r.buf = appendUDP(r.buf[:0], routerIP, serverPort, s.opt.Addr, serverPort, m)
			r.back.Send(s.hw, etherIPv4, r.buf)
		}
	}
}

// fromServers hands relayed answers to the client and routes the others.
func (r *Relay) fromServers(f *sim.Frame) {
	u, err := frame.ParseUDP4(f.Data, false)
	if err != nil {
		return
	}
	d := dhcp(u.Payload)
	if u.Dst.Addr() != routerIP {
		if hw, ok := r.w.resolve(u.Dst.Addr()); ok {
			r.front.Send(hw, etherIPv4, f.Data)
		}
		return
	}
	if !d.ok() || d[0] != 2 {
		return
	}
	dst, hw := d.addr(offYIAddr), d.hw()
	if d.broadcast() || dst == anyIP {
		dst, hw = broadcastIP, sim.Broadcast
	}
	r.buf = appendUDP(r.buf[:0], u.Src.Addr(), serverPort, dst, clientPort, d)
	r.front.Send(hw, etherIPv4, r.buf)
}

func (w *World) serverAt(a netip.Addr) *Server {
	for _, s := range w.servers {
		if s.opt.Addr == a {
			return s
		}
	}
	return nil
}

// resolve is what ARP would find for an address on the clients' segment, a
// relayed server's address leading to the router.
func (w *World) resolve(a netip.Addr) (sim.HW, bool) {
	if s := w.serverAt(a); s != nil {
		if s.opt.Relayed {
			return relayHW, true
		}
		return s.hw, true
	}
	for _, h := range w.hosts {
		if h.k.addr.IsValid() && h.k.addr.Addr() == a || h.static.IsValid() && h.static.Addr() == a {
			return h.hw, true
		}
	}
	return sim.HW{}, false
}
