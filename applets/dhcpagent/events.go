package dhcpagent

import (
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/rtnl"
	"daemonbox/core/timer"
)

// eventBudget bounds how many netlink messages one turn of the loop takes.
const eventBudget = 256

// readEvents works off what the kernel says about links and addresses.
func (a *agent) readEvents() {
	resync := false
	err := a.watcher.Drain(eventBudget, func(e rtnl.Event) {
		switch e.Kind {
		case rtnl.LinkNew:
			a.linkNew(e.Link)
		case rtnl.LinkDel:
			a.linkDel(e.Link.Index)
		case rtnl.AddrNew:
			a.addrNew(e.Addr)
		case rtnl.AddrDel:
			a.addrDel(e.Addr)
		case rtnl.Overrun:
			resync = true
		}
	})
	if err != nil {
		a.log.Warn("cannot read netlink events", "err", err)
	}
	if resync || err != nil {
		a.resync()
	}
}

// resync looks at everything anew after events were lost.
func (a *agent) resync() {
	links, err := a.conn.Links()
	if err != nil {
		a.log.Error("netlink events were lost and the interfaces cannot be listed", "err", err)
		return
	}
	a.log.Debug("netlink events were lost; looking at all interfaces anew")
	there := make(map[int]bool, len(links))
	for _, l := range links {
		there[l.Index] = true
		a.linkNew(l)
	}
	for _, i := range slices.Sorted(maps.Keys(a.pifs)) {
		if !there[i] {
			a.linkDel(i)
		}
	}
	a.hw = nil
	for _, c := range a.sorted() {
		c.verifyAddress()
	}
}

// linkNew takes in the present state of a link.
func (a *agent) linkNew(l rtnl.Link) {
	if a.hw != nil {
		a.hw[l.Index] = l.HW
	}
	p := a.pifs[l.Index]
	if p == nil {
		a.linkAppeared(&l)
		return
	}
	old := p.link
	p.link = l
	renamed := old.Name != l.Name
	if renamed {
		p.renamed(old.Name)
	}
	moved := !sameHW(&old, &l)
	if !renamed && !moved && old.Up() == l.Up() && old.MTU == l.MTU {
		return
	}
	if old.Up() != l.Up() {
		p.log.Debug("the link changed", "up", l.Up(), "operstate", l.OperState)
	}
	crowd := l.Up() && !old.Up() && a.returning()
	for _, c := range slices.Clone(p.clients) {
		if moved {
			c.m.SetConfig(a.machineConfig(c, c.alias()))
		}
		c.linkChanged(old.Up(), crowd)
	}
}

// linkChanged passes a change of the link on. Where the configuration says so,
// a carrier that goes (at the reset of a card, say) is
// given some time to come back: default routes stay for so long, and then the
// lease is just confirmed.
func (c *client) linkChanged(wasUp, crowd bool) {
	up := c.pif.link.Up()
	if c.linkDown != nil && c.linkDown.Pending() {
		if !up {
			return // the machine hears of all when the time is over
		}
		c.linkDown.Stop()
		c.tellLink(false)
		c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Resume(now, out) })
		return
	}
	delay := c.a.conf.Local(c.name).LinkDownDelay
	if up || !wasUp || delay == 0 || c.net == nil {
		c.tellLink(crowd)
		return
	}
	if c.linkDown == nil {
		c.linkDown = c.a.loop.Timer("link down "+c.name, func() { c.tellLink(false) })
	}
	c.linkDown.Set(c.a.loop.Now().Add(delay))
}

// tellLink tells the machine what its link is like now.
func (c *client) tellLink(crowd bool) {
	state := c.pif.state(c.name)
	state.Spread = crowd
	c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.LinkChange(now, state, out) })
}

// linkDel handles an interface that has gone, or moved to another namespace.
func (a *agent) linkDel(index int) {
	delete(a.hw, index)
	delete(a.considered, index)
	delete(a.unfit, index)
	p := a.pifs[index]
	if p == nil {
		return
	}
	for _, c := range slices.Clone(p.clients) {
		c.inst = installed{} // the kernel took it away with the link
		c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.LinkGone(now, out) })
	}
	if a.goal != nil {
		a.goal.check()
	}
}

