package dhcpagent

import (
	"fmt"
	"path"
	"slices"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/proc"
	"daemonbox/core/rtnl"
	"daemonbox/core/timer"
)

// goal is what an agent with operands was asked for: these interfaces, bound.
type goal struct {
	a        *agent
	patterns []string
	deadline *timer.Timer
	met      bool // told the starting process, one way or the other
	exit     int  // status of -1
}

// checkOperands refuses what can never be an interface.
func checkOperands(patterns []string) error {
	for _, p := range patterns {
		if isPattern(p) {
			if _, err := path.Match(p, ""); err != nil {
				return fmt.Errorf("%q is no valid pattern: %w", p, err)
			}
			continue
		}
		if _, _, ok := splitName(p); !ok {
			return fmt.Errorf("%q is no interface name", p)
		}
	}
	return nil
}

// begin starts DHCP on every interface that the operands name.
func (a *agent) begin() {
	g := &goal{a: a, patterns: a.opt.patterns}
	a.goal = g
	g.deadline = a.loop.Timer("operands", g.expired)
	g.deadline.Set(a.loop.Now().Add(a.opt.wait))
	if len(g.patterns) == 1 && !isPattern(g.patterns[0]) {
		// The usual case needs no list of all interfaces.
		if base, _, ok := splitName(g.patterns[0]); ok {
			if l, err := a.conn.LinkByName(base); err == nil {
				a.startLink(g.patterns[0], &l)
			} else {
				a.log.Info("waiting for the interface to come", "ifname", base)
			}
		}
		return
	}
	links, err := a.conn.Links()
	if err != nil {
		a.log.Error("cannot list the interfaces", "err", err)
		return
	}
	for _, p := range g.patterns {
		n := 0
		for i := range links {
			if g.matches(p, links[i].Name) {
				a.startLink(g.logicalName(p, links[i].Name), &links[i])
				n++
			}
		}
		if n == 0 {
			a.log.Info("waiting for an interface to come", "ifname", p)
		}
	}
}

func isPattern(s string) bool {
	return slices.ContainsFunc([]byte(s), func(c byte) bool { return c == '*' || c == '?' || c == '[' })
}

// matches reports whether an operand means the link of that name.
func (g *goal) matches(pattern, link string) bool {
	if isPattern(pattern) {
		ok, _ := path.Match(pattern, link)
		return ok
	}
	base, _, ok := splitName(pattern)
	return ok && base == link
}

func (g *goal) logicalName(pattern, link string) string {
	if isPattern(pattern) {
		return link
	}
	return pattern
}

// linkAppeared starts DHCP on a new interface that an operand means.
func (a *agent) linkAppeared(l *rtnl.Link) {
	if a.goal == nil || a.stopping {
		if a.autostart(l.Name) && !a.stopping {
			a.startLink(l.Name, l)
		}
		return
	}
	for _, p := range a.goal.patterns {
		if a.goal.matches(p, l.Name) {
			a.startLink(a.goal.logicalName(p, l.Name), l)
		}
	}
}

// startLink starts DHCP on a link without a user who waits.
func (a *agent) startLink(name string, l *rtnl.Link) {
	if code := fit(l, api.Start); code != api.Success {
		if !isPattern(name) && a.clients[name] == nil {
			a.log.Warn("no DHCP on the interface: "+code.Text(), "ifname", name)
		}
		return
	}
	base, alias, ok := splitName(name)
	if !ok {
		a.log.Error("no valid interface name", "ifname", name)
		return
	}
	if !alias {
		name = base
	}
	if a.clients[name] != nil || !a.bringUp(l) {
		return
	}
	p := a.pifFor(l)
	first := a.primary == "" && !alias
	c, err := a.newClient(p, name, alias, first)
	if err != nil {
		a.log.Error("cannot start on the interface", "ifname", name, "err", err)
		a.closeUnused(p)
		return
	}
	if first {
		// Somebody has to be asked when no interface is named; of several
		// operands it is the first.
		a.primary = name
	}
	c.start(dhcp4.Request{})
}

// check sees whether every operand is bound.
func (g *goal) check() {
	if g.met || g.a.stopping {
		return
	}
	for _, p := range g.patterns {
		if !g.bound(p) {
			return
		}
	}
	g.met = true
	g.deadline.Stop()
	g.a.tell(proc.ExitOK)
	if g.a.opt.once {
		g.a.stop(stopBound)
	}
}

// bound reports whether an operand has at least one client and all of them
// hold a lease.
func (g *goal) bound(pattern string) bool {
	n := 0
	for _, c := range g.a.clients {
		base, _, _ := splitName(c.name)
		if pattern != c.name && !(isPattern(pattern) && g.matches(pattern, base)) {
			continue
		}
		n++
		switch c.m.State() {
		case dhcp4.Bound, dhcp4.Renewing, dhcp4.Rebinding:
		default:
			return false
		}
	}
	return n > 0
}

// expired ends the wait of whoever started the agent.
func (g *goal) expired() {
	g.met = true
	g.a.log.Warn("not all interfaces are bound in time", "took", g.a.opt.wait)
	g.a.tell(exitNotBound)
	if g.a.opt.once {
		g.exit = exitNotBound
		g.a.stop(stopBound)
	}
}
