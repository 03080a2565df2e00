package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"daemonbox/core/netlab"
)

// Broadcast is the hardware address of everybody.
var broadcast = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Frame is a UDP datagram in IPv4 in an Ethernet frame.
type Frame struct {
	SrcMAC, DstMAC [6]byte
	Src, Dst       netip.AddrPort
	Payload        []byte
}

// Offsets in an encoded Frame, whose IPv4 header has no options.
const (
	IPAt      = 14
	UDPAt     = IPAt + 20
	PayloadAt = UDPAt + 8
)

// Bytes encodes the frame with good checksums.
func (f *Frame) Bytes() []byte {
	b := make([]byte, PayloadAt, PayloadAt+len(f.Payload))
	copy(b, f.DstMAC[:])
	copy(b[6:], f.SrcMAC[:])
	binary.BigEndian.PutUint16(b[12:], unix.ETH_P_IP)
	ip := b[IPAt:UDPAt]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(f.Payload)))
	ip[8], ip[9] = 64, unix.IPPROTO_UDP
	copy(ip[12:], f.Src.Addr().AsSlice())
	copy(ip[16:], f.Dst.Addr().AsSlice())
	udp := b[UDPAt:]
	binary.BigEndian.PutUint16(udp, f.Src.Port())
	binary.BigEndian.PutUint16(udp[2:], f.Dst.Port())
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(f.Payload)))
	b = append(b, f.Payload...)
	FixIP(b)
	FixUDP(b)
	return b
}

// FixIP makes the header checksum of an encoded frame right, RFC 791.
func FixIP(b []byte) {
	n := IPAt + 4*int(b[IPAt]&15)
	if n > len(b) {
		return
	}
	b[IPAt+10], b[IPAt+11] = 0, 0
	binary.BigEndian.PutUint16(b[IPAt+10:], ^sum(0, b[IPAt:n]))
}

// FixUDP makes the UDP checksum of an encoded frame right, RFC 768, over
// whatever is in it.
func FixUDP(b []byte) {
	b[UDPAt+6], b[UDPAt+7] = 0, 0
	s := uint32(unix.IPPROTO_UDP) + uint32(len(b)-UDPAt)
	s += uint32(sum(0, b[IPAt+12:IPAt+20]))
	c := ^sum(s, b[UDPAt:])
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(b[UDPAt+6:], c)
}

// sum is the sum of RFC 1071.
func sum(s uint32, b []byte) uint16 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// Wire is a raw socket on an interface of a host.
type Wire struct {
	f    *os.File
	MAC  [6]byte
	once sync.Once
}

// OpenWire opens a raw socket for all frames of one EtherType (0: all) that
// come in on an interface.
func OpenWire(h *netlab.Host, ifname string, ethertype uint16) (*Wire, error) {
	w := &Wire{}
	err := h.Do(func() error { return w.open(ifname, ethertype) })
	if err != nil {
		return nil, fmt.Errorf("raw socket on %s of %s: %w", ifname, h.Name(), err)
	}
	return w, nil
}

