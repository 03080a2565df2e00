package rtnl

import (
	"cmp"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// What a Table holds, to be or-ed. Subscribe a Watcher to the groups that belong.
const (
	WithLinks = 1 << iota
	WithAddrs4
	WithAddrs6
	WithRoutes4
	WithRoutes6
	WithNeighs
	WithRules
)

// Table is a copy of what the kernel has. Resync fills and repairs it, Apply
// keeps it up to date; both report what became different. It belongs to one
// goroutine.
type Table struct {
	what   uint
	links  set[int, Link]
	addrs  set[addrKey, Addr]
	routes set[routeKey, Route]
	neighs set[neighKey, Neigh]
	rules  set[Rule, Rule]
}

type addrKey struct {
	index  int
	prefix netip.Prefix
	peer   netip.Addr
}

// routeKey is what makes a route another one. IPv4 allows several with equal
// destination, metric and table that differ in their next hop.
type routeKey struct {
	dst           netip.Prefix
	table, metric uint32
	index         int
	gateway       netip.Addr
	tos           uint8
	multipath     bool
}

type neighKey struct {
	index int
	ip    netip.Addr
}

// NewTable makes an empty table for some of WithLinks and so on.
func NewTable(what uint) *Table {
	t := &Table{what: what}
	t.links = newSet(func(l *Link) int { return l.Index }, (*Link).Equal)
	t.addrs = newSet(func(a *Addr) addrKey {
		return addrKey{a.Index, a.Prefix, a.Peer}
	}, (*Addr).same)
	t.routes = newSet(keyOfRoute, func(a, b *Route) bool { return *a == *b })
	t.neighs = newSet(func(n *Neigh) neighKey { return neighKey{n.Index, n.IP} }, (*Neigh).Equal)
	t.rules = newSet(func(r *Rule) Rule { return *r }, func(a, b *Rule) bool { return *a == *b })
	return t
}

func keyOfRoute(r *Route) routeKey {
	k := routeKey{dst: r.Dst, table: r.Table, metric: r.Metric, tos: r.TOS}
	if r.Multipath > 0 {
		k.multipath = true
	} else {
		k.index, k.gateway = r.Index, r.Gateway
	}
	return k
}

// set is one kind of objects.
type set[K comparable, V any] struct {
	m    map[K]V
	key  func(*V) K
	same func(a, b *V) bool
}

func newSet[K comparable, V any](key func(*V) K, same func(a, b *V) bool) set[K, V] {
	return set[K, V]{m: map[K]V{}, key: key, same: same}
}

// put stores v and reports whether that changed anything.
func (s *set[K, V]) put(v V) bool {
	k := s.key(&v)
	if old, ok := s.m[k]; ok && s.same(&old, &v) {
		return false
	}
	s.m[k] = v
	return true
}

// drop removes what has the key of v and reports whether it was there.
func (s *set[K, V]) drop(v *V) bool {
	k := s.key(v)
	if _, ok := s.m[k]; !ok {
		return false
	}
	delete(s.m, k)
	return true
}

// list returns the members that match, in an order that does not vary.
func (s *set[K, V]) list(match func(*V) bool, order func(a, b V) int) []V {
	var out []V
	for _, v := range s.m {
		if match(&v) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, order)
	return out
}

// Link returns a link by index.
func (t *Table) Link(index int) (Link, bool) {
	l, ok := t.links.m[index]
	return l, ok
}

// LinkByName returns a link by its name of the moment.
func (t *Table) LinkByName(name string) (Link, bool) {
	for _, l := range t.links.m {
		if l.Name == name {
			return l, true
		}
	}
	return Link{}, false
}

// Links returns all links by index.
func (t *Table) Links() []Link {
	return t.links.list(func(*Link) bool { return true }, compareLinks)
}

// LocalHW reports whether a hardware address belongs to a link of this host.
func (t *Table) LocalHW(hw []byte) bool {
	for _, l := range t.links.m {
		if len(hw) > 0 && string(l.HW) == string(hw) {
			return true
		}
	}
	return false
}

// Addrs returns the addresses of a link, or of all with index 0.
func (t *Table) Addrs(index int) []Addr {
	return t.addrs.list(func(a *Addr) bool { return index == 0 || a.Index == index }, compareAddrs)
}

// Routes returns the routes over a link, or all with index 0.
func (t *Table) Routes(index int) []Route {
	return t.routes.list(func(r *Route) bool { return index == 0 || r.Index == index }, compareRoutes)
}

// Neighs returns the neighbours on a link, or all with index 0.
func (t *Table) Neighs(index int) []Neigh {
	return t.neighs.list(func(n *Neigh) bool { return index == 0 || n.Index == index }, compareNeighs)
}

// Rules returns all rules by priority.
func (t *Table) Rules() []Rule {
	return t.rules.list(func(*Rule) bool { return true }, compareRules)
}

func compareLinks(a, b Link) int { return cmp.Compare(a.Index, b.Index) }

func compareAddrs(a, b Addr) int {
	return cmp.Or(cmp.Compare(a.Index, b.Index), a.Prefix.Addr().Compare(b.Prefix.Addr()),
		cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()), a.Peer.Compare(b.Peer))
}

func compareRoutes(a, b Route) int {
	return cmp.Or(cmp.Compare(a.Table, b.Table), a.Dst.Addr().Compare(b.Dst.Addr()),
		cmp.Compare(a.Dst.Bits(), b.Dst.Bits()), cmp.Compare(a.Metric, b.Metric),
		cmp.Compare(a.Index, b.Index), a.Gateway.Compare(b.Gateway), cmp.Compare(a.TOS, b.TOS),
		cmp.Compare(a.Multipath, b.Multipath))
}

