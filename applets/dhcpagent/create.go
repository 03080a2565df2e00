package dhcpagent

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/rtnl"
	"daemonbox/core/timer"
)

// minMTU is the least MTU on which DHCP can run: every IPv4 host must accept
// a datagram of 576 octets (RFC 791 §3.2), and RFC 2131 §2 builds on it.
const minMTU = 576

// kindVRF is the kind of a master that leaves packets to its ports and only
// routes them by a table of its own.
const kindVRF = "vrf"

// create makes the client of a logical interface that has none.
func (a *agent) create(name string, cmd api.Command) (*client, api.Code) {
	if a.stopping {
		return nil, api.OutState
	}
	base, alias, ok := splitName(name)
	if !ok {
		return nil, api.InvIf
	}
	if !alias {
		name = base
	}
	link, err := a.conn.LinkByName(base)
	if err != nil {
		return nil, api.InvIf
	}
	if code := fit(&link, cmd); code != api.Success {
		return nil, code
	}
	if !a.bringUp(&link) {
		return nil, api.DownIf
	}
	p := a.pifFor(&link)
	c, err := a.newClient(p, name, alias, false)
	if err != nil {
		a.log.Error("cannot start on the interface", "ifname", name, "err", err)
		a.closeUnused(p)
		return nil, api.Int
	}
	if cmd == api.Inform && !c.ownAddr().IsValid() {
		a.dropIfUnused(c)
		return nil, api.NoIPIf
	}
	return c, api.Success
}

// fit tells whether DHCP can run on a link.
func fit(l *rtnl.Link, cmd api.Command) api.Code {
	switch {
	case l.Flags&unix.IFF_LOOPBACK != 0, l.MTU < minMTU:
		return api.InvIf
	case l.Master != 0 && l.PortKind != kindVRF:
		// A master takes the packets and is the one to configure: bridge, bond,
		// team, Open vSwitch, failover. A VRF does not.
		return api.InvIf
	case !identified(l) && cmd == api.Start:
		return api.InvIf
	}
	return api.Success
}

// identified reports whether a link has an address to identify the client by.
// That of a tunnel is the IP address of its end.
func identified(l *rtnl.Link) bool {
	switch l.Type {
	case unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT, unix.ARPHRD_IPGRE, unix.ARPHRD_IP6GRE:
		return false
	}
	return slices.ContainsFunc(l.HW, func(x byte) bool { return x != 0 })
}

// bringUp sets an interface administratively up.
func (a *agent) bringUp(l *rtnl.Link) bool {
	if l.Flags&unix.IFF_UP != 0 {
		return true
	}
	var b rtnl.Batch
	up := true
	b.SetLink(l.Index, rtnl.SetLinkOptions{Up: &up})
	if errs := a.conn.Do(&b); errs[0] != nil {
		a.log.Error("cannot bring the interface up", "ifname", l.Name, "err", errs[0])
		return false
	}
	if now, err := a.conn.LinkByIndex(l.Index); err == nil {
		*l = now
	}
	return true
}

// pifFor returns the physical interface of a link.
func (a *agent) pifFor(l *rtnl.Link) *pif {
	p := a.pifs[l.Index]
	if p == nil {
		p = &pif{a: a, index: l.Index, log: a.logger(l.Name)}
		a.pifs[l.Index] = p
	}
	p.link = *l
	return p
}

func (a *agent) closeUnused(p *pif) {
	if len(p.clients) == 0 {
		p.close()
		delete(a.pifs, p.index)
	}
}

// dropIfUnused forgets a client that a refused command has just created.
func (a *agent) dropIfUnused(c *client) {
	if s := c.m.Status(); s.State == dhcp4.Init && !s.Busy && s.WaitFor == "" {
		c.gone()
	}
}

// ownAddr returns the interface's address that DHCP does not control.
func (c *client) ownAddr() netip.Prefix {
	addrs, err := c.a.conn.Addrs(c.pif.index, unix.AF_INET)
	if err != nil {
		c.log.Warn("cannot list the addresses of the link", "err", err)
		return netip.Prefix{}
	}
	for _, ad := range addrs {
		if ad.Label == c.name && !c.a.ownedBySomeone(ad) {
			return ad.Prefix
		}
	}
	return netip.Prefix{}
}

// makePrimary gives the role of the primary interface to a client. Routes get
// their new metrics at once.
func (a *agent) makePrimary(c *client) {
	if a.primary == c.name {
		return
	}
	old := a.clients[a.primary]
	a.primary = c.name
	c.primary = true
	if old != nil {
		old.primary = false
	}
	for _, x := range []*client{old, c} {
		if x == nil {
			continue
		}
		x.m.SetConfig(a.machineConfig(x, x.alias()))
		if x.net != nil {
			x.step(func(timer.Time, *dhcp4.Effects) {
				if err := x.configure(x.net); err != nil {
					x.log.Warn("cannot change the metric of the routes", "err", err)
				}
			})
		}
	}
}
