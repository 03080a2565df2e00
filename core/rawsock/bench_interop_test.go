//go:build interop

package rawsock

import (
	"net"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

// BenchmarkSendReceive sends a packet over a veth and receives it, with this
// package and with packet.Conn's ReadFrom and WriteTo, in turns within one run.
// rate-ratio is ours to theirs, cpu-ratio the other way round: the first should
// be at least 1.2, the second at most 0.75.
func BenchmarkSendReceive(b *testing.B) {
	la, lb := cable(b)
	ours := oursOnce(b, la.Index, lb.Index)
	la, lb = cable(b) // of its own, so that nobody's packets are copied for the other
	theirs := theirsOnce(b, la.Index, lb.Index)
	const turn = 200
	var spent [2]time.Duration
	var cpu [2]time.Duration
	run := func(i int, fn func()) {
		c, t := cpuTime(b), time.Now()
		for range turn {
			fn()
		}
		spent[i] += time.Since(t)
		cpu[i] += cpuTime(b) - c
	}
	b.ReportAllocs()
	for b.Loop() {
		run(0, ours)
		b.StopTimer() // allocations and ns/op are ours alone
		run(1, theirs)
		b.StartTimer()
	}
	b.ReportMetric(float64(spent[0].Nanoseconds())/float64(b.N*turn), "ns/packet")
	b.ReportMetric(float64(spent[1].Nanoseconds())/float64(b.N*turn), "ns/packet-theirs")
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "rate-ratio")
	b.ReportMetric(float64(cpu[0])/float64(cpu[1]), "cpu-ratio")
}

func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func oursOnce(b *testing.B, from, to int) func() {
	c1, c2 := open(b, from, unix.ETH_P_IP, true), open(b, to, unix.ETH_P_IP, true)
	p, buf := dhcpPacket(68), make([]byte, 2000)
	return func() {
		if err := c1.Send(broadcast, p); err != nil {
			b.Fatal(err)
		}
		for {
			_, _, err := c2.Recv(buf)
			if err == nil {
				return
			}
			if err != unix.EAGAIN {
				b.Fatal(err)
			}
		}
	}
}

func theirsOnce(b *testing.B, from, to int) func() {
	listen := func(index int) *packet.Conn {
		c, err := packet.Listen(&net.Interface{Index: index}, packet.Datagram, unix.ETH_P_IP, &packet.Config{Filter: DHCPFilter()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { c.Close() })
		return c
	}
	c1, c2 := listen(from), listen(to)
	p, buf := dhcpPacket(68), make([]byte, 2000)
	dst := &packet.Addr{HardwareAddr: broadcast}
	return func() {
		if _, err := c1.WriteTo(p, dst); err != nil {
			b.Fatal(err)
		}
		if _, _, err := c2.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen shows that opening does not wait for a grace period of the
// kernel. Closing happens elsewhere, and is waited for outside the measurement
// only as often as descriptors demand.
func BenchmarkOpen(b *testing.B) {
	la, _ := cable(b)
	filter := DHCPFilter()
	b.ReportAllocs()
	pending := make(chan struct{}, 256)
	for b.Loop() {
		c, err := Open(la.Index, unix.ETH_P_IP, filter)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		pending <- struct{}{}
		go func() {
			c.pc.Close()
			<-pending
		}()
		b.StartTimer()
	}
}
