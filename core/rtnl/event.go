package rtnl

import (
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// EventKind tells what an Event is about.
type EventKind uint8

// The kinds of events. New also stands for "changed".
const (
	LinkNew   EventKind = iota + 1
	LinkDel             // Link carries what was known last
	LinkInet6           // only Link.Index, Name, Flags, MTU and Inet6Flags are valid
	AddrNew
	AddrDel
	RouteNew
	RouteDel
	NeighNew
	NeighDel
	RuleNew
	RuleDel
	Overrun // events were lost: Resync a Table
)

var kindNames = [...]string{
	"none", "link-new", "link-del", "link-inet6", "addr-new", "addr-del",
	"route-new", "route-del", "neigh-new", "neigh-del", "rule-new", "rule-del", "overrun",
}

// String returns a short name such as "addr-new".
func (k EventKind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Event is a change in the kernel; the field named by Kind is valid.
type Event struct {
	Kind EventKind
	// Replace is set for a RouteNew that took the place of the routes with the
	// same destination, metric and table; the kernel does not announce their end.
	Replace bool
	Link    Link
	Addr    Addr
	Route   Route
	Neigh   Neigh
	Rule    Rule
}

// decodeEvent translates a message. errIgnored is for what is not of interest,
// every other error for what should not exist.
func decodeEvent(m *netlink.Message) (ev Event, err error) {
	switch m.Header.Type {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return decodeLinkEvent(m)
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		ev.Kind = pick(m, unix.RTM_NEWADDR, AddrNew, AddrDel)
		ev.Addr, err = decodeAddress(m.Data)
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		ev.Kind = pick(m, unix.RTM_NEWROUTE, RouteNew, RouteDel)
		ev.Replace = ev.Kind == RouteNew && m.Header.Flags&netlink.Replace != 0
		ev.Route, err = decodeRoute(m.Data)
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		ev.Kind = pick(m, unix.RTM_NEWNEIGH, NeighNew, NeighDel)
		ev.Neigh, err = decodeNeigh(m.Data)
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		ev.Kind = pick(m, unix.RTM_NEWRULE, RuleNew, RuleDel)
		ev.Rule, err = decodeRule(m.Data)
	default:
		err = errIgnored
	}
	return ev, err
}

func pick(m *netlink.Message, isNew netlink.HeaderType, n, d EventKind) EventKind {
	if m.Header.Type == isNew {
		return n
	}
	return d
}

func decodeLinkEvent(m *netlink.Message) (ev Event, err error) {
	l, family, err := decodeLink(m.Data)
	ev.Link = l
	switch {
	case err != nil:
	case family == unix.AF_UNSPEC:
		ev.Kind = pick(m, unix.RTM_NEWLINK, LinkNew, LinkDel)
	case m.Header.Type == unix.RTM_NEWLINK:
		ev.Kind = LinkInet6
	default:
		// IPv6 was switched off on the link; the link itself stays.
		ev.Kind = LinkInet6
		ev.Link.Inet6Flags, ev.Link.HasInet6 = 0, false
	}
	return ev, err
}