func (w *Wire) open(ifname string, ethertype uint16) error {
	ifi, err := net.InterfaceByName(ifname)
	if err != nil {
		return err
	}
	if ethertype == 0 {
		ethertype = unix.ETH_P_ALL
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	// So that a flood that the test sends does not fail for want of room.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 8<<20)
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	sa := &unix.SockaddrLinklayer{Protocol: ethertype<<8 | ethertype>>8, Ifindex: ifi.Index}
	if err := unix.Bind(fd, sa); err != nil {
		unix.Close(fd)
		return err
	}
	w.f = os.NewFile(uintptr(fd), "wire "+ifname)
	copy(w.MAC[:], ifi.HardwareAddr)
	return nil
}

// Send puts a frame on the wire as it is.
func (w *Wire) Send(frame []byte) error {
	_, err := w.f.Write(frame)
	return err
}

// Recv waits for the next frame. After Close it fails.
func (w *Wire) Recv(b []byte) (int, error) { return w.f.Read(b) }

// Close closes the socket.
func (w *Wire) Close() { w.once.Do(func() { w.f.Close() }) }

// Scripted is a DHCP server whose answers a function makes.
type Scripted struct {
	*Wire
	Addr netip.Addr

	mu  sync.Mutex
	log []*Message
	fn  func(*Message) []*Message
}

// Serve answers clients on an interface of a host, as the server with the
// given address, with what fn returns. It sees every client's message,
// including those to other servers; fn is called by one goroutine.
func Serve(h *netlab.Host, ifname string, addr netip.Addr, fn func(*Message) []*Message) (*Scripted, error) {
	w, err := OpenWire(h, ifname, unix.ETH_P_IP)
	if err != nil {
		return nil, err
	}
	s := &Scripted{Wire: w, Addr: addr, fn: fn}
	go s.run()
	return s, nil
}

func (s *Scripted) run() {
	b := make([]byte, 65536)
	for {
		n, err := s.Recv(b)
		if errors.Is(err, unix.ENETDOWN) { // the interface was down for a while
			continue
		}
		if err != nil {
			return
		}
		m := ParseFrame(b[:n])
		if m == nil || m.Op != 1 {
			continue
		}
		s.mu.Lock()
		s.log = append(s.log, m)
		fn := s.fn
		s.mu.Unlock()
		for _, r := range fn(m) {
			_ = s.Send(s.Frame(m, r))
		}
	}
}

// ParseFrame returns the DHCP message that a frame carries, nil if none.
func ParseFrame(b []byte) *Message {
	if len(b) < PayloadAt || b[IPAt] != 0x45 || b[IPAt+9] != unix.IPPROTO_UDP {
		return nil
	}
	port := func(at int) uint16 { return binary.BigEndian.Uint16(b[at:]) }
	if p := port(UDPAt + 2); p != 67 && p != 68 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(b[IPAt+2:]))
	if n > len(b)-IPAt || n < 28 {
		return nil
	}
	m, err := parseMessage(b[PayloadAt : IPAt+n])
	if err != nil {
		return nil
	}
	m.DstMAC = [6]byte(b)
	m.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[IPAt+12:])), port(UDPAt))
	m.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[IPAt+16:])), port(UDPAt+2))
	return m
}

// Script replaces the function.
func (s *Scripted) Script(fn func(*Message) []*Message) {
	s.mu.Lock()
	s.fn = fn
	s.mu.Unlock()
}

// Seen returns the clients' messages so far, of some types only if any are
// given.
func (s *Scripted) Seen(types ...byte) []*Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Message
	for _, m := range s.log {
		for _, t := range types {
			if m.Type() == t {
				out = append(out, m)
			}
		}
		if len(types) == 0 {
			out = append(out, m)
		}
	}
	return out
}

// Frame addresses an answer as RFC 2131 section 4.1 says: a NAK or an answer
// to a client without address goes to everybody, else to the client.
func (s *Scripted) Frame(req, r *Message) []byte {
	f := Frame{
		SrcMAC: s.MAC, DstMAC: broadcast,
		Src:     netip.AddrPortFrom(s.Addr, 67),
		Dst:     netip.AddrPortFrom(netip.AddrFrom4([4]byte{255, 255, 255, 255}), 68),
		Payload: r.Bytes(),
	}
	if r.Type() == Nak || req.Flags&0x8000 != 0 {
		return f.Bytes()
	}
	to := r.YIAddr
	if !req.CIAddr.IsUnspecified() {
		to = req.CIAddr
	}
	f.Dst = netip.AddrPortFrom(to, 68)
	f.DstMAC = req.MAC()
	return f.Bytes()
}

// Simple returns a script that gives every client yiaddr of the network that
// prefix describes, for some seconds, with further options.
func Simple(server netip.Prefix, yiaddr netip.Addr, lease uint32, opts ...Option) func(*Message) []*Message {
	mask := net.CIDRMask(server.Bits(), 32)
	return func(m *Message) []*Message {
		all := append([]Option{{OptLease, Seconds(lease)}, {OptMask, mask}}, opts...)
		switch m.Type() {
		case Discover:
			return []*Message{m.Reply(Offer, server.Addr(), yiaddr, all...)}
		case Request:
			want := m.CIAddr
			if want.IsUnspecified() {
				want = m.Addr(OptRequested)
			}
			if id := m.Get(OptServer); id != nil && m.Addr(OptServer) != server.Addr() {
				return nil
			}
			if want != yiaddr {
				return []*Message{m.Reply(Nak, server.Addr(), netip.IPv4Unspecified())}
			}
			return []*Message{m.Reply(Ack, server.Addr(), yiaddr, all...)}
		}
		return nil
	}
}
