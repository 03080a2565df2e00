//go:build interop

package rtnl

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr    { return netip.MustParseAddr(s) }

func TestLinks(t *testing.T) {
	privateNet(t)
	c := dial(t)
	fd, do := otherNet(t)
	hw := []byte{2, 0, 0, 0, 0, 7}
	must(t, c, func(b *Batch) {
		b.AddVeth(VethEnd{"a", SetLinkOptions{Up: Bool(true), HW: hw, MTU: 1400}},
			VethEnd{"eth0", SetLinkOptions{HW: []byte{2, 0, 0, 0, 0, 8}, MTU: 1400, Netns: fd}})
		b.AddBridge("br", SetLinkOptions{Up: Bool(true)})
		b.AddVeth(VethEnd{Name: "d"}, VethEnd{Name: "e"})
	})
	e := linkIndex(t, c, "e")
	must(t, c, func(b *Batch) { b.SetLink(e, SetLinkOptions{Up: Bool(true)}) })
	inside := func(fn func(c *Conn)) {
		do(func() {
			c, err := Dial()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fn(c)
		})
	}
	inside(func(c *Conn) {
		l, err := c.LinkByName("eth0")
		if err != nil || l.HW[5] != 8 || l.MTU != 1400 || l.Flags&unix.IFF_UP != 0 {
			t.Errorf("%+v %v", l, err)
		}
		var b Batch
		b.SetLink(l.Index, SetLinkOptions{Up: Bool(true)})
		if err := First(c.Do(&b)); err != nil {
			t.Error(err)
		}
	})
	a := waitLink(t, c, "a", isUp)
	if a.Kind != "veth" || a.MTU != 1400 || string(a.HW) != string(hw) || !a.Up() || !a.Carrier || !a.HasLinkNetns {
		t.Errorf("%+v", a)
	}
	if a.MinMTU == 0 || a.MaxMTU < 1500 || a.CarrierChanges == 0 || len(a.BroadcastHW) != 6 || a.Type != unix.ARPHRD_ETHER {
		t.Errorf("%+v", a)
	}
	br, d := linkIndex(t, c, "br"), linkIndex(t, c, "d")
	must(t, c, func(b *Batch) {
		b.SetLink(a.Index, SetLinkOptions{Master: Int(br)})
		b.SetLink(d, SetLinkOptions{Name: "renamed", MTU: 1300, HW: []byte{2, 0, 0, 0, 0, 9}, AddrGenMode: new(uint8)})
		b.SetLink(d, SetLinkOptions{Up: Bool(true)})
	})
	a, err := c.LinkByIndex(a.Index)
	if err != nil || a.Master != br || a.PortKind != "bridge" {
		t.Errorf("%+v %v", a, err)
	}
	waitLink(t, c, "br", isUp) // nothing changes by itself any more
	l := waitLink(t, c, "renamed", isUp)
	if l.MTU != 1300 || l.HW[5] != 9 || l.Flags&unix.IFF_UP == 0 || l.OperState != OperUp || !l.Up() {
		t.Errorf("%+v", l)
	}
	if l.HasInet6 != a.HasInet6 {
		t.Errorf("IPv6 known for one link only: %+v", l)
	}
	var b Batch
	b.AddVeth(VethEnd{Name: "x"}, VethEnd{"y", SetLinkOptions{Up: Bool(true)}})
	if err := First(c.Do(&b)); !errors.Is(err, errPeerUp) {
		t.Errorf("%v, want %v", err, errPeerUp)
	}
	if v, err := c.LinkByName("e"); err != nil || v.Kind != "veth" || v.Parent != d {
		t.Errorf("%+v %v", v, err)
	}
	all, err := c.Links()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
		one, err := c.LinkByIndex(l.Index)
		if err != nil || !one.Equal(&l) {
			t.Errorf("dump and single answer differ: %v\n%s", err, cmp.Diff(one, l))
		}
	}
	if got := strings.Join(names, " "); got != "lo a br e renamed" {
		t.Errorf("links %q", got)
	}
	must(t, c, func(b *Batch) {
		b.SetLink(a.Index, SetLinkOptions{Master: Int(0)})
		b.SetLink(d, SetLinkOptions{Netns: fd})
		b.SetLink(br, SetLinkOptions{Up: Bool(false)})
		b.DelLink(br)
		b.DelLink(a.Index)
	})
	for _, gone := range []string{"a", "br", "renamed"} {
		if _, err := c.LinkByName(gone); !errors.Is(err, unix.ENODEV) {
			t.Errorf("%s: %v, want ENODEV", gone, err)
		}
	}
	inside(func(c *Conn) { linkIndex(t, c, "renamed") })
	if _, err := c.LinkByName(""); !errors.Is(err, unix.ENODEV) {
		t.Error(err)
	}
}