func compareNeighs(a, b Neigh) int {
	return cmp.Or(cmp.Compare(a.Index, b.Index), a.IP.Compare(b.IP))
}

func compareRules(a, b Rule) int {
	return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Priority, b.Priority),
		cmp.Compare(a.Table, b.Table), a.From.Addr().Compare(b.From.Addr()),
		a.To.Addr().Compare(b.To.Addr()), cmp.Compare(a.Mark, b.Mark),
		cmp.Compare(a.In, b.In), cmp.Compare(a.Out, b.Out))
}

// Apply takes in an event of a Watcher and calls fn for each difference that it
// makes: none when the table said so already, several when the kernel does more
// than it tells. fn may be nil. An Overrun is the caller's to answer with
// Resync.
//
// IPv4 routes vanish without an event when their link goes down or away, when
// the last address of the link is deleted, and when the address they name as
// preferred source is; Apply reports their deletion.
func (t *Table) Apply(ev Event, fn func(Event)) {
	if fn == nil {
		fn = func(Event) {}
	}
	switch ev.Kind {
	case LinkNew, LinkDel, LinkInet6:
		if t.what&WithLinks != 0 {
			t.applyLink(ev, fn)
		}
		t.routesOfLink(ev, fn)
	case AddrNew, AddrDel:
		if t.holds(ev.Addr.Prefix.Addr(), WithAddrs4, WithAddrs6) {
			t.applyAddr(ev, fn)
		}
	case RouteNew, RouteDel:
		if t.holds(ev.Route.Dst.Addr(), WithRoutes4, WithRoutes6) {
			t.applyRoute(ev, fn)
		}
	case NeighNew, NeighDel:
		if t.what&WithNeighs != 0 && change(&t.neighs, ev.Neigh, ev.Kind == NeighNew) {
			fn(ev)
		}
	case RuleNew, RuleDel:
		if t.what&WithRules != 0 && change(&t.rules, ev.Rule, ev.Kind == RuleNew) {
			fn(ev)
		}
	}
}

func (t *Table) holds(a netip.Addr, with4, with6 uint) bool {
	if a.Is4() {
		return t.what&with4 != 0
	}
	return t.what&with6 != 0
}

func change[K comparable, V any](s *set[K, V], v V, put bool) bool {
	if put {
		return s.put(v)
	}
	return s.drop(&v)
}

func (t *Table) applyLink(ev Event, fn func(Event)) {
	switch ev.Kind {
	case LinkInet6:
		l, ok := t.links.m[ev.Link.Index]
		if !ok {
			return
		}
		l.Inet6Flags, l.HasInet6 = ev.Link.Inet6Flags, ev.Link.HasInet6
		if t.links.put(l) {
			ev.Link = l
			fn(ev)
		}
	case LinkNew:
		if t.links.put(ev.Link) {
			fn(ev)
		}
	case LinkDel:
		if t.links.drop(&ev.Link) {
			fn(ev)
		}
	}
}

func (t *Table) applyAddr(ev Event, fn func(Event)) {
	if !change(&t.addrs, ev.Addr, ev.Kind == AddrNew) {
		return
	}
	fn(ev)
	a := ev.Addr
	if ev.Kind == AddrNew || !a.Prefix.Addr().Is4() {
		return
	}
	last := true
	for k := range t.addrs.m {
		if k.index == a.Index && k.prefix.Addr().Is4() {
			last = false
		}
	}
	t.dropRoutes(func(r *Route) bool {
		return r.Dst.Addr().Is4() &&
			r.Index == a.Index && (r.PrefSrc == a.Prefix.Addr() || last && r.Scope != unix.RT_SCOPE_HOST)
	}, fn)
}

// routesOfLink forgets the IPv4 routes of a link that is down or gone. Those to
// the host's own addresses outlive the former.
func (t *Table) routesOfLink(ev Event, fn func(Event)) {
	if ev.Kind == LinkInet6 || ev.Kind == LinkNew && ev.Link.Flags&unix.IFF_UP != 0 {
		return
	}
	t.dropRoutes(func(r *Route) bool {
		return r.Index == ev.Link.Index && r.Dst.Addr().Is4() && r.Multipath == 0 &&
			(ev.Kind == LinkDel || r.Scope != unix.RT_SCOPE_HOST)
	}, fn)
}

func (t *Table) applyRoute(ev Event, fn func(Event)) {
	if ev.Kind == RouteDel {
		if t.routes.drop(&ev.Route) {
			fn(ev)
		}
		return
	}
	if ev.Replace || ev.Route.Multipath > 0 {
		n := &ev.Route
		key := keyOfRoute(n)
		t.dropRoutes(func(r *Route) bool {
			return r.Dst == n.Dst && r.Metric == n.Metric && r.Table == n.Table &&
				r.TOS == n.TOS && keyOfRoute(r) != key
		}, fn)
	}
	if t.routes.put(ev.Route) {
		fn(ev)
	}
}

func (t *Table) dropRoutes(match func(*Route) bool, fn func(Event)) {
	if len(t.routes.m) == 0 {
		return
	}
	for _, r := range t.routes.list(match, compareRoutes) {
		t.routes.drop(&r)
		fn(Event{Kind: RouteDel, Route: r})
	}
}
