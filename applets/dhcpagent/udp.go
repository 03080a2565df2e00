package dhcpagent

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"daemonbox/core/rawsock/frame"
)

const (
	// networkControl is DSCP CS6 (RFC 4594 §3.1) in the TOS octet.
	networkControl = 0xc0
	// unicastTTL is that of packets to a server, the kernel's own default.
	unicastTTL = 64
)

// udpSocket is the agent's one socket on UDP port 68. It sends renewals and
// releases with the kernel's routing and neighbour resolution; the interface
// and the source address are named per message. Nothing is received by it:
// answers are seen on the packet sockets, also those that the kernel would not
// deliver here. It exists from the first lease on so that the kernel does not
// answer servers with "port unreachable".
//
// Who may not bind port 68 (CAP_NET_BIND_SERVICE) but may use raw sockets sends
// by one: that costs a server nothing but an ICMP message now and then.
type udpSocket struct {
	fd  int
	raw bool   // the headers are ours to write (IP_HDRINCL, raw(7))
	buf []byte // the packet last sent by a raw socket
}

// openUDP opens the socket.
func openUDP() (*udpSocket, error) {
	u, err := openDatagram(false)
	if errors.Is(err, unix.EACCES) {
		u, err = openDatagram(true)
	}
	return u, err
}

func openDatagram(raw bool) (*udpSocket, error) {
	typ, proto := unix.SOCK_DGRAM, unix.IPPROTO_UDP
	if raw {
		typ, proto = unix.SOCK_RAW, unix.IPPROTO_RAW // implies IP_HDRINCL
	}
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return nil, fmt.Errorf("open the UDP socket: %w", err)
	}
	u := &udpSocket{fd: fd, raw: raw}
	if err := u.setup(); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return u, nil
}

func (u *udpSocket) setup() error {
	// A filter that drops everything: no memory and no wake-up for packets
	// that the packet sockets hand us anyway.
	drop, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return fmt.Errorf("assemble the drop filter: %w", err)
	}
	f := unix.SockFilter{Code: drop[0].Op, Jt: drop[0].Jt, Jf: drop[0].Jf, K: drop[0].K}
	if err := unix.SetsockoptSockFprog(u.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &f}); err != nil {
		return fmt.Errorf("attach the drop filter: %w", err)
	}
	for _, opt := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.SOL_SOCKET, unix.SO_PRIORITY, 6},
		{unix.IPPROTO_IP, unix.IP_TOS, networkControl},
		{unix.IPPROTO_IP, unix.IP_TTL, unicastTTL},
	} {
		if err := unix.SetsockoptInt(u.fd, opt.level, opt.name, opt.value); err != nil {
			return fmt.Errorf("set UDP socket option %d: %w", opt.name, err)
		}
	}
	if u.raw {
		return nil
	}
	if err := unix.Bind(u.fd, &unix.SockaddrInet4{Port: clientPort}); err != nil {
		return fmt.Errorf("bind UDP port %d (does another DHCP client run in this network namespace?): %w", clientPort, err)
	}
	return nil
}

// send transmits a payload from src:68 to dst:67 out of interface index.
func (u *udpSocket) send(index int, src, dst netip.Addr, payload []byte) error {
	oob := unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: int32(index), Spec_dst: src.As4()})
	to := &unix.SockaddrInet4{Port: serverPort, Addr: dst.As4()}
	if u.raw {
		p := frame.UDP4{
			Src: netip.AddrPortFrom(src, clientPort), Dst: netip.AddrPortFrom(dst, serverPort),
			TTL: unicastTTL, TOS: networkControl, Payload: payload, // the kernel fills an ID of 0 in
		}
		u.buf = p.Append(u.buf[:0])
		payload, to.Port = u.buf, 0
	}
	if _, err := unix.SendmsgN(u.fd, payload, oob, to, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send to %s on interface %d: %w", dst, index, err)
	}
	return nil
}

func (u *udpSocket) close() { unix.Close(u.fd) }
