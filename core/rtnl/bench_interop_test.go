//go:build interop

package rtnl

import (
	"net/netip"
	"testing"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// BenchmarkStart is what a new process does on its way to an address: open a
// socket, look one link up, set address and routes in one batch. It should stay
// well below a millisecond.
func BenchmarkStart(b *testing.B) {
	privateNet(b)
	setup := dial(b)
	vethPair(b, setup)
	b.ReportAllocs()
	for b.Loop() {
		c, err := Dial()
		if err != nil {
			b.Fatal(err)
		}
		l, err := c.LinkByName("v0")
		if err != nil {
			b.Fatal(err)
		}
		var batch Batch
		batch.AddAddr(Addr{Index: l.Index, Prefix: pfx("192.0.2.7/24"), Broadcast: ip("192.0.2.255"), Proto: ProtoDHCP, Preferred: 3600, Valid: 3600}, true)
		batch.AddRoute(Route{Dst: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.1"), Index: l.Index, Metric: 100, Proto: ProtoDHCP}, true)
		if err := First(c.Do(&batch)); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		c.Close()
		b.StartTimer()
	}
}

// BenchmarkDial compares opening a request socket with what the library does
// alone, and with the bare system calls.
func BenchmarkDial(b *testing.B) {
	b.Run("rtnl", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := Dial()
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
	b.Run("library", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
			if err != nil {
				b.Fatal(err)
			}
			if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
				b.Fatal(err)
			}
			unix.Close(fd)
		}
	})
}

// BenchmarkLinkByName compares with the library's Execute, in turns.
func BenchmarkLinkByName(b *testing.B) {
	privateNet(b)
	c := dial(b)
	vethPair(b, c)
	theirs, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{Strict: true})
	if err != nil {
		b.Fatal(err)
	}
	defer theirs.Close()
	var spent [2]time.Duration
	b.ReportAllocs()
	for b.Loop() {
		t := time.Now()
		if _, err := c.LinkByName("v0"); err != nil {
			b.Fatal(err)
		}
		spent[0] += time.Since(t)
		b.StopTimer()
		t = time.Now()
		req, err := linkRequest(0, "v0")
		if err != nil {
			b.Fatal(err)
		}
		ms, err := theirs.Execute(netlink.Message{Header: netlink.Header{Type: unix.RTM_GETLINK, Flags: netlink.Request}, Data: req})
		if err != nil || len(ms) != 1 {
			b.Fatal(err)
		}
		if _, _, err := decodeLink(ms[0].Data); err != nil {
			b.Fatal(err)
		}
		spent[1] += time.Since(t)
		b.StartTimer()
	}
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "rate-ratio")
}

// BenchmarkBatch compares 100 addresses in one batch with one at a time.
func BenchmarkBatch(b *testing.B) {
	privateNet(b)
	c := dial(b)
	v0, _ := vethPair(b, c)
	address := func(i int) Addr {
		return Addr{Index: v0, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32), Valid: 100, Preferred: 100}
	}
	var spent [2]time.Duration
	for b.Loop() {
		t := time.Now()
		var batch Batch
		for i := range 100 {
			batch.AddAddr(address(i), true)
		}
		if err := First(c.Do(&batch)); err != nil {
			b.Fatal(err)
		}
		spent[0] += time.Since(t)
		b.StopTimer()
		t = time.Now()
		for i := range 100 {
			var batch Batch
			batch.AddAddr(address(i), true)
			if err := First(c.Do(&batch)); err != nil {
				b.Fatal(err)
			}
		}
		spent[1] += time.Since(t)
		b.StartTimer()
	}
	b.ReportMetric(float64(spent[1])/float64(spent[0]), "rate-ratio")
}
