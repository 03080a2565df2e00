package dhcpagent

import (
	"fmt"
	"net/netip"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// udpSocket is the agent's one socket on UDP port 68. It sends renewals and
// releases with the kernel's routing and neighbour resolution; the interface
// and the source address are named per message. Nothing is received by it:
// answers are seen on the packet sockets, also those that the kernel would not
// deliver here. It exists from the first lease on so that the kernel does not
// answer servers with "port unreachable".
type udpSocket struct {
	fd int
}

// openUDP opens the socket.
func openUDP() (*udpSocket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_UDP)
	if err != nil {
		return nil, fmt.Errorf("open the UDP socket: %w", err)
	}
	u := &udpSocket{fd: fd}
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
		{unix.IPPROTO_IP, unix.IP_TOS, 0xc0},
		{unix.IPPROTO_IP, unix.IP_TTL, 64},
	} {
		if err := unix.SetsockoptInt(u.fd, opt.level, opt.name, opt.value); err != nil {
			return fmt.Errorf("set UDP socket option %d: %w", opt.name, err)
		}
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
	if _, err := unix.SendmsgN(u.fd, payload, oob, to, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL); err != nil {
		return fmt.Errorf("send to %s on interface %d: %w", dst, index, err)
	}
	return nil
}

func (u *udpSocket) close() { unix.Close(u.fd) }
