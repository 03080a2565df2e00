package dhcp4

import (
	"net/netip"

	"daemonbox/core/timer"
)

// NetConfig is all that a lease puts on the host. The driver compares it with
// what it installed before and changes the difference, adding before deleting.
// A NetConfig is never changed after it was handed out.
type NetConfig struct {
	// Addr is the leased address with the prefix length of its subnet.
	Addr      netip.Prefix
	Broadcast netip.Addr
	// Expires is the end of the lease, Never for an infinite one.
	Expires timer.Time
	// Routes stand in the order in which they must be installed: on-link
	// routes and host routes before those through a gateway, the default last.
	Routes []Route
	// MTU asks for an interface MTU; 0 leaves it alone. RouteMTU asks for an
	// MTU on the routes instead.
	MTU      int
	RouteMTU int
	// The values below passed their validators and can be written to files.
	Server netip.Addr
	DNS    []netip.Addr
	Domain string
	Search []string
	NTP    []netip.Addr
}

// Route is one route of a lease through the leased interface.
type Route struct {
	Dst netip.Prefix
	// Gateway is invalid for an on-link route.
	Gateway netip.Addr
}
