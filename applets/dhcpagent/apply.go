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
	addr    rtnl.Addr // Prefix invalid: none
	routes  []rtnl.Route
	standby bool // address taken over from an agent that died
}

// configure makes the kernel, the resolver and the MTU carry exactly n, nil
// for nothing. What is wanted is asserted anew, what is not wanted any more is
// deleted afterwards: there is no moment without the address or a route.
func (c *client) configure(n *dhcp4.NetConfig) error {
	c.net = n
	var b rtnl.Batch
	var want installed
	if n != nil {
		want = c.desired(n)
	}
	fatal := c.addWanted(&b, &want)
	asked := want.routes
	c.deleteUnwanted(&b, &want)
	var failed error
	for i, err := range c.a.conn.Do(&b) {
		switch {
		case err == nil:
		case i < fatal:
			failed = err
		case i-fatal < len(asked):
			c.routeFailed(&want, asked[i-fatal], err)
		default:
			c.deleteFailed(err)
		}
	}
	if failed != nil {
		return fmt.Errorf("configure %s: %w", want.addr.Prefix, failed)
	}
	c.logRoutes(want.routes)
	c.inst = want
	c.a.ownAddress(c)
	c.pif.applyMTU()
	c.a.resolverChanged(c)
	return nil
}

// logRoutes logs the routes that are new and lead elsewhere than to everywhere:
// a server on a hostile network can use them to draw traffic out of a tunnel,
// and whoever looks for the reason has to find it.
func (c *client) logRoutes(routes []rtnl.Route) {
	for _, r := range routes {
		if r.Dst.Bits() == 0 || r.Dst == c.net.Addr.Masked() ||
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
		Label:     c.label(),
		Proto:     protoDHCP,
		Preferred: pref,
		Valid:     valid,
	}}
	metric := s.metric
	if s.explicitMetric {
		w.addr.Flags |= unix.IFA_F_NOPREFIXROUTE
		w.routes = append(w.routes, c.route(n, dhcp4.Route{Dst: n.Addr.Masked()}, metric, s.table))
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

// label is the address label: the logical name where it is not the link's.
func (c *client) label() string { return c.name }

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

// addWanted queues the address and the routes and returns how many messages
// must succeed.
func (c *client) addWanted(b *rtnl.Batch, w *installed) (fatal int) {
	if !w.addr.Prefix.IsValid() {
		return 0
	}
	b.AddAddr(w.addr, true)
	for _, r := range w.routes {
		b.AddRoute(r, c.ownsRouteKey(r))
	}
	return 1
}

// ownsRouteKey reports whether the route may take the place of another one of
// the same destination and metric: only if that one is ours.
func (c *client) ownsRouteKey(r rtnl.Route) bool {
	return slices.ContainsFunc(c.inst.routes, func(x rtnl.Route) bool { return sameRouteKey(x, r) })
}

func sameRouteKey(x, y rtnl.Route) bool {
	return x.Dst == y.Dst && x.Metric == y.Metric && x.Table == y.Table
}

// deleteUnwanted queues the removal of what stands and is not wanted, routes
// before the address they need.
func (c *client) deleteUnwanted(b *rtnl.Batch, w *installed) {
	for i := len(c.inst.routes) - 1; i >= 0; i-- {
		r := c.inst.routes[i]
		if !slices.ContainsFunc(w.routes, func(x rtnl.Route) bool { return sameRouteKey(x, r) }) {
			b.DelRoute(r)
		}
	}
	if old := c.inst.addr; old.Prefix.IsValid() && old.Prefix != w.addr.Prefix {
		b.DelAddr(old)
	}
}

// routeFailed handles a route the kernel did not take: the lease stands
// without it.
func (c *client) routeFailed(w *installed, r rtnl.Route, err error) {
	w.routes = slices.DeleteFunc(slices.Clone(w.routes), func(x rtnl.Route) bool { return sameRouteKey(x, r) })
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
