//go:build interop

package rawsock

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/rawsock/frame"
	"daemonbox/core/rtnl"
)

var broadcast = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// cable makes a namespace with a veth pair in it, both ends up, and locks the
// goroutine into it; thread and namespace end with the test.
func cable(tb testing.TB) (a, b rtnl.Link) {
	tb.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		tb.Fatal(err)
	}
	c, err := rtnl.Dial()
	if err != nil {
		tb.Fatal(err)
	}
	defer c.Close()
	var batch rtnl.Batch
	batch.AddVeth(rtnl.VethEnd{Name: "a"}, rtnl.VethEnd{Name: "b"})
	if err := rtnl.First(c.Do(&batch)); err != nil {
		tb.Fatal(err)
	}
	batch.Reset()
	for _, name := range []string{"a", "b"} {
		l, err := c.LinkByName(name)
		if err != nil {
			tb.Fatal(err)
		}
		batch.SetLink(l.Index, rtnl.SetLinkOptions{Up: rtnl.Bool(true)})
	}
	if err := rtnl.First(c.Do(&batch)); err != nil {
		tb.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); !a.Up() || !b.Up(); time.Sleep(time.Millisecond) {
		a, _ = c.LinkByName("a")
		b, _ = c.LinkByName("b")
		if time.Now().After(end) {
			tb.Fatal("veth does not come up")
		}
	}
	return a, b
}

