// Package rawsock is packet sockets (packet(7), AF_PACKET with SOCK_DGRAM) for
// an event loop: one socket on one interface for one protocol, filtered by the
// kernel from its first packet on.
//
// A Conn belongs to one goroutine; only Close may be called from another. Recv
// and Send never block and never allocate. The descriptor can be put into an
// event loop; take it out again before Close.
//
// Opening has a trap: bind(2) of a socket that was made with a protocol waits
// for an RCU grace period, 10 to 20 ms. The socket is therefore made with
// protocol 0, gets its filter, and learns the protocol in bind: no wait, and no
// unfiltered packet is ever queued. Closing always costs such a grace period,
// so Close leaves it to a goroutine.
package rawsock

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"unsafe"

	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// priority is the SO_PRIORITY of what we send: the highest that needs no
// capability, TC_PRIO_INTERACTIVE of socket(7)'s range 0 to 6. A full queue of
// bulk traffic must not cost a lease.
const priority = 6

// Conn is a packet socket. The buffers of the system calls are part of it, so
// that no call allocates.
type Conn struct {
	pc *packet.Conn
	rc syscall.RawConn
	fd int

	// The callbacks are made once: a closure made per call would escape.
	recvFn, sendFn func(fd uintptr) bool

	recv recvState
	send sendState
}

// Open opens a packet socket on an interface for one EtherType (host byte
// order, such as unix.ETH_P_IP). The filter is attached before the socket can
// receive anything. It needs CAP_NET_RAW.
func Open(ifindex int, ethertype uint16, filter []bpf.RawInstruction) (*Conn, error) {
	if ifindex <= 0 {
		// 0 would mean all interfaces (packet(7)).
		return nil, fmt.Errorf("open packet socket: bad interface index %d", ifindex)
	}
	pc, err := packet.Listen(&net.Interface{Index: ifindex}, packet.Datagram,
		int(ethertype), &packet.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("open packet socket on interface %d: %w", ifindex, err)
	}
	c := &Conn{pc: pc}
	if err := c.setUp(ifindex, ethertype); err != nil {
		go pc.Close()
		return nil, fmt.Errorf("open packet socket on interface %d: %w", ifindex, err)
	}
	return c, nil
}

func (c *Conn) setUp(ifindex int, ethertype uint16) (err error) {
	if c.rc, err = c.pc.SyscallConn(); err != nil {
		return err
	}
	c.recvFn, c.sendFn = c.recvmsg, c.sendto
	c.recv.init()
	c.send.init(ifindex, ethertype)
	var opt error
	err = c.rc.Control(func(fd uintptr) {
		c.fd = int(fd)
		opt = options(int(fd))
	})
	if err != nil {
		return err
	}
	return opt
}

// options sets what is possible at any time after bind: the kernel looks at
// PACKET_AUXDATA when a packet is read, not when it is queued.
func options(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
		return os.NewSyscallError("setsockopt PACKET_AUXDATA", err)
	}
	// Linux 4.20; without it the filter and Recv drop outgoing packets.
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	// An advantage, not a need.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, priority)
	return nil
}

// Fd returns the descriptor, for an event loop only.
func (c *Conn) Fd() int { return c.fd }

// Close closes the socket. It returns at once; the kernel's own close waits for
// an RCU grace period, which happens in another goroutine. Calls after Close
// fail. The descriptor's number stays taken until the kernel is done.
func (c *Conn) Close() {
	go c.pc.Close()
}

// htons gives the network byte order of v as it must be stored in memory.
func htons(v uint16) uint16 {
	b := [2]byte{byte(v >> 8), byte(v)}
	return *(*uint16)(unsafe.Pointer(&b))
}
