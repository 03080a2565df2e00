package rtnl

import (
	"errors"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// errTruncated means that a datagram was larger than the buffer and is lost.
// The buffer has been made large enough for the next one of that size.
var errTruncated = errors.New("rtnl: datagram larger than the receive buffer")

// maxBuffer bounds what a datagram can make us allocate, in octets. The largest
// known are links with hundreds of virtual functions, below 1 MiB.
const maxBuffer = 4 << 20

// socket is a netlink socket with its receive buffer. The library opens it and
// frames messages; reading and writing go through the raw descriptor so that a
// read costs one system call (not a peek and a read), no allocation, and tells
// the sender.
type socket struct {
	nl *netlink.Conn
	rc syscall.RawConn
	fd int

	// Made once: closures made per call would escape to the heap.
	tryFn, waitFn, sendFn func(fd uintptr) bool

	buf   []byte
	name  unix.RawSockaddrNetlink
	iov   unix.Iovec
	hdr   unix.Msghdr
	n     int
	errno syscall.Errno
	out   []byte
}

func openSocket(groups uint32, bufLen int) (*socket, error) {
	nl, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Groups: groups})
	if err != nil {
		return nil, err
	}
	s := &socket{nl: nl, buf: make([]byte, bufLen)}
	if s.rc, err = nl.SyscallConn(); err != nil {
		nl.Close()
		return nil, err
	}
	if err = s.rc.Control(func(fd uintptr) { s.fd = int(fd) }); err != nil {
		nl.Close()
		return nil, err
	}
	s.tryFn, s.waitFn, s.sendFn = s.try, s.wait, s.sendto
	s.hdr.Name = (*byte)(unsafe.Pointer(&s.name))
	s.hdr.Iov = &s.iov
	s.hdr.SetIovlen(1)
	return s, nil
}

// option sets a boolean option; old kernels may not know it, which is no error.
func (s *socket) option(name int) {
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, name, 1)
}

// try is the callback for a read that never waits.
func (s *socket) try(fd uintptr) bool {
	for {
		s.hdr.Namelen = unix.SizeofSockaddrNetlink
		s.hdr.Flags = 0
		s.name = unix.RawSockaddrNetlink{}
		// With MSG_TRUNC the kernel tells the length of the whole datagram.
		n, _, errno := unix.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&s.hdr)),
			unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		s.n, s.errno = int(n), errno
		if errno != unix.EINTR {
			return true
		}
	}
}

// wait is the callback for a read that parks the goroutine.
func (s *socket) wait(fd uintptr) bool {
	return s.try(fd) && s.errno != unix.EAGAIN
}

// receive reads one datagram that the kernel sent; the result is valid until
// the next call. unix.EAGAIN: nothing there.
func (s *socket) receive(fn func(fd uintptr) bool) ([]byte, error) {
	// Bounded: another process can fill this socket with its own messages.
	for range 1024 {
		s.iov.Base = &s.buf[0]
		s.iov.SetLen(len(s.buf))
		if err := s.rc.Read(fn); err != nil {
			return nil, err
		}
		switch {
		case s.errno != 0:
			return nil, s.errno
		case s.hdr.Namelen != unix.SizeofSockaddrNetlink || s.name.Pid != 0:
			continue // not the kernel
		case s.n > len(s.buf):
			if s.n <= maxBuffer {
				s.buf = make([]byte, (s.n+4095)&^4095)
			}
			return nil, errTruncated
		}
		return s.buf[:s.n], nil
	}
	return nil, unix.EAGAIN
}

// answer is receive for a reply. The kernel has queued it before sendmsg
// returned, so waiting is only for the unforeseen, and bounded.
func (s *socket) answer() ([]byte, error) {
	b, err := s.receive(s.tryFn)
	if err != unix.EAGAIN {
		return b, err
	}
	if err := s.nl.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return nil, err
	}
	defer s.nl.SetReadDeadline(time.Time{})
	return s.receive(s.waitFn)
}

// send sends out to the kernel in one system call.
func (s *socket) send(out []byte) error {
	s.out = out
	err := s.rc.Write(s.sendFn)
	s.out = nil
	if err != nil {
		return err
	}
	if s.errno != 0 {
		return os.NewSyscallError("sendto", s.errno)
	}
	return nil
}

// sendto is the callback of RawConn.Write.
func (s *socket) sendto(fd uintptr) bool {
	to := unix.RawSockaddrNetlink{Family: unix.AF_NETLINK}
	for {
		_, _, s.errno = unix.Syscall6(unix.SYS_SENDTO, fd,
			uintptr(unsafe.Pointer(&s.out[0])), uintptr(len(s.out)), 0,
			uintptr(unsafe.Pointer(&to)), unix.SizeofSockaddrNetlink)
		if s.errno != unix.EINTR {
			return true
		}
	}
}

// eachMessage calls fn for the messages of a datagram until fn returns false.
// A message that is longer than what is left ends the datagram.
func eachMessage(b []byte, fn func(m *netlink.Message) bool) {
	var m netlink.Message
	for len(b) >= unix.SizeofNlMsghdr {
		n := int64(ne.Uint32(b))
		if n < unix.SizeofNlMsghdr || n > int64(len(b)) {
			return
		}
		next := min((int(n)+3)&^3, len(b))
		if m.UnmarshalBinary(b[:next:next]) != nil || !fn(&m) {
			return
		}
		b = b[next:]
	}
}
