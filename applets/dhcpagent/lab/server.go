package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/dhcp4/server"
	"daemonbox/core/event"
	"daemonbox/core/netlab"
	"daemonbox/core/rawsock"
	"daemonbox/core/rawsock/frame"
)

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// dhcpServer runs the small server on a packet socket of its host, on a loop
// of its own.
type dhcpServer struct {
	loop   *event.Loop
	conn   *rawsock.Conn
	server *server.Server
	tell   *teller
	acks   chan int
	sent   int
	done   chan error
	rx, tx []byte
	msg    dhcp4.Message
}

func startServer(h *netlab.Host, lease time.Duration, tell *teller) (*dhcpServer, error) {
	link, err := h.Link("eth0")
	if err != nil {
		return nil, err
	}
	d := &dhcpServer{tell: tell, rx: make([]byte, 64<<10), acks: make(chan int, 64), done: make(chan error, 1)}
	d.server = server.New(server.Config{
		Addr: serverAddr.Addr(), Prefix: serverAddr.Masked(), First: poolFirst, Last: poolLast,
		Lease: lease, T1: lease / 3, T2: lease * 3 / 4,
		Routers: []netip.Addr{serverAddr.Addr()}, DNS: []netip.Addr{serverAddr.Addr()},
		Domain: "lab.example", Authoritative: true,
	}, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	// A socket stays in the namespace it was made in.
	err = h.Do(func() (err error) {
		d.conn, err = rawsock.Open(link.Index, unix.ETH_P_IP, rawsock.UDPFilter(67))
		return err
	})
	if err != nil {
		return nil, err
	}
	if d.loop, err = event.New(event.Parked); err != nil {
		d.conn.Close()
		return nil, err
	}
	if _, err = d.loop.Add("dhcp server", d.conn.Fd(), event.Read, func(event.Ready) { d.read() }); err != nil {
		d.conn.Close()
		return nil, err
	}
	go func() { d.done <- d.loop.Run() }()
	return d, nil
}

func (d *dhcpServer) close() {
	d.loop.Stop()
	<-d.done
	d.conn.Close()
	d.loop.Close()
}

// await waits until n ACKs went out.
func (d *dhcpServer) await(what string, n int, limit time.Duration) error {
	deadline := time.After(limit)
	for {
		select {
		case have := <-d.acks:
			if have >= n {
				return nil
			}
		case <-deadline:
			return fmt.Errorf("no %s within %v", what, limit)
		}
	}
}

// read answers what clients sent.
func (d *dhcpServer) read() {
	for {
		n, meta, err := d.conn.Recv(d.rx)
		if err != nil {
			if !errors.Is(err, unix.EAGAIN) {
				d.tell.event("server", "cannot receive: %v", err)
			}
			return
		}
		u, err := frame.ParseUDP4(d.rx[:n], meta.ChecksumNotReady)
		if err != nil || dhcp4.ParseRequest(&d.msg, u.Payload, u.Src) != 0 {
			continue
		}
		hw := net.HardwareAddr(d.msg.CHAddr[:6])
		d.tell.event("client", "-> %s", clientText(&d.msg, u.Dst.Addr() == broadcast, hw))
		var replies []server.Reply
		d.server.Packet(d.loop.Now(), u.Payload, u.Src.Addr(), &replies)
		for i := range replies {
			d.reply(&replies[i], meta.HW[:meta.HWLen])
		}
	}
}

// reply sends an answer; hw is where the question came from.
func (d *dhcpServer) reply(r *server.Reply, hw []byte) {
	dst := r.Dst
	switch {
	case r.Broadcast:
		dst, hw = broadcast, net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	case len(r.DstHW) > 0:
		hw = r.DstHW
	}
	u := frame.UDP4{
		Src: netip.AddrPortFrom(serverAddr.Addr(), 67), Dst: netip.AddrPortFrom(dst, 68),
		TTL: 64, Payload: r.Data,
	}
	var m dhcp4.Message
	if dhcp4.Parse(&m, r.Data, u.Src, r.Broadcast) == 0 {
		d.tell.event("server", "-> %s", serverText(&m))
	}
	d.tx = u.Append(d.tx[:0])
	if err := d.conn.Send(hw, d.tx); err != nil {
		d.tell.event("server", "cannot send: %v", err)
	}
	if m.Type == typeACK {
		d.sent++
		select {
		case d.acks <- d.sent:
		default: // nobody waits for so many
		}
	}
}

// Message types (RFC 2132 §9.6) and options (§9.1, §9.2) that are told about.
const (
	typeDiscover = 1
	typeOffer    = 2
	typeRequest  = 3
	typeDecline  = 4
	typeACK      = 5
	typeNAK      = 6
	typeRelease  = 7

	optRequestedIP = 50
	optLeaseTime   = 51
)

func clientText(m *dhcp4.Message, toAll bool, hw net.HardwareAddr) string {
	to := "to the server alone"
	if toAll {
		to = "to all"
	}
	want, _ := m.Addr(optRequestedIP)
	switch m.Type {
	case typeDiscover:
		return fmt.Sprintf("DISCOVER %s: an address for %s?", to, hw)
	case typeRequest:
		if want.IsValid() {
			return fmt.Sprintf("REQUEST %s: I take %s", to, want)
		}
		return fmt.Sprintf("REQUEST %s: may I keep %s?", to, m.CIAddr)
	case typeDecline:
		return fmt.Sprintf("DECLINE %s: %s is in use already", to, want)
	case typeRelease:
		return fmt.Sprintf("RELEASE %s: I give %s back", to, m.CIAddr)
	}
	return fmt.Sprintf("message type %d %s", m.Type, to)
}

func serverText(m *dhcp4.Message) string {
	lease, _ := m.Uint32(optLeaseTime)
	switch m.Type {
	case typeOffer:
		return fmt.Sprintf("OFFER    %s for %d s", m.YIAddr, lease)
	case typeACK:
		return fmt.Sprintf("ACK      %s is yours for %d s", m.YIAddr, lease)
	case typeNAK:
		return "NAK      no"
	}
	return fmt.Sprintf("message type %d", m.Type)
}