// renamed gives the clients of a link its new name. Leases and marks follow.
func (p *pif) renamed(from string) {
	p.log = p.a.logger(p.link.Name)
	for _, c := range p.clients {
		old := c.name
		c.name = p.link.Name + c.name[len(from):]
		c.log = p.a.logger(c.name)
		p.a.publishGone(old)
		if p.a.clients[old] == c { // not where two interfaces have swapped names
			delete(p.a.clients, old)
		}
		p.a.clients[c.name] = c
		p.a.leases.rename(old, c.name)
		p.a.leases.put(p.a.runStatePath(old), nil)
		p.a.ownAddress(c)
		p.a.res.Remove(old, 4)
		p.a.resolverChanged(c)
		if p.a.primary == old {
			p.a.primary = c.name
		}
		c.log.Info("the interface got a new name", "was", old)
	}
}

// addrNew sees whether somebody changed an address of ours. An IPv6 address
// that a router's advertisement brought says that the network is alive.
func (a *agent) addrNew(ad rtnl.Addr) {
	if ip := ad.Prefix.Addr(); ip.Is6() {
		if p := a.pifs[ad.Index]; p != nil && ip.IsGlobalUnicast() {
			for _, c := range slices.Clone(p.clients) {
				c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Hint(now, out) })
			}
		}
		return
	}
	for _, c := range a.holders(ad) {
		if c.takenOver(&ad) {
			c.verifyAddress()
		}
	}
}

// takenOver reports whether an address that is ours is somebody else's by now:
// made permanent, or given another mark where the kernel keeps marks (5.18).
func (c *client) takenOver(ad *rtnl.Addr) bool {
	if ad.Flags&unix.IFA_F_PERMANENT != 0 && c.inst.addr.Valid != ^uint32(0) {
		return true
	}
	marked := ad.Proto == protoDHCP
	c.a.keepsMarks = c.a.keepsMarks || marked
	return !marked && c.a.keepsMarks
}

// addrDel sees whether somebody removed an address of ours.
func (a *agent) addrDel(ad rtnl.Addr) {
	for _, c := range a.holders(ad) {
		c.verifyAddress()
	}
}

// holders returns the clients whose address, prefix length and link are ad's.
func (a *agent) holders(ad rtnl.Addr) (cs []*client) {
	p := a.pifs[ad.Index]
	if p == nil {
		return nil
	}
	for _, c := range p.clients {
		if c.inst.addr.Prefix.IsValid() && c.inst.addr.Prefix == ad.Prefix {
			cs = append(cs, c)
		}
	}
	return cs
}

// verifyAddress asks the kernel whether the client's address still stands and
// is its own: an event may be older than our own latest change.
func (c *client) verifyAddress() {
	if !c.inst.addr.Prefix.IsValid() {
		return
	}
	addrs, err := c.a.conn.Addrs(c.pif.index, unix.AF_INET)
	if err != nil {
		c.log.Warn("cannot list the addresses of the link", "err", err)
		return
	}
	for _, ad := range addrs {
		if ad.Prefix == c.inst.addr.Prefix {
			if c.takenOver(&ad) {
				c.foreignChange(dhcp4.AddrTaken)
			}
			return
		}
	}
	c.foreignChange(dhcp4.AddrDeleted)
}

// foreignChange tells the machine that its address is not its own any more.
// What is left of it belongs to whoever changed it.
func (c *client) foreignChange(what dhcp4.AddrChange) {
	c.inst.addr = rtnl.Addr{}
	c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.AddressChanged(now, what, out) })
}

// returnWindow and returnCrowd say when so many links come back at once that
// their clients spread their requests.
const (
	returnWindow = 100 * time.Millisecond
	returnCrowd  = 8
)

// returning counts a link that came back and reports whether it is one of a
// crowd.
func (a *agent) returning() bool {
	now := a.loop.Now()
	if now.Sub(a.returnSince) > returnWindow {
		a.returnSince, a.returnCount = now, 0
	}
	a.returnCount++
	return a.returnCount > returnCrowd
}
