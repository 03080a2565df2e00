package dhcpagent

import (
	"errors"
	"fmt"
	"path"
	"slices"

	"golang.org/x/sys/unix"

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
	links, err := a.operandLinks()
	if err != nil {
		a.log.Error("cannot list the interfaces", "err", err)
		return
	}
	for _, p := range g.patterns {
		n := 0
		for i := range links {
			if l := &links[i]; g.matches(p, l.Name) {
				a.considered[l.Index] = l.Name
				a.startLink(p, l)
				n++
			}
		}
		if n == 0 {
			a.log.Info("waiting for an interface to come", "ifname", p)
		}
	}
}

// operandLinks returns the links the operands may mean. The usual case needs no
// list of all interfaces.
func (a *agent) operandLinks() ([]rtnl.Link, error) {
	if len(a.goal.patterns) > 1 || isPattern(a.goal.patterns[0]) {
		return a.conn.Links()
	}
	base, _, _ := splitName(a.goal.patterns[0])
	l, err := a.conn.LinkByName(base)
	if errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	return []rtnl.Link{l}, err
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

// linkAppeared starts DHCP on an interface that is new or has a new name, if an
// operand means it or the configuration wants it.
func (a *agent) linkAppeared(l *rtnl.Link) {
	if a.stopping || a.considered[l.Index] == l.Name {
		return
	}
	a.considered[l.Index] = l.Name
	meant := false
	if a.goal != nil {
		for _, p := range a.goal.patterns {
			if a.goal.matches(p, l.Name) {
				a.startLink(p, l)
				meant = true
			}
		}
	}
	if !meant && a.autostart(l.Name) {
		a.startLink(l.Name, l)
	}
}

// reconsider looks for a new interface that took the name of a client while
// that one had not yet ended.
func (a *agent) reconsider(c *client) {
	base, _, _ := splitName(c.name)
	l, err := a.conn.LinkByName(base)
	if err != nil || l.Index == c.pif.index {
		return
	}
	delete(a.considered, l.Index)
	a.linkAppeared(&l)
}

// startLink starts DHCP on a link that an operand means, without a user who
// waits. A link that is unfit may become fit, or be taken out of its bridge.
func (a *agent) startLink(operand string, l *rtnl.Link) {
	name := operand
	if isPattern(operand) {
		name = l.Name
	}
	base, alias, ok := splitName(name)
	if !ok {
		return // the kernel allows more than a file name may hold
	}
	if !alias {
		name = base
	}
	if a.clients[name] != nil {
		return
	}
	if code := fit(l, api.Start); code != api.Success {
		delete(a.considered, l.Index)
		if !isPattern(operand) && a.unfit[l.Index] != l.Name {
			a.log.Warn("no DHCP on the interface: "+code.Text(), "ifname", name)
			a.unfit[l.Index] = l.Name
		}
		return
	}
	if !a.bringUp(l) {
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
	for _, p := range g.patterns {
		if !g.bound(p) {
			g.a.log.Warn("not bound in time", "ifname", p, "took", g.a.opt.wait)
		}
	}
	g.a.tell(exitNotBound)
	if g.a.opt.once {
		g.exit = exitNotBound
		g.a.stop(stopLate)
	}
}
