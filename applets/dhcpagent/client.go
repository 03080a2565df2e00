package dhcpagent

import (
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/log"
	"daemonbox/core/timer"
)

// client drives one DHCPv4 machine: one logical interface under DHCP control.
type client struct {
	a    *agent
	pif  *pif
	name string // logical name: eth0 or eth0:1
	m    *dhcp4.Client
	log  *slog.Logger

	// hookKey names the client to the scripts' runner, also when its interface
	// gets another name.
	hookKey string

	out      dhcp4.Effects
	inbox    []input
	stepping bool
	changed  bool
	removed  bool

	timers   [dhcp4.NumTimers]*timer.Timer
	inst     installed
	net      *dhcp4.NetConfig // what the machine wants to stand, nil: nothing
	probes   bool
	primary  bool
	linkDown *timer.Timer // runs while a lost carrier may still come back
	adopted  bool         // the address was there before us and stays if the adoption fails
	kept     bool         // the agent ends and leaves everything in place
	limit    limiter
	// hookAddr is the address that the script was last told of.
	hookAddr netip.Addr
}

// limiter is a rate limit for log lines.
type limiter struct{ l log.Limiter }

func (l *limiter) allow(now timer.Time, key string) bool {
	ok, _ := l.l.Allow(now, key)
	return ok
}

// splitName takes a logical interface name apart: eth0:1 is alias 1 of eth0.
// An index of 0 means the base name.
func splitName(name string) (base string, alias, ok bool) {
	base, n, found := strings.Cut(name, ":")
	if !validIfName(base) || len(name) > 15 {
		return "", false, false
	}
	if !found {
		return base, false, true
	}
	i, err := strconv.ParseUint(n, 10, 16)
	if err != nil || n != strconv.FormatUint(i, 10) {
		return "", false, false
	}
	return base, i != 0, true
}

// validIfName accepts what the kernel accepts as an interface name and what is
// harmless in a file name.
func validIfName(s string) bool {
	if s == "" || len(s) > 15 || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '/' || c == ':' {
			return false
		}
	}
	return true
}

// newClient makes the client of a logical interface on p.
func (a *agent) newClient(p *pif, name string, alias, primary bool) (*client, error) {
	if err := p.open(); err != nil {
		return nil, err
	}
	c := &client{a: a, pif: p, name: name, log: a.logger(name), primary: primary}
	a.lastClient++
	c.hookKey = strconv.Itoa(a.lastClient)
	c.m = dhcp4.New(a.machineConfig(c, alias), p.state(name), a.rnd)
	c.m.AvoidXids(a.expects)
	a.clients[name] = c
	if alias {
		p.clients = append(p.clients, c)
	} else {
		p.clients = slices.Insert(p.clients, 0, c)
	}
	a.idle.Stop()
	return c, nil
}

// expects reports whether some client awaits an answer with this transaction
// id.
func (a *agent) expects(xid uint32) bool {
	for _, c := range a.clients {
		if c.m.Expecting(xid) {
			return true
		}
	}
	return false
}

// alias reports whether the client is an additional logical interface.
func (c *client) alias() bool {
	_, alias, _ := splitName(c.name)
	return alias
}

// gone forgets a client that the machine has finished.
func (c *client) gone() {
	if c.removed {
		return
	}
	c.removed = true
	c.removeStray()
	for _, t := range c.timers {
		if t != nil {
			t.Stop()
		}
	}
	if c.linkDown != nil {
		c.linkDown.Stop()
	}
	c.a.yield(c)
	if c.probes {
		c.pif.probing(c, false)
	}
	p := c.pif
	p.clients = slices.DeleteFunc(p.clients, func(x *client) bool { return x == c })
	delete(c.a.clients, c.name)
	if c.primary {
		c.a.primary = ""
	}
	if len(p.clients) == 0 {
		p.close()
		delete(c.a.pifs, p.index)
	}
	c.a.answerAll(c, api.UnkIf)
	c.a.clientGone(c)
}

// command gives the machine a command.
func (c *client) command(r dhcp4.Request) {
	c.step(func(now timer.Time, out *dhcp4.Effects) {
		c.m.SetConfig(c.a.machineConfig(c, c.alias()))
		c.m.Command(now, r, out)
	})
}

// start begins DHCP, with the saved lease if there is one.
func (c *client) start(r dhcp4.Request) {
	r.Cmd = api.Start
	if c.m.Refuses(&r) == api.Success && c.net == nil {
		r.Saved = c.savedLease()
	}
	c.command(r)
}

// savedLease loads the lease of the last run and sees whether its address
// still stands on the link. Anything wrong with it is no reason not to start.
func (c *client) savedLease() *dhcp4.Saved {
	s, err := c.a.leases.load(c.name)
	if err != nil {
		c.log.Warn("the saved lease is not used", "err", err)
		return nil
	}
	c.takeOver(s)
	return s
}

// relativeNow is the wall clock at a moment of the loop's clock. Computed when
// asked for, so that it is right after the wall clock was set.
func (a *agent) relativeNow(t timer.Time) time.Time {
	return time.Now().Add(t.Sub(a.loop.Now()))
}