func TestAddrs(t *testing.T) {
	privateNet(t)
	c := dial(t)
	v0, _ := vethPair(t, c)
	a := Addr{
		Index: v0, Prefix: pfx("192.0.2.7/24"), Broadcast: ip("192.0.2.255"), Label: "v0:dhcp",
		Flags: unix.IFA_F_NOPREFIXROUTE, Proto: ProtoDHCP, Preferred: 1000, Valid: 2000, Metric: 77,
	}
	p := Addr{Index: v0, Prefix: pfx("198.51.100.1/32"), Peer: ip("198.51.100.2")}
	six := Addr{Index: v0, Prefix: pfx("2001:db8::7/128"), Flags: unix.IFA_F_NOPREFIXROUTE | unix.IFA_F_NODAD, Preferred: 0, Valid: 500}
	must(t, c, func(b *Batch) {
		b.AddAddr(a, false)
		b.AddAddr(p, false)
		b.AddAddr(six, true)
	})
	got, err := c.Addrs(v0, unix.AF_INET)
	if err != nil || len(got) != 2 {
		t.Fatalf("%+v %v", got, err)
	}
	if g := got[0]; g.Preferred < 990 || g.Valid < 1990 || g.Updated == 0 {
		t.Errorf("%+v", g)
	}
	got[0].Preferred, got[0].Valid, got[0].Updated = a.Preferred, a.Valid, 0
	if d := cmp.Diff(a, got[0], addrCmp); d != "" {
		t.Error(d)
	}
	if g := got[1]; g.Prefix != p.Prefix && g.Prefix.Addr() != p.Prefix.Addr() || g.Peer != p.Peer || g.Valid != Forever || g.Flags&unix.IFA_F_PERMANENT == 0 {
		t.Errorf("%+v", g)
	}
	got6, err := c.Addrs(v0, unix.AF_INET6)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, g := range got6 {
		if g.Prefix == six.Prefix {
			found = g.Flags&unix.IFA_F_DEPRECATED != 0 && g.Valid <= 500 && g.Valid > 490 && g.Preferred == 0
		}
	}
	if !found {
		t.Errorf("%+v", got6)
	}
	// Both families, one interface; then one without any.
	if both, err := c.Addrs(v0, unix.AF_UNSPEC); err != nil || len(both) != len(got)+len(got6) {
		t.Errorf("%d addresses, want %d and %d: %v", len(both), len(got), len(got6), err)
	}
	if none, err := c.Addrs(1, unix.AF_INET); err != nil || len(none) != 0 {
		t.Errorf("%+v %v", none, err)
	}
	if _, err := c.Addrs(4711, unix.AF_INET); !errors.Is(err, unix.ENODEV) {
		t.Errorf("no such interface: %v", err)
	}
	// Lifetimes change in place.
	a.Preferred, a.Valid = Forever, Forever
	must(t, c, func(b *Batch) { b.AddAddr(a, true) })
	got, err = c.Addrs(v0, unix.AF_INET)
	if err != nil || len(got) != 2 || got[0].Valid != Forever {
		t.Errorf("%+v %v", got, err)
	}
	must(t, c, func(b *Batch) { b.DelAddr(a); b.DelAddr(p) })
	var b Batch
	b.DelAddr(a)
	if err := c.Do(&b)[0]; !errors.Is(err, unix.EADDRNOTAVAIL) || !strings.Contains(err.Error(), "delete address 192.0.2.7/24") {
		t.Errorf("%v, want EADDRNOTAVAIL", err)
	}
}