func open(tb testing.TB, index int, proto uint16, dhcp bool) *Conn {
	tb.Helper()
	filter := ARPFilter()
	if dhcp {
		filter = DHCPFilter()
	}
	c, err := Open(index, proto, filter)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// receive waits for a packet; ok is false when none comes for a while. A veth
// delivers before send returns or soon after, in a softirq.
func receive(tb testing.TB, c *Conn, b []byte, wait time.Duration) (n int, m Meta, ok bool) {
	tb.Helper()
	for end := time.Now().Add(wait); ; {
		n, m, err := c.Recv(b)
		if err == nil {
			return n, m, true
		}
		if !errors.Is(err, unix.EAGAIN) {
			tb.Fatal(err)
		}
		left := time.Until(end)
		if left <= 0 {
			return 0, Meta{}, false
		}
		p := []unix.PollFd{{Fd: int32(c.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, int(left/time.Millisecond)+1); err != nil && err != unix.EINTR {
			tb.Fatal(err)
		}
	}
}

// rawSender is a socket for whole Ethernet frames.
func rawSender(tb testing.TB, index int) func(f []byte) {
	tb.Helper()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { go unix.Close(fd) })
	return func(f []byte) {
		tb.Helper()
		if err := unix.Sendto(fd, f, 0, &unix.SockaddrLinklayer{Ifindex: index}); err != nil {
			tb.Fatal(err)
		}
	}
}

func ethernet(dst, src []byte, typ ...byte) []byte {
	return append(append(bytes.Clone(dst), src...), typ...)
}

func TestSendReceive(t *testing.T) {
	a, b := cable(t)
	ca, cb := open(t, a.Index, unix.ETH_P_IP, true), open(t, b.Index, unix.ETH_P_IP, true)
	buf := make([]byte, 2000)
	if _, _, err := cb.Recv(buf); err != unix.EAGAIN {
		t.Fatalf("empty socket: %v", err)
	}
	for _, dst := range [][]byte{broadcast, b.HW} {
		p := dhcpPacket(68)
		if err := ca.Send(dst, p); err != nil {
			t.Fatal(err)
		}
		n, m, ok := receive(t, cb, buf, 5*time.Second)
		if !ok || !bytes.Equal(buf[:n], p) {
			t.Fatalf("received %v %x", ok, buf[:n])
		}
		want := Meta{HWLen: 6, Ifindex: b.Index, PktType: unix.PACKET_HOST}
		copy(want.HW[:], a.HW)
		if &dst[0] == &broadcast[0] {
			want.PktType = unix.PACKET_BROADCAST
		}
		if m != want {
			t.Errorf("%+v, want %+v", m, want)
		}
		if _, err := frame.ParseUDP4(buf[:n], m.ChecksumNotReady); err != nil {
			t.Error(err)
		}
	}
	// The sender does not hear itself.
	if n, m, ok := receive(t, ca, buf, 50*time.Millisecond); ok {
		t.Errorf("own packet seen: %x %+v", buf[:n], m)
	}
}

// What the filter keeps out: the one packet that passes comes first.
func TestFilteredInKernel(t *testing.T) {
	a, b := cable(t)
	ca, cb := open(t, a.Index, unix.ETH_P_IP, true), open(t, b.Index, unix.ETH_P_IP, true)
	send := rawSender(t, a.Index)
	foreign := []byte{2, 9, 9, 9, 9, 9}
	if err := ca.Send(broadcast, dhcpPacket(67)); err != nil { // another port
		t.Fatal(err)
	}
	fragment := dhcpPacket(68)
	fragment[6] = 0x20
	if err := ca.Send(broadcast, fragment); err != nil {
		t.Fatal(err)
	}
	// For another station, and in a VLAN that nobody has here.
	send(append(ethernet(foreign, a.HW, 8, 0), dhcpPacket(68)...))
	send(append(ethernet(broadcast, a.HW, 0x81, 0, 0, 5, 8, 0), dhcpPacket(68)...))
	send(append(ethernet(broadcast, a.HW, 0x08, 0x06), dhcpPacket(68)...)) // not IPv4
	last := dhcpPacket(68)
	last = append(last, "padding of the last"...)
	if err := ca.Send(b.HW, last); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	n, m, ok := receive(t, cb, buf, 5*time.Second)
	if !ok || !bytes.Equal(buf[:n], last) {
		t.Fatalf("%x %+v", buf[:n], m)
	}
}

// A tag with VLAN 0 carries only a priority and is for everybody; other tags
// show in the auxiliary data of sockets that take all protocols.
func TestVLAN(t *testing.T) {
	a, b := cable(t)
	cb := open(t, b.Index, unix.ETH_P_IP, true)
	all, err := Open(b.Index, unix.ETH_P_ALL, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	send := rawSender(t, a.Index)
	send(append(ethernet(broadcast, a.HW, 0x81, 0, 0x60, 5, 8, 0), dhcpPacket(68)...))
	send(append(ethernet(broadcast, a.HW, 0x81, 0, 0x60, 0, 8, 0), dhcpPacket(68)...))
	buf := make([]byte, 2000)
	for _, want := range []uint16{0x6005, 0x6000} {
		_, m, ok := receive(t, all, buf, 5*time.Second)
		for ok && !m.HasVLAN { // anything else that talks on the link
			_, m, ok = receive(t, all, buf, 5*time.Second)
		}
		if !ok || m.VLAN != want {
			t.Fatalf("%v %+v, want %#x", ok, m, want)
		}
	}
	if n, m, ok := receive(t, cb, buf, 5*time.Second); !ok || m.VLAN&0xfff != 0 || !bytes.Equal(buf[:n], dhcpPacket(68)) {
		t.Errorf("priority tag: %v %+v", ok, m)
	}
	if _, m, ok := receive(t, cb, buf, 50*time.Millisecond); ok {
		t.Errorf("frame of VLAN 5: %+v", m)
	}
}

// UDP from the kernel of the other end crosses a veth with its checksum undone.
func TestChecksumNotReady(t *testing.T) {
	a, b := cable(t)
	cb := open(t, b.Index, unix.ETH_P_IP, true)
	c, err := rtnl.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var batch rtnl.Batch
	batch.AddAddr(rtnl.Addr{Index: a.Index, Prefix: netip.MustParsePrefix("192.0.2.1/24")}, false)
	if err := rtnl.First(c.Do(&batch)); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1),
		unix.BindToDevice(fd, "a"),
		unix.Sendto(fd, []byte("from the kernel"), 0, &unix.SockaddrInet4{Port: 68, Addr: [4]byte{192, 0, 2, 255}}),
	); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	n, m, ok := receive(t, cb, buf, 5*time.Second)
	if !ok || !m.ChecksumNotReady {
		t.Fatalf("%v %+v", ok, m)
	}
	if _, err := frame.ParseUDP4(buf[:n], false); err != frame.ErrUDPChecksum {
		t.Errorf("%v, want %v: is the checksum done after all?", err, frame.ErrUDPChecksum)
	}
	u, err := frame.ParseUDP4(buf[:n], m.ChecksumNotReady)
	if err != nil || string(u.Payload) != "from the kernel" {
		t.Errorf("%+v %v", u, err)
	}
}

func TestTruncatedAndErrors(t *testing.T) {
	a, b := cable(t)
	ca, cb := open(t, a.Index, unix.ETH_P_IP, true), open(t, b.Index, unix.ETH_P_IP, true)
	p := dhcpPacket(68)
	if err := ca.Send(broadcast, p); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 30)
	n, m, ok := receive(t, cb, buf, 5*time.Second)
	if !ok || !m.Truncated || n != len(buf) {
		t.Errorf("%d %+v", n, m)
	}
	if _, _, err := cb.Recv(nil); err != unix.EINVAL {
		t.Errorf("no buffer: %v", err)
	}
	if err := ca.Send(make([]byte, 21), p); err != unix.EINVAL {
		t.Errorf("address too long: %v", err)
	}
	if err := ca.Send(broadcast, nil); err != unix.EINVAL {
		t.Errorf("nothing to send: %v", err)
	}
	if err := ca.Send(broadcast, make([]byte, 9000)); err != unix.EMSGSIZE {
		t.Errorf("larger than the link takes: %v", err)
	}
	if _, err := Open(0, unix.ETH_P_IP, nil); err == nil {
		t.Error("interface 0 opened")
	}
	if _, err := Open(4711, unix.ETH_P_IP, DHCPFilter()); !errors.Is(err, unix.ENODEV) {
		t.Errorf("no such interface: %v", err)
	}
}

