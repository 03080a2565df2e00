package dhcpagent

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"path/filepath"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/rtnl"
)

// runState is what the agent keeps of a client's address under /run: it tells
// the next agent which address is ours, also on kernels without IFA_PROTO, and
// whether the link went down in between.
type runState struct {
	Ifindex        int          `json:"ifindex"`
	Address        netip.Prefix `json:"address"`
	CarrierChanges uint32       `json:"carrier_changes"`
}

func (a *agent) runStatePath(name string) string { return filepath.Join(a.runDir, name+".address") }

// ownAddress notes the client's present address for the next agent.
func (a *agent) ownAddress(c *client) {
	path := a.runStatePath(c.name)
	if !c.inst.addr.Prefix.IsValid() {
		a.leases.put(path, nil)
		return
	}
	b, err := json.Marshal(runState{c.pif.index, c.inst.addr.Prefix, c.pif.link.CarrierChanges})
	if err != nil {
		c.log.Error("cannot describe the address", "err", err)
		return
	}
	a.leases.put(path, append(b, '\n'))
}

// takeOver looks for addresses that a dead agent left on the client's link.
// The one that the saved lease names is ours again; others are removed.
func (c *client) takeOver(s *dhcp4.Saved) {
	addrs, err := c.a.conn.Addrs(c.pif.index, unix.AF_INET)
	if err != nil {
		c.log.Warn("cannot list the addresses of the link", "err", err)
		return
	}
	st := c.readRunState()
	want := savedAddr(s)
	var stray rtnl.Batch
	var others []rtnl.Addr
	for _, ad := range addrs {
		ours := ad.Proto == protoDHCP || st.Ifindex == ad.Index && st.Address == ad.Prefix
		if !ours || c.a.ownedBySomeone(ad) || ad.Label != c.name {
			others = append(others, ad)
			continue
		}
		if want.IsValid() && ad.Prefix.Addr() == want {
			c.inst.addr = ad
			others = append(others, ad)
			// With the link down in between the network may be another one.
			s.Held = c.pif.link.Up() && st.Address == ad.Prefix && st.Ifindex == c.pif.index &&
				st.CarrierChanges == c.pif.link.CarrierChanges
			s.Stands = !s.Held
			continue
		}
		c.log.Info("removing an address that an earlier agent left", "address", ad.Prefix)
		stray.DelAddr(ad)
	}
	c.delete(&stray, others)
	if c.inst.addr.Prefix.IsValid() {
		c.takeOverRoutes()
	}
}

// takeOverRoutes finds the routes that belong to the address taken over.
func (c *client) takeOverRoutes() {
	routes, err := c.a.conn.Routes(unix.AF_INET)
	if err != nil {
		c.log.Warn("cannot list the routes of the link", "err", err)
		return
	}
	for _, r := range routes {
		if r.Index == c.pif.index && r.Proto == protoDHCP && r.PrefSrc == c.inst.addr.Prefix.Addr() {
			c.inst.routes = append(c.inst.routes, r)
		}
	}
}

func (c *client) readRunState() (st runState) {
	b, err := c.a.leases.read(c.a.runStatePath(c.name))
	if errors.Is(err, fs.ErrNotExist) {
		return st
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(b))
		err = d.Decode(&st)
	}
	if err != nil {
		c.log.Warn("cannot read which address was ours", "err", err)
		return runState{}
	}
	return st
}

// savedAddr is the address of a saved lease.
func savedAddr(s *dhcp4.Saved) netip.Addr {
	if s == nil {
		return netip.Addr{}
	}
	var m dhcp4.Message
	if dhcp4.Parse(&m, s.Current, netip.AddrPort{}, false) != 0 {
		return netip.Addr{}
	}
	return m.YIAddr
}

// ownedBySomeone reports whether a client of this agent holds the address.
func (a *agent) ownedBySomeone(ad rtnl.Addr) bool {
	for _, c := range a.clients {
		if c.pif.index == ad.Index && c.inst.addr.Prefix == ad.Prefix {
			return true
		}
	}
	return false
}

// removeStray takes an address away that was taken over from an agent that
// died, when its lease turned out to be worth nothing.
func (c *client) removeStray() {
	if c.net != nil || c.adopted || !c.inst.addr.Prefix.IsValid() {
		return
	}
	if err := c.configure(nil); err != nil {
		c.log.Warn("cannot remove an address that an earlier agent left", "err", err)
	}
}
