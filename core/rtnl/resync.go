package rtnl

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Resync reads from the kernel all that the table holds and calls fn for each
// difference, as if its event had come: deletions from the outside in (rules,
// routes, neighbours, addresses, links), then what is new or changed from the
// inside out. The first call fills the table. fn may be nil. When it fails the
// table is as before.
//
// Call it once after Watch, so that nothing falls between, and after every
// Overrun.
func (t *Table) Resync(c *Conn, fn func(Event)) error {
	var d dumped
	if err := d.read(c, t.what); err != nil {
		return err
	}
	t.Replace(d.links, d.addrs, d.routes, d.neighs, d.rules, fn)
	return nil
}

// dumped is what the kernel has now.
type dumped struct {
	links  []Link
	addrs  []Addr
	routes []Route
	neighs []Neigh
	rules  []Rule
}

func (d *dumped) read(c *Conn, what uint) (err error) {
	if what&WithLinks != 0 {
		if d.links, err = c.Links(); err != nil {
			return err
		}
	}
	if f, ok := families(what, WithAddrs4, WithAddrs6); ok {
		if d.addrs, err = c.Addrs(0, f); err != nil {
			return err
		}
	}
	if f, ok := families(what, WithRoutes4, WithRoutes6); ok {
		if d.routes, err = c.Routes(f); err != nil {
			return err
		}
	}
	if what&WithNeighs != 0 {
		if d.neighs, err = c.Neighs(0, unix.AF_UNSPEC); err != nil {
			return err
		}
		// Multicast addresses need no resolution and have no events.
		d.neighs = slices.DeleteFunc(d.neighs, func(n Neigh) bool { return n.State == unix.NUD_NOARP })
	}
	if what&WithRules != 0 {
		d.rules, err = c.Rules(unix.AF_UNSPEC)
	}
	return err
}

// families tells which family to dump for two bits of what, if any.
func families(what, with4, with6 uint) (uint8, bool) {
	switch what & (with4 | with6) {
	case with4:
		return unix.AF_INET, true
	case with6:
		return unix.AF_INET6, true
	}
	return unix.AF_UNSPEC, what&(with4|with6) != 0
}

// Replace is Resync with a dump that the caller has made.
func (t *Table) Replace(links []Link, addrs []Addr, routes []Route, neighs []Neigh, rules []Rule, fn func(Event)) {
	if fn == nil {
		fn = func(Event) {}
	}
	gone(&t.rules, rules, compareRules, func(r Rule) { fn(Event{Kind: RuleDel, Rule: r}) })
	gone(&t.routes, routes, compareRoutes, func(r Route) { fn(Event{Kind: RouteDel, Route: r}) })
	gone(&t.neighs, neighs, compareNeighs, func(n Neigh) { fn(Event{Kind: NeighDel, Neigh: n}) })
	gone(&t.addrs, addrs, compareAddrs, func(a Addr) { fn(Event{Kind: AddrDel, Addr: a}) })
	gone(&t.links, links, compareLinks, func(l Link) { fn(Event{Kind: LinkDel, Link: l}) })
	for _, l := range links {
		if t.links.put(l) {
			fn(Event{Kind: LinkNew, Link: l})
		}
	}
	for _, a := range addrs {
		if t.addrs.put(a) {
			fn(Event{Kind: AddrNew, Addr: a})
		}
	}
	for _, n := range neighs {
		if t.neighs.put(n) {
			fn(Event{Kind: NeighNew, Neigh: n})
		}
	}
	for _, r := range routes {
		if t.routes.put(r) {
			fn(Event{Kind: RouteNew, Route: r})
		}
	}
	for _, r := range rules {
		if t.rules.put(r) {
			fn(Event{Kind: RuleNew, Rule: r})
		}
	}
}

// gone removes the members that now does not have and reports each.
func gone[K comparable, V any](s *set[K, V], now []V, order func(a, b V) int, report func(V)) {
	keep := make(map[K]struct{}, len(now))
	for i := range now {
		keep[s.key(&now[i])] = struct{}{}
	}
	for _, v := range s.list(func(v *V) bool { _, ok := keep[s.key(v)]; return !ok }, order) {
		delete(s.m, s.key(&v))
		report(v)
	}
}