func TestARPSocket(t *testing.T) {
	a, b := cable(t)
	ca, cb := open(t, a.Index, unix.ETH_P_ARP, false), open(t, b.Index, unix.ETH_P_ARP, false)
	probe := frame.ARP{Op: frame.ARPRequest, SenderHW: [6]byte(a.HW), TargetIP: netip.MustParseAddr("192.0.2.9")}
	odd := probe
	odd.Op = 9
	for _, p := range []frame.ARP{odd, probe} {
		if err := ca.Send(broadcast, p.Append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 100)
	n, m, ok := receive(t, cb, buf, 5*time.Second)
	if !ok || !bytes.Equal(m.HW[:m.HWLen], a.HW) {
		t.Fatalf("%v %+v", ok, m)
	}
	probe.SenderIP = netip.IPv4Unspecified()
	if got, err := frame.ParseARP(buf[:n]); err != nil || got != probe {
		t.Errorf("%+v %v", got, err)
	}
}

// Opening must not wait for the kernel's grace period, nor closing ours.
func TestCloseAndReopen(t *testing.T) {
	a, _ := cable(t)
	buf := make([]byte, 100)
	for range 20 {
		c, err := Open(a.Index, unix.ETH_P_IP, DHCPFilter())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		for end := time.Now().Add(10 * time.Second); ; {
			_, _, err := c.Recv(buf)
			if !errors.Is(err, unix.EAGAIN) {
				if !errors.Is(err, os.ErrClosed) {
					t.Fatalf("after Close: %v", err)
				}
				break
			}
			if time.Now().After(end) {
				t.Fatal("never closed")
			}
			runtime.Gosched()
		}
		if err := c.Send(broadcast, buf); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("after Close: %v", err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	a, b := cable(t)
	ca, cb := open(t, a.Index, unix.ETH_P_IP, true), open(t, b.Index, unix.ETH_P_IP, true)
	p, buf := dhcpPacket(68), make([]byte, 2000)
	n := testing.AllocsPerRun(100, func() {
		if err := ca.Send(broadcast, p); err != nil {
			t.Fatal(err)
		}
		for {
			_, _, err := cb.Recv(buf)
			if err == nil {
				break
			}
			if err != unix.EAGAIN {
				t.Fatal(err)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a packet sent and received", n)
	}
}