var addrCmp = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func TestRoutesNeighsRules(t *testing.T) {
	privateNet(t)
	c := dial(t)
	v0, _ := vethPair(t, c)
	must(t, c, func(b *Batch) {
		b.AddAddr(Addr{Index: v0, Prefix: pfx("192.0.2.7/32")}, false)
		b.AddAddr(Addr{Index: v0, Prefix: pfx("2001:db8::7/128"), Flags: unix.IFA_F_NODAD}, false)
	})
	want := []Route{
		{Dst: pfx("192.0.2.1/32"), Index: v0, PrefSrc: ip("192.0.2.7"), Metric: 100, Proto: ProtoDHCP, Table: 254, Type: unix.RTN_UNICAST, Scope: unix.RT_SCOPE_LINK},
		{Dst: pfx("0.0.0.0/0"), Gateway: ip("192.0.2.1"), Index: v0, PrefSrc: ip("192.0.2.7"), Metric: 100, Proto: ProtoDHCP, Table: 254, Type: unix.RTN_UNICAST, MTU: 1400},
		{Dst: pfx("203.0.113.0/24"), Gateway: ip("198.51.100.1"), Index: v0, Flags: unix.RTNH_F_ONLINK, Table: 1000, Proto: ProtoDHCP, Type: unix.RTN_UNICAST},
		{Dst: pfx("10.0.0.0/8"), Type: unix.RTN_UNREACHABLE, Table: 254, Proto: unix.RTPROT_BOOT, Metric: 5},
		{Dst: pfx("2001:db8:1::/48"), Gateway: ip("fe80::1"), Index: v0, Table: 254, Metric: 9, Proto: ProtoDHCP, Type: unix.RTN_UNICAST},
		{Dst: pfx("203.0.114.0/24"), Gateway: ip("fe80::1"), Index: v0, Table: 254, Proto: ProtoDHCP, Type: unix.RTN_UNICAST},
	}
	must(t, c, func(b *Batch) {
		for _, r := range want {
			b.AddRoute(r, false)
		}
	})
	for _, w := range want {
		f := w.family()
		all, err := c.Routes(f)
		if err != nil {
			t.Fatal(err)
		}
		one, err := c.Routes(f, w.Table)
		if err != nil {
			t.Fatal(err)
		}
		for _, list := range [][]Route{all, one} {
			found := false
			for _, r := range list {
				if r.Dst == w.Dst && r.Metric == w.Metric && r.Table == w.Table {
					found = true
					if d := cmp.Diff(w, r, addrCmp); d != "" {
						t.Error(d)
					}
				}
			}
			if !found {
				t.Errorf("no %+v in %+v", w, list)
			}
		}
	}
	if r, err := c.Routes(unix.AF_UNSPEC, 4711); err != nil || len(r) != 0 {
		t.Errorf("a table that does not exist: %v %v", r, err)
	}
	// The kernel's words come along, and later changes are done all the same.
	var b Batch
	b.AddRoute(Route{Dst: pfx("10.1.0.0/16"), Gateway: ip("172.16.0.1"), Index: v0}, true)
	b.AddRoute(Route{Dst: pfx("10.2.0.0/16"), Index: v0}, true)
	b.AddRoute(Route{}, true)
	b.DelRoute(Route{Dst: pfx("10.2.0.0/16")})
	errs := c.Do(&b)
	var e *Error
	if !errors.As(errs[0], &e) || e.Errno != unix.ENETUNREACH || e.Message == "" {
		t.Errorf("%v", errs[0])
	}
	if errs[1] != nil || !errors.Is(errs[2], errPrefixLen) || errs[3] != nil {
		t.Errorf("%v", errs)
	}
	must(t, c, func(b *Batch) {
		for _, r := range []int{5, 4, 3, 2, 1, 0} {
			b.DelRoute(want[r])
		}
	})
	if r, err := c.Routes(unix.AF_INET, 254, 1000); err != nil || len(r) != 0 {
		t.Errorf("left: %+v %v", r, err)
	}

	n := Neigh{Index: v0, IP: ip("192.0.2.1"), HW: []byte{2, 0, 0, 0, 0, 1}}
	must(t, c, func(b *Batch) { b.AddNeigh(n) })
	n.State = unix.NUD_PERMANENT
	for _, index := range []int{0, v0} {
		ns, err := c.Neighs(index, unix.AF_INET)
		if err != nil || len(ns) != 1 || !ns[0].Equal(&n) {
			t.Errorf("%+v %v", ns, err)
		}
	}
	must(t, c, func(b *Batch) { b.DelNeigh(n) })

	r := Rule{
		Family: unix.AF_INET, Priority: 500, Table: 1000, From: pfx("192.0.2.7/32"), To: pfx("203.0.113.0/24"),
		In: "v0", Mark: 3, Mask: 7, Proto: ProtoDHCP, Action: unix.FR_ACT_TO_TBL, Invert: true,
	}
	must(t, c, func(b *Batch) { b.AddRule(r) })
	rules, err := c.Rules(unix.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, g := range rules {
		found = found || g == r
	}
	if !found || len(rules) != 4 {
		t.Errorf("%+v", rules)
	}
	must(t, c, func(b *Batch) { b.DelRule(r) })
	if rules, err = c.Rules(unix.AF_UNSPEC); err != nil || len(rules) < 3 {
		t.Errorf("%+v %v", rules, err)
	}
}

// A batch larger than what is sent at once is answered completely.
func TestLargeBatch(t *testing.T) {
	privateNet(t)
	c := dial(t)
	v0, _ := vethPair(t, c)
	const n = 1000
	var b Batch
	for i := range n {
		b.AddAddr(Addr{Index: v0, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 250), byte(i%250 + 1)}), 32)}, false)
	}
	for round, want := range []error{nil, unix.EEXIST} {
		for i, err := range c.Do(&b) {
			if !errors.Is(err, want) {
				t.Fatalf("round %d, message %d: %v, want %v", round, i, err, want)
			}
		}
	}
	if a, err := c.Addrs(v0, unix.AF_INET); err != nil || len(a) != n {
		t.Errorf("%d addresses, %v", len(a), err)
	}
	b.Reset()
	if errs := c.Do(&b); len(errs) != 0 {
		t.Error(errs)
	}
}
