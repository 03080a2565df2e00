package dhcpagent

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/rtnl"
	"daemonbox/core/timer"
)

// protoDHCP marks addresses (IFA_PROTO) and routes (RTPROT_DHCP) as ours.
const protoDHCP = unix.RTPROT_DHCP

// graceSeconds is how much longer than the lease the kernel keeps the address:
// the agent's own expiry comes first, and if the agent is dead the address is
// gone no more than two seconds late: the rounding up adds less than one.
const graceSeconds = 1

// installed is what a client has put into the kernel.
type installed struct {
	addr   rtnl.Addr // Prefix invalid: none
	routes []rtnl.Route
}

// configure makes the kernel, the resolver and the MTU carry exactly n, nil
// for nothing. What is wanted is asserted anew, what is not wanted any more is
// deleted afterwards: there is no moment without the address or a route, and
// where the kernel refuses the address all stays as it was.
func (c *client) configure(n *dhcp4.NetConfig) error {
	var want installed
	if n != nil {
		want = c.desired(n)
		if err := c.install(&want); err != nil {
			return err
		}
		c.logRoutes(n, want.routes)
	}
	c.net = n
	c.deleteUnwanted(&want)
	c.inst = want
	c.a.ownAddress(c)
	c.pif.applyMTU()
	c.a.resolverChanged(c)
	return nil
}

// logRoutes logs the routes that are new and lead elsewhere than to everywhere:
// a server on a hostile network can use them to draw traffic out of a tunnel,
// and whoever looks for the reason has to find it.
func (c *client) logRoutes(n *dhcp4.NetConfig, routes []rtnl.Route) {
	for _, r := range routes {
		if r.Dst.Bits() == 0 || r.Dst == n.Addr.Masked() ||
			slices.ContainsFunc(c.inst.routes, func(x rtnl.Route) bool { return sameRouteKey(x, r) }) {
			continue
		}
		c.log.Info("route of the lease installed", "route", r.Dst, "gateway", r.Gateway)
	}
}

// desired translates a lease into kernel objects.
func (c *client) desired(n *dhcp4.NetConfig) installed {
	pref, valid := lifetimes(c.a.loop.Now(), n.Expires)
	s := c.a.routing(c)
	w := installed{addr: rtnl.Addr{
		Index:     c.pif.index,
		Prefix:    n.Addr,
		Broadcast: n.Broadcast,
		Label:     c.name,
		Proto:     protoDHCP,
		Preferred: pref,
		Valid:     valid,
	}}
	metric := s.metric
	if s.explicitMetric {
		w.addr.Flags |= unix.IFA_F_NOPREFIXROUTE
		if !n.Addr.IsSingleIP() {
			w.routes = append(w.routes, c.route(n, dhcp4.Route{Dst: n.Addr.Masked()}, metric, s.table))
		}
	}
	var last netip.Prefix
	extra := uint32(0)
	for _, r := range n.Routes {
		// The kernel holds one route for a destination and metric: further
		// routers of the same destination come after it by metric.
		if r.Dst == last {
			extra++
		} else {
			extra = 0
		}
		last = r.Dst
		w.routes = append(w.routes, c.route(n, r, metric+extra, s.table))
	}
	return w
}

func (c *client) route(n *dhcp4.NetConfig, r dhcp4.Route, metric, table uint32) rtnl.Route {
	x := rtnl.Route{
		Dst:     r.Dst,
		Gateway: r.Gateway,
		PrefSrc: n.Addr.Addr(),
		Index:   c.pif.index,
		Metric:  metric,
		Table:   table,
		Proto:   protoDHCP,
		Scope:   unix.RT_SCOPE_UNIVERSE,
		Type:    unix.RTN_UNICAST,
		MTU:     uint32(n.RouteMTU),
	}
	if !r.Gateway.IsValid() {
		x.Scope = unix.RT_SCOPE_LINK
	}
	return x
}

// lifetimes gives the kernel's lifetimes for a lease that ends at t.
func lifetimes(now, t timer.Time) (preferred, valid uint32) {
	if t == timer.Never {
		return math.MaxUint32, math.MaxUint32
	}
	left := max(t.Sub(now), 0)
	s := int64((left + time.Second - 1) / time.Second)
	// The kernel takes everything from 0xffffffff on as infinite.
	s = min(s, math.MaxUint32-1-graceSeconds)
	return uint32(s), uint32(s) + graceSeconds
}

