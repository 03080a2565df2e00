package dhcp4

import (
	"net/netip"
	"slices"
)

// maxRoutes bounds the routes taken from one option. Each may need a host
// route to its gateway on top.
const maxRoutes = 64

// routeError says why a route was left out.
type routeError string

const (
	routeGateway  routeError = "unusable gateway"
	routeDst      routeError = "unusable destination"
	routeDenied   routeError = "denied by configuration"
	routeAlias    routeError = "no default routes on an additional interface"
	routeTooMany  routeError = "too many routes"
	routeBadValue routeError = "malformed value"
)

// parseClassless decodes options 121 and 249 (RFC 3442): {width 0..32, the
// significant octets of the destination, router}. Router 0.0.0.0 means on-link,
// host bits in the destination are cleared. One bad entry spoils the value: what
// follows it has no known beginning.
func parseClassless(v []byte) ([]Route, bool) {
	var list []Route
	for len(v) > 0 {
		width := int(v[0])
		n := (width + 7) / 8
		if width > 32 || len(v) < 1+n+4 {
			return nil, false
		}
		var dst [4]byte
		copy(dst[:], v[1:1+n])
		r := Route{Dst: netip.PrefixFrom(netip.AddrFrom4(dst), width).Masked()}
		if gw := [4]byte(v[1+n:]); gw != [4]byte{} {
			r.Gateway = netip.AddrFrom4(gw)
		}
		// The rest is read on past the limit, so that a malformed end is seen.
		if len(list) <= maxRoutes {
			list = append(list, r)
		}
		v = v[1+n+4:]
	}
	return list, true
}

// parseStatic decodes option 33 (RFC 2132 §5.8): pairs of destination and
// router; an incomplete last pair is cut off. The destination has the mask of
// its class, or is a host where bits beyond that are set.
func parseStatic(v []byte) []Route {
	var list []Route
	for ; len(v) >= 8 && len(list) <= maxRoutes; v = v[8:] {
		dst := netip.AddrFrom4([4]byte(v))
		p := netip.PrefixFrom(dst, classBits(dst))
		if p.Masked().Addr() != dst {
			p = netip.PrefixFrom(dst, 32)
		}
		list = append(list, Route{Dst: p, Gateway: netip.AddrFrom4([4]byte(v[4:]))})
	}
	return list
}

// parseRouters makes a default route of each address of option 3
// (RFC 2132 §3.5), false where the length is no multiple of four.
func parseRouters(v []byte) ([]Route, bool) {
	if len(v) == 0 || len(v)%4 != 0 {
		return nil, false
	}
	var list []Route
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	for ; len(v) > 0 && len(list) <= maxRoutes; v = v[4:] {
		list = append(list, Route{Dst: all, Gateway: netip.AddrFrom4([4]byte(v))})
	}
	return list, true
}

// classBits is the prefix length that was meant before there were masks
// (RFC 791 §3.2).
func classBits(a netip.Addr) int {
	switch b := a.As4()[0]; {
	case b < 128:
		return 8
	case b < 192:
		return 16
	}
	return 24
}

// routePlan turns the routes of a message into those to install.
type routePlan struct {
	cfg    *Config
	subnet netip.Prefix // own address and prefix length
	routes []Route
	reject func(Route, routeError)
}

// add takes the acceptable ones of list.
func (p *routePlan) add(list []Route) {
	for i, r := range list {
		if i == maxRoutes {
			p.reject(r, routeTooMany)
			return
		}
		if r.Dst == p.subnet.Masked() && !r.Gateway.IsValid() || slices.Contains(p.routes, r) {
			continue // the kernel makes the subnet's route by itself
		}
		if why := p.check(r); why != "" {
			p.reject(r, why)
			continue
		}
		p.routes = append(p.routes, r)
	}
}

// check returns why r may not be installed, "" if it may.
func (p *routePlan) check(r Route) routeError {
	isDefault := r.Dst.Bits() == 0
	switch {
	case isDefault && p.cfg.Alias:
		return routeAlias
	case p.cfg.RouteAllow == RoutesNone, p.cfg.RouteAllow == RoutesDefaultOnly && !isDefault, p.denied(r.Dst):
		return routeDenied
	case r.Dst.Bits() >= 8 && r.Dst.Addr().As4()[0] == 127,
		r.Dst.Bits() == 32 && r.Dst.Addr() == p.subnet.Addr():
		return routeDst
	}
	if !r.Gateway.IsValid() {
		return ""
	}
	switch {
	case !ValidAddr(r.Gateway, p.cfg.Allow240), r.Gateway == p.subnet.Addr(), p.edge(r.Gateway):
		return routeGateway
	case !p.subnet.Contains(r.Gateway) && p.denied(netip.PrefixFrom(r.Gateway, 32)):
		return routeDenied
	}
	return ""
}

// denied reports whether a destination meets a prefix that servers may not
// route. A default route meets every prefix, so that it is denied only by name.
func (p *routePlan) denied(dst netip.Prefix) bool {
	for _, d := range p.cfg.RouteDeny {
		if d.Bits() == 0 || dst.Bits() > 0 && d.Overlaps(dst) {
			return true
		}
	}
	return false
}

// edge reports whether a is the network or broadcast address of the subnet.
func (p *routePlan) edge(a netip.Addr) bool {
	return p.subnet.Bits() < 31 && (a == p.subnet.Masked().Addr() || a == lastAddr(p.subnet))
}

// order adds an on-link host route for each gateway that no other on-link route
// covers (leases with /32, clouds) and returns the routes in the order in which
// the kernel can take them: on-link ones, hosts, networks, default.
func (p *routePlan) order() []Route {
	given := len(p.routes)
	for i := range given {
		gw := p.routes[i].Gateway
		if gw.IsValid() && !p.onLink(gw) {
			p.routes = append(p.routes, Route{Dst: netip.PrefixFrom(gw, 32)})
		}
	}
	slices.SortStableFunc(p.routes, func(a, b Route) int { return rank(a) - rank(b) })
	return p.routes
}

// onLink reports whether a can be reached without a gateway.
func (p *routePlan) onLink(a netip.Addr) bool {
	if p.subnet.Contains(a) {
		return true
	}
	for _, r := range p.routes {
		if !r.Gateway.IsValid() && r.Dst.Bits() > 0 && r.Dst.Contains(a) {
			return true
		}
	}
	return false
}

func rank(r Route) int {
	switch {
	case r.Dst.Bits() == 0:
		return 3
	case !r.Gateway.IsValid():
		return 0
	case r.Dst.Bits() == 32:
		return 1
	}
	return 2
}
