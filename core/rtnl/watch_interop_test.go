//go:build interop

package rtnl

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const everything = WithLinks | WithAddrs4 | WithAddrs6 | WithRoutes4 | WithRoutes6 | WithNeighs | WithRules

func watchAll(tb testing.TB) *Watcher {
	tb.Helper()
	w, err := Watch(GroupLink, GroupNeigh, GroupAddr4, GroupRoute4, GroupRule4, GroupAddr6,
		GroupRoute6, GroupInet6Info, GroupRule6)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { w.Close() })
	return w
}

// drain passes events on until done says so; it waits for readiness as an event
// loop would.
func drain(tb testing.TB, w *Watcher, fn func(Event), done func() bool) {
	tb.Helper()
	drainSame(tb, w, fn, func() string {
		if done() {
			return ""
		}
		return "not yet"
	})
}

// drainSame is drain until nothing is left to complain about.
func drainSame(tb testing.TB, w *Watcher, fn func(Event), complaint func() string) {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		if err := w.Drain(64, fn); err != nil {
			tb.Fatal(err)
		}
		last := complaint()
		if last == "" {
			return
		}
		if time.Now().After(end) {
			tb.Fatalf("the event does not come: %s", last)
		}
		p := []unix.PollFd{{Fd: int32(w.Fd()), Events: unix.POLLIN}}
		if _, err := unix.Poll(p, 10); err != nil && !errors.Is(err, unix.EINTR) {
			tb.Fatal(err)
		}
	}
}

// sameAsKernel compares a table with what the kernel has now.
func sameAsKernel(c *Conn, t *Table) string {
	fresh := NewTable(t.what)
	if err := fresh.Resync(c, nil); err != nil {
		return err.Error()
	}
	return diffTables(fresh, t)
}

func diffTables(want, got *Table) string {
	strip := func(a []Addr) []Addr {
		for i := range a {
			a[i].Preferred, a[i].Valid = 0, 0
		}
		return a
	}
	// Whether the next hop is reachable shows in dumps only.
	flags := func(r []Route) []Route {
		for i := range r {
			r[i].Flags &= unix.RTNH_F_ONLINK
		}
		return r
	}
	// That a solicitation was sent is never announced.
	inet6 := func(l []Link) []Link {
		for i := range l {
			l[i].Inet6Flags &= InetManaged | InetOtherConf
		}
		return l
	}
	return cmp.Diff(inet6(want.Links()), inet6(got.Links())) +
		cmp.Diff(strip(want.Addrs(0)), strip(got.Addrs(0)), addrCmp) +
		cmp.Diff(flags(want.Routes(0)), flags(got.Routes(0)), addrCmp) +
		cmp.Diff(want.Neighs(0), got.Neighs(0), addrCmp) +
		cmp.Diff(want.Rules(), got.Rules(), addrCmp)
}