// install gives the kernel the address and the routes. What it did not take of
// the routes is left out of w.
func (c *client) install(w *installed) error {
	var b rtnl.Batch
	b.AddAddr(w.addr, true)
	for _, r := range w.routes {
		b.AddRoute(r, c.ownsRouteKey(r))
	}
	errs := c.a.conn.Do(&b)
	if errs[0] != nil {
		return fmt.Errorf("configure %s: %w", w.addr.Prefix, errs[0])
	}
	asked := w.routes
	w.routes = nil
	for i, err := range errs[1:] {
		if err != nil {
			c.routeFailed(asked[i], err)
			continue
		}
		w.routes = append(w.routes, asked[i])
	}
	return nil
}

// ownsRouteKey reports whether the route may take the place of another one of
// the same destination and metric: only if that one is ours.
func (c *client) ownsRouteKey(r rtnl.Route) bool {
	return slices.ContainsFunc(c.inst.routes, func(x rtnl.Route) bool { return sameRouteKey(x, r) })
}

func sameRouteKey(x, y rtnl.Route) bool {
	return x.Dst == y.Dst && x.Metric == y.Metric && x.Table == y.Table
}

// deleteUnwanted removes what stands and is not wanted, routes before the
// address they need.
func (c *client) deleteUnwanted(w *installed) {
	var b rtnl.Batch
	for i := len(c.inst.routes) - 1; i >= 0; i-- {
		r := c.inst.routes[i]
		if !slices.ContainsFunc(w.routes, func(x rtnl.Route) bool { return sameRouteKey(x, r) }) {
			b.DelRoute(r)
		}
	}
	old := c.inst.addr
	gone := old.Prefix.IsValid() && old.Prefix != w.addr.Prefix
	if gone {
		b.DelAddr(old)
	}
	var others []rtnl.Addr
	if gone {
		others = c.secondaries(old)
	}
	c.delete(&b, others)
}

// delete carries out removals. Of others, addresses that are to stay, those
// come back that the kernel deletes as a side effect.
func (c *client) delete(b *rtnl.Batch, others []rtnl.Addr) {
	if b.Len() == 0 {
		return
	}
	for _, err := range c.a.conn.Do(b) {
		if err != nil {
			c.deleteFailed(err)
		}
	}
	if len(others) > 0 {
		c.restore(others)
	}
}

// secondaries returns the other addresses of the link in the subnet of old.
// Unless promote_secondaries is set, the kernel deletes them with it.
func (c *client) secondaries(old rtnl.Addr) []rtnl.Addr {
	addrs, err := c.a.conn.Addrs(old.Index, unix.AF_INET)
	if err != nil {
		return nil // the link is gone, or the next step will tell
	}
	return slices.DeleteFunc(addrs, func(ad rtnl.Addr) bool {
		return ad.Prefix == old.Prefix || ad.Prefix.Masked() != old.Prefix.Masked() || ad.Flags&unix.IFA_F_SECONDARY == 0
	})
}

// restore adds addresses anew that the kernel deleted as a side effect, and the
// routes of those that are other clients'.
func (c *client) restore(before []rtnl.Addr) {
	now, err := c.a.conn.Addrs(c.pif.index, unix.AF_INET)
	if err != nil {
		return
	}
	var b rtnl.Batch
	for _, ad := range before {
		if !slices.ContainsFunc(now, func(x rtnl.Addr) bool { return x.Prefix == ad.Prefix }) {
			ad.Flags &^= unix.IFA_F_SECONDARY
			b.AddAddr(ad, false)
		}
	}
	if b.Len() == 0 {
		return
	}
	for _, err := range c.a.conn.Do(&b) {
		if err != nil {
			c.log.Warn("cannot restore an address that the kernel deleted with ours", "err", err)
		}
	}
	for _, x := range c.pif.clients {
		if x != c && x.net != nil {
			if err := x.configure(x.net); err != nil {
				x.log.Warn("cannot restore the routes", "err", err)
			}
		}
	}
}

// routeFailed handles a route the kernel did not take: the lease stands
// without it.
func (c *client) routeFailed(r rtnl.Route, err error) {
	if errors.Is(err, unix.EEXIST) {
		return // somebody else's route for the destination and metric serves; it is not ours to remove
	}
	if errors.Is(err, unix.ENETDOWN) {
		return // the link just went down; routes come back with it
	}
	c.log.Warn("cannot install a route", "route", r.Dst, "gateway", r.Gateway, "err", err)
}

// deleteFailed handles a removal the kernel refused; that the object is gone
// already is what was wanted.
func (c *client) deleteFailed(err error) {
	for _, gone := range []error{unix.ESRCH, unix.EADDRNOTAVAIL, unix.ENODEV, unix.ENOENT, unix.ENETUNREACH} {
		if errors.Is(err, gone) {
			return
		}
	}
	c.log.Warn("cannot remove a route or address", "err", err)
}
