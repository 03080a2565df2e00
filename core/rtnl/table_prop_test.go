package rtnl

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func genWorld(t *rapid.T, name string) (links []Link, addrs []Addr, routes []Route) {
	seen := map[any]bool{}
	fresh := func(key any) bool {
		was := seen[key]
		seen[key] = true
		return !was
	}
	n := rapid.IntRange(0, 5)
	for range n.Draw(t, name+" links") {
		l := Link{Index: n.Draw(t, "index") + 1, Flags: unix.IFF_UP, MTU: 1500 + n.Draw(t, "mtu"), HW: []byte{byte(n.Draw(t, "hw"))}}
		if fresh(l.Index) {
			links = append(links, l)
		}
	}
	for range n.Draw(t, name+" addresses") {
		a := Addr{
			Index: n.Draw(t, "index") + 1, Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(n.Draw(t, "host"))}), 24),
			Preferred: uint32(n.Draw(t, "preferred")), Updated: uint32(n.Draw(t, "updated") / 3),
		}
		if fresh(addrKey{a.Index, a.Prefix, a.Peer}) {
			addrs = append(addrs, a)
		}
	}
	for range n.Draw(t, name+" routes") {
		r := Route{
			Index: n.Draw(t, "index") + 1, Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n.Draw(t, "net"))}), 16),
			Proto: uint8(n.Draw(t, "proto")),
		}
		if fresh(keyOfRoute(&r)) {
			routes = append(routes, r)
		}
	}
	return links, addrs, routes
}

// However a table differs from a dump, after Replace it says what the dump says,
// has reported each difference once, and has nothing more to report.
func TestReplace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const what = WithLinks | WithAddrs4 | WithRoutes4
		table, model := NewTable(what), NewTable(what)
		l, a, r := genWorld(t, "old")
		table.Replace(l, a, r, nil, nil, nil)
		model.Replace(l, a, r, nil, nil, nil)
		l, a, r = genWorld(t, "new")
		once := map[any]bool{}
		table.Replace(l, a, r, nil, nil, func(ev Event) {
			key := any(ev.Link.Index)
			changed := true
			switch ev.Kind {
			case LinkNew:
				changed = model.links.put(ev.Link)
			case LinkDel:
				changed = model.links.drop(&ev.Link)
			case AddrNew:
				key, changed = addrKey{ev.Addr.Index, ev.Addr.Prefix, ev.Addr.Peer}, model.addrs.put(ev.Addr)
			case AddrDel:
				key, changed = addrKey{ev.Addr.Index, ev.Addr.Prefix, ev.Addr.Peer}, model.addrs.drop(&ev.Addr)
			case RouteNew:
				key, changed = keyOfRoute(&ev.Route), model.routes.put(ev.Route)
			case RouteDel:
				key, changed = keyOfRoute(&ev.Route), model.routes.drop(&ev.Route)
			}
			if !changed || once[key] {
				t.Fatalf("%v reported twice or for nothing: %+v", ev.Kind, ev)
			}
			once[key] = true
		})
		if d := cmp.Diff(table.Links(), model.Links()) + cmp.Diff(table.Addrs(0), model.Addrs(0), equalIP) +
			cmp.Diff(table.Routes(0), model.Routes(0), equalIP); d != "" {
			t.Fatalf("the reported differences are not all: %s", d)
		}
		if len(table.Links()) != len(l) || len(table.Addrs(0)) != len(a) || len(table.Routes(0)) != len(r) {
			t.Fatal("not what the dump says")
		}
		table.Replace(l, a, r, nil, nil, func(ev Event) { t.Fatalf("%v once more: %+v", ev.Kind, ev) })
	})
}

func TestApplyTwice(t *testing.T) {
	table := NewTable(WithLinks | WithAddrs4)
	n := 0
	count := func(Event) { n++ }
	link := Event{Kind: LinkNew, Link: Link{Index: 3, Name: "eth0"}}
	route := Event{Kind: RouteNew, Route: Route{Dst: netip.MustParsePrefix("10.0.0.0/8")}}
	six := Event{Kind: AddrNew, Addr: Addr{Index: 3, Prefix: netip.MustParsePrefix("2001:db8::1/64")}}
	unknown := Event{Kind: LinkInet6, Link: Link{Index: 4}}
	for _, ev := range []Event{link, link, route, six, unknown, {Kind: Overrun}} {
		table.Apply(ev, count)
	}
	if n != 1 || len(table.Routes(0)) != 0 || len(table.Addrs(0)) != 0 || len(table.Links()) != 1 {
		t.Errorf("%d events, want 1", n)
	}
	link.Kind = LinkDel
	table.Apply(link, nil)
	if _, ok := table.LinkByName("eth0"); ok {
		t.Error("still there")
	}
}