func TestWatchEvents(t *testing.T) {
	privateNet(t)
	c, w := dial(t), watchAll(t)
	if err := w.Drain(1, func(ev Event) { t.Errorf("%v before anything happened", ev.Kind) }); err != nil {
		t.Fatal(err)
	}
	table := NewTable(everything)
	if err := table.Resync(c, nil); err != nil {
		t.Fatal(err)
	}
	var seen [Overrun + 1]int
	apply := func(ev Event) { table.Apply(ev, func(ev Event) { seen[ev.Kind]++ }) }

	v0, v1 := vethPair(t, c)
	must(t, c, func(b *Batch) {
		b.AddBridge("br", SetLinkOptions{})
		b.AddAddr(Addr{Index: v0, Prefix: pfx("192.0.2.7/24"), Valid: 500, Preferred: 400}, false)
		b.AddRoute(Route{Dst: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.1"), Metric: 5}, false)
		b.AddRoute(Route{Dst: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.2"), Metric: 5}, true)
		b.AddNeigh(Neigh{Index: v0, IP: ip("192.0.2.1"), HW: []byte{2, 0, 0, 0, 0, 1}})
		b.AddRule(Rule{Family: unix.AF_INET, Priority: 9, Table: 99})
	})
	br := linkIndex(t, c, "br")
	must(t, c, func(b *Batch) { b.SetLink(v1, SetLinkOptions{Master: Int(br), Name: "port"}) })
	same := func() string { return sameAsKernel(c, table) }
	drainSame(t, w, apply, same)
	if r := table.Routes(v0); len(r) == 0 || r[0].Gateway != ip("192.0.2.2") {
		t.Errorf("the route that was replaced is still there: %+v", r)
	}
	if l, ok := table.LinkByName("port"); !ok || l.Master != br || l.PortKind != "bridge" {
		t.Errorf("%+v", l)
	}
	if l, ok := table.Link(v0); !ok || !table.LocalHW(l.HW) || table.LocalHW(nil) {
		t.Errorf("%+v", l)
	}

	// Leaving the bridge is announced as a deletion, but not the link's.
	must(t, c, func(b *Batch) { b.SetLink(v1, SetLinkOptions{Master: Int(0)}) })
	drain(t, w, apply, func() bool { l, ok := table.Link(v1); return ok && l.Master == 0 })
	// IPv4 routes go silently with the link's state.
	must(t, c, func(b *Batch) { b.SetLink(v0, SetLinkOptions{Up: Bool(false)}) })
	drainSame(t, w, apply, same)
	must(t, c, func(b *Batch) {
		b.SetLink(v0, SetLinkOptions{Up: Bool(true)})
		b.AddRoute(Route{Dst: pfx("198.51.100.0/24"), Index: v0, PrefSrc: ip("192.0.2.7")}, false)
		b.AddRoute(Route{Dst: pfx("198.51.101.0/24"), Index: v0}, false)
	})
	drainSame(t, w, apply, same)
	must(t, c, func(b *Batch) { b.DelAddr(Addr{Index: v0, Prefix: pfx("192.0.2.7/24")}) })
	drainSame(t, w, apply, same)
	must(t, c, func(b *Batch) { b.DelLink(v0); b.DelRule(Rule{Family: unix.AF_INET, Priority: 9, Table: 99}) })
	drainSame(t, w, apply, same)
	for k := LinkNew; k < Overrun; k++ {
		if k != LinkInet6 && seen[k] == 0 {
			t.Errorf("no %v", k)
		}
	}
	if s := w.Stats(); s.Bad != 0 || s.Overruns != 0 || s.Events == 0 {
		t.Errorf("%+v", s)
	}
}

// advertisement is a frame with a router advertisement (RFC 4861 section 4.2)
// of lifetime 0 with the M flag.
func advertisement(src, dst []byte) []byte {
	from, to := ip("fe80::1").As16(), ip("ff02::1").As16()
	icmp := []byte{134, 0, 0, 0, 64, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	sum := uint32(58 + len(icmp))
	for _, b := range [][]byte{from[:], to[:], icmp} {
		for i := 0; i < len(b); i += 2 {
			sum += uint32(b[i])<<8 | uint32(b[i+1])
		}
	}
	sum = sum>>16 + sum&0xffff
	sum = ^(sum>>16 + sum&0xffff)
	icmp[2], icmp[3] = byte(sum>>8), byte(sum)
	f := append(append(append([]byte{}, dst...), src...), 0x86, 0xdd)
	f = append(f, 0x60, 0, 0, 0, 0, byte(len(icmp)), 58, 255)
	return append(append(append(f, from[:]...), to[:]...), icmp...)
}

// The flags of router advertisements come as events of their own.
func TestInet6Events(t *testing.T) {
	privateNet(t)
	c, w := dial(t), watchAll(t)
	v0, v1 := vethPair(t, c)
	table := NewTable(WithLinks)
	if err := table.Resync(c, nil); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	l1, _ := table.Link(v1)
	frame := advertisement(l1.HW, []byte{0x33, 0x33, 0, 0, 0, 1})
	if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: v1}); err != nil {
		t.Fatal(err)
	}
	heard := false
	drain(t, w, func(ev Event) {
		table.Apply(ev, func(ev Event) { heard = heard || ev.Kind == LinkInet6 })
	}, func() bool {
		l, _ := table.Link(v0)
		return heard && l.Inet6Flags&InetManaged != 0 && l.Kind == "veth"
	})
	if l, err := c.LinkByIndex(v0); err != nil || l.Inet6Flags&InetManaged == 0 || !l.HasInet6 {
		t.Errorf("%+v %v", l, err)
	}
}

// With a small buffer events get lost; one resync later the table is right.
func TestOverrun(t *testing.T) {
	privateNet(t)
	c, w := dial(t), watchAll(t)
	v0, _ := vethPair(t, c)
	if err := unix.SetsockoptInt(w.Fd(), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4096); err != nil {
		t.Fatal(err)
	}
	table := NewTable(everything)
	if err := table.Resync(c, nil); err != nil {
		t.Fatal(err)
	}
	var add, del Batch
	for i := range 200 {
		a := Addr{Index: v0, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32)}
		add.AddAddr(a, true)
		if i%2 == 1 {
			del.DelAddr(a)
		}
	}
	for round := range 3 {
		for _, b := range []*Batch{&add, &del} {
			if err := First(c.Do(b)); err != nil {
				t.Fatal(err)
			}
		}
		overruns, after := 0, 0
		drain(t, w, func(ev Event) {
			if ev.Kind != Overrun {
				if overruns > 0 {
					after++
				}
				table.Apply(ev, nil)
				return
			}
			overruns++
			changes := 0
			if err := table.Resync(c, func(Event) { changes++ }); err != nil {
				t.Error(err)
			}
			if round == 0 && changes == 0 {
				t.Error("nothing was lost?")
			}
		}, func() bool { return overruns > 0 })
		drainSame(t, w, func(ev Event) { table.Apply(ev, nil) }, func() string { return sameAsKernel(c, table) })
		if n := len(table.Addrs(v0)); n < 100 {
			t.Fatalf("%d addresses", n)
		}
		// Undone, and noticed by the same path.
		var undo Batch
		for i := 0; i < 200; i += 2 {
			undo.DelAddr(Addr{Index: v0, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32)})
		}
		if err := First(c.Do(&undo)); err != nil {
			t.Fatal(err)
		}
		drainSame(t, w, func(ev Event) {
			if ev.Kind == Overrun {
				if err := table.Resync(c, nil); err != nil {
					t.Error(err)
				}
			}
			table.Apply(ev, nil)
		}, func() string { return sameAsKernel(c, table) })
	}
	if w.Stats().Overruns < 3 {
		t.Errorf("%+v", w.Stats())
	}
}

// Other processes can send to a netlink socket; only the kernel is heard.
func TestForeignSender(t *testing.T) {
	privateNet(t)
	c, w := dial(t), watchAll(t)
	sa, err := unix.Getsockname(w.Fd())
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lo, err := c.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	data, err := encode(linkHeader(unix.AF_UNSPEC, lo.Index, 0, 0), (&SetLinkOptions{Name: "forged"}).attrs)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := marshal(nil, unix.RTM_NEWLINK, 0, 0, data)
	if err != nil {
		t.Fatal(err)
	}
	to := sa.(*unix.SockaddrNetlink)
	if err := unix.Sendto(fd, raw, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: to.Pid}); err != nil {
		t.Fatal(err)
	}
	must(t, c, func(b *Batch) { b.SetLink(lo.Index, SetLinkOptions{Up: Bool(true)}) })
	up := false
	drain(t, w, func(ev Event) {
		if ev.Link.Name == "forged" {
			t.Error("a forged event was believed")
		}
		up = up || ev.Kind == LinkNew && ev.Link.Flags&unix.IFF_UP != 0
	}, func() bool { return up })
}

func TestWatchNoSuchGroup(t *testing.T) {
	if _, err := Watch(0); err == nil {
		t.Error("group 0 accepted")
	}
	if _, err := Watch(33); err == nil {
		t.Error("group 33 accepted")
	}
}
