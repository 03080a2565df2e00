package rawsock

import (
	"encoding/binary"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// maxHW is the longest hardware address there is: IP over InfiniBand (RFC 4391).
// The kernel takes and gives sockaddr_ll with as many octets as are needed,
// beyond the 8 of the structure.
const maxHW = 20

// linklayer is struct sockaddr_ll with room for maxHW octets of address.
type linklayer struct {
	family   uint16
	protocol uint16 // network byte order
	ifindex  int32
	hatype   uint16
	pkttype  uint8
	halen    uint8
	addr     [maxHW]byte
}

// sockaddrLen is the length of the kernel's struct sockaddr_ll, the least that
// sendto accepts.
const sockaddrLen = unix.SizeofSockaddrLinklayer

// Meta is what the kernel tells about a received packet.
type Meta struct {
	HW               [maxHW]byte // link-layer address of the sender
	HWLen            int         // octets of HW that are valid
	PktType          uint8       // unix.PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST
	ChecksumNotReady bool        // the UDP checksum was never completed: do not verify it
	Truncated        bool        // the packet was longer than the buffer
	VLAN             uint16      // tag control information, when HasVLAN
	HasVLAN          bool        // the frame carried an 802.1Q tag
	Ifindex          int
}

type recvState struct {
	name    linklayer
	iov     unix.Iovec
	hdr     unix.Msghdr
	control [controlLen]byte
	n       int
	errno   syscall.Errno
}

// controlLen is room for the one control message that is asked for: a header
// and struct tpacket_auxdata, 20 octets, both aligned.
const controlLen = 64

// init wires up what recvmsg needs; the state never moves, it is part of a Conn.
func (r *recvState) init() {
	r.hdr.Name = (*byte)(unsafe.Pointer(&r.name))
	r.hdr.Iov = &r.iov
	r.hdr.SetIovlen(1)
	r.hdr.Control = &r.control[0]
}

// Recv reads one packet into b, beginning with the network header. It returns
// unix.EAGAIN when nothing waits. A packet longer than b sets Truncated and
// must not be parsed. Packets that this host sent itself are skipped; as it
// does not read on forever, that too can end in EAGAIN.
func (c *Conn) Recv(b []byte) (n int, m Meta, err error) {
	if len(b) == 0 {
		return 0, Meta{}, unix.EINVAL
	}
	r := &c.recv
	r.iov.Base = &b[0]
	r.iov.SetLen(len(b))
	// At most 2: with PACKET_IGNORE_OUTGOING none should ever be seen, and a
	// level-triggered loop comes back.
	for range 2 {
		if err := c.rc.Read(c.recvFn); err != nil {
			r.iov.Base = nil
			return 0, Meta{}, os.ErrClosed // RawConn has no other, as nobody sets deadlines
		}
		if r.errno != 0 || r.name.pkttype != unix.PACKET_OUTGOING {
			break
		}
		r.errno = unix.EAGAIN
	}
	r.iov.Base = nil // do not keep the caller's buffer alive
	if r.errno != 0 {
		return 0, Meta{}, r.errno
	}
	r.meta(&m)
	return min(r.n, len(b)), m, nil
}

// recvmsg is the callback of RawConn.Read. It is always done: parking is the
// event loop's business. As it never blocks, the scheduler need not be told
// (RawSyscall); that is a tenth of the call.
func (c *Conn) recvmsg(fd uintptr) bool {
	r := &c.recv
	for {
		r.hdr.Namelen = uint32(unsafe.Sizeof(r.name))
		r.hdr.SetControllen(controlLen)
		r.hdr.Flags = 0
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.hdr)), unix.MSG_DONTWAIT)
		r.n, r.errno = int(n), errno
		if errno != unix.EINTR {
			return true
		}
	}
}

// meta translates the sender's address and the control message.
func (r *recvState) meta(m *Meta) {
	m.HWLen = min(int(r.name.halen), maxHW)
	copy(m.HW[:m.HWLen], r.name.addr[:m.HWLen])
	m.PktType = r.name.pkttype
	m.Ifindex = int(r.name.ifindex)
	m.Truncated = r.hdr.Flags&unix.MSG_TRUNC != 0
	m.auxdata(r.control[:min(int(r.hdr.Controllen), controlLen)])
}

// auxdata finds PACKET_AUXDATA among the control messages of packet(7).
func (m *Meta) auxdata(b []byte) {
	const headerLen = unix.SizeofCmsghdr
	for len(b) >= headerLen {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < headerLen || n > len(b) {
			return
		}
		if h.Level == unix.SOL_PACKET && h.Type == unix.PACKET_AUXDATA {
			m.tpacket(b[headerLen:n])
			return
		}
		const align = unix.SizeofPtr - 1
		b = b[min((n+align)&^align, len(b)):]
	}
}

// tpacket reads struct tpacket_auxdata: status, len and snaplen of 4 octets,
// then mac, net, vlan_tci and vlan_tpid of 2, all in host byte order.
func (m *Meta) tpacket(b []byte) {
	if len(b) < 20 {
		return
	}
	status := binary.NativeEndian.Uint32(b)
	m.ChecksumNotReady = status&unix.TP_STATUS_CSUMNOTREADY != 0
	if status&unix.TP_STATUS_VLAN_VALID != 0 {
		m.HasVLAN = true
		m.VLAN = binary.NativeEndian.Uint16(b[16:])
	}
}

type sendState struct {
	name    linklayer
	nameLen uintptr
	data    []byte
	errno   syscall.Errno
}

func (s *sendState) init(ifindex int, ethertype uint16) {
	s.name.family = unix.AF_PACKET
	s.name.protocol = htons(ethertype)
	s.name.ifindex = int32(ifindex)
}

// Send sends b, beginning with the network header, to a link-layer address of
// up to 20 octets. A full queue is unix.ENOBUFS or unix.EAGAIN: the packet is
// lost, as it could be anywhere else. After Close it is os.ErrClosed, as for Recv.
func (c *Conn) Send(dst, b []byte) error {
	if len(dst) > maxHW || len(b) == 0 {
		return unix.EINVAL
	}
	s := &c.send
	s.name.halen = uint8(len(dst))
	s.name.addr = [maxHW]byte{}
	copy(s.name.addr[:], dst)
	s.nameLen = max(unsafe.Offsetof(s.name.addr)+uintptr(len(dst)), sockaddrLen)
	s.data = b
	err := c.rc.Write(c.sendFn)
	s.data = nil
	if err != nil {
		return os.ErrClosed // RawConn has no other, as nobody sets deadlines
	}
	if s.errno != 0 {
		return s.errno
	}
	return nil
}

// sendto is the callback of RawConn.Write, always done.
func (c *Conn) sendto(fd uintptr) bool {
	s := &c.send
	for {
		_, _, s.errno = unix.RawSyscall6(unix.SYS_SENDTO, fd,
			uintptr(unsafe.Pointer(&s.data[0])), uintptr(len(s.data)), unix.MSG_DONTWAIT,
			uintptr(unsafe.Pointer(&s.name)), s.nameLen)
		if s.errno != unix.EINTR {
			return true
		}
	}
}
