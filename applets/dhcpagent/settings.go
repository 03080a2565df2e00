package dhcpagent

import (
	"fmt"
	"log/slog"
	"os/user"
	"strconv"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/config"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/ident"
	"daemonbox/applets/dhcpagent/inittab"
	"daemonbox/core/log"
	"daemonbox/core/rtnl"
)

// openConfig prepares the configuration; the file is read at the first
// question.
func (a *agent) openConfig() (err error) {
	a.ids = ident.New(ident.Options{Dir: a.opt.stateDir, Links: hostLinks{a}})
	a.conf, err = config.New(config.Options{
		Path:       a.opt.config,
		Set:        a.opt.settings,
		OptionCode: a.optionCode,
		Identity:   a.ids,
	})
	if err != nil {
		return fmt.Errorf("-o %w", err)
	}
	return nil
}

// optionCode finds the code of an option by its symbol. The tables are read on
// first use: the usual request list has numbers only.
func (a *agent) optionCode(name string, v6 bool) (uint16, bool) {
	family, env := 4, "DHCP_INITTAB_PATH"
	if v6 {
		family, env = 6, "DHCP_INITTAB6_PATH"
	}
	t, _, err := inittab.Open(family, a.env.Getenv(env))
	if err != nil {
		a.log.Warn("cannot read the option table; the built-in one is used", "err", err)
	}
	e, ok := t.Lookup(name, api.Standard, api.Site)
	return uint16(e.Code), ok
}

// machineConfig is what the machine of a client has to know.
func (a *agent) machineConfig(c *client, alias bool) *dhcp4.Config {
	l := &c.pif.link
	cfg := a.conf.V4(ident.Link{Name: c.name, Index: c.pif.index, HWType: l.Type, HWAddr: l.HW, Alias: alias}, c.primary)
	a.applyLogLevel() // the file may have changed
	cfg.LogLevel = a.level.Level()
	if a.opt.debug > 0 {
		cfg.StartDelay = 0
	}
	a.configWarnings()
	a.saveIdentity()
	return cfg
}

// configWarnings logs what is wrong with the configuration, once a version.
func (a *agent) configWarnings() {
	for _, w := range a.conf.Warnings() {
		if w.Missing && a.opt.managed() {
			continue // a command line that names interfaces needs no file
		}
		a.log.Warn(a.opt.config + ": " + w.String())
	}
	for _, w := range a.ids.Warnings() {
		a.log.Warn("identity: " + w)
	}
}

// saveIdentity brings a new DUID or IAID to disk. A read-only file system, as
// in early boot, is tried again until it works.
func (a *agent) saveIdentity() {
	w := a.ids.Unsaved()
	if w == nil || a.saving {
		return
	}
	a.saving = true
	go func() {
		err := w.Do()
		a.loop.Post(func() {
			a.saving = false
			a.ids.Saved(w, err)
			if err == nil {
				a.saveIdentity()
				return
			}
			a.log.Info("the identities of this host are not on disk yet; trying again", "err", err, "took", ident.RetryEvery)
			if a.retryIdentity == nil {
				a.retryIdentity = a.loop.Timer("identity", a.saveIdentity)
			}
			a.retryIdentity.Set(a.loop.Now().Add(ident.RetryEvery))
		})
	}()
}

// routing is where the routes of a client go.
type routing struct {
	metric         uint32
	explicitMetric bool
	table          uint32
}

// Metrics of routes where none is configured.
const (
	primaryMetric = 100
	otherMetric   = 1000
)

// routing returns the metric and the table of a client's routes.
func (a *agent) routing(c *client) routing {
	l := a.conf.Local(c.name)
	r := routing{metric: l.Metric, explicitMetric: !l.AutoMetric, table: l.Table}
	if l.AutoMetric {
		r.metric = otherMetric + uint32(c.pif.index)
		if c.primary {
			r.metric = primaryMetric
		}
	}
	if l := &c.pif.link; r.table == 0 && l.PortKind == kindVRF {
		vrf, err := a.conn.LinkByIndex(l.Master)
		if err != nil {
			c.log.Warn("cannot find the routing table of the VRF", "err", err)
		}
		r.table = vrf.VRFTable
	}
	return r
}

// autostart reports whether an interface that appears is to be started.
func (a *agent) autostart(name string) bool { return a.conf.Local(name).Autostart }

// autostartAll starts the interfaces that are there already.
func (a *agent) autostartAll() {
	if !a.conf.Mentions(config.Autostart) {
		return
	}
	links, err := a.conn.Links()
	if err != nil {
		a.log.Warn("cannot list the interfaces", "err", err)
	}
	for i := range links {
		a.linkAppeared(&links[i])
	}
}

// controlGroup is the group that may give commands besides root.
func (a *agent) controlGroup() *uint32 {
	name := a.conf.Agent().Group
	if name == "" {
		return nil
	}
	id := name
	if _, err := strconv.ParseUint(name, 10, 32); err != nil {
		g, err := user.LookupGroup(name)
		if err != nil {
			a.log.Warn("DHCP_IPC_GROUP names no group; only root may give commands", "group", name, "err", err)
			return nil
		}
		id = g.Gid
	}
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return nil
	}
	gid := uint32(n)
	return &gid
}

// applyLogLevel takes the level of the configuration where the command line
// names none.
func (a *agent) applyLogLevel() {
	s := a.conf.Agent()
	debug, verbose := a.opt.debug, a.opt.verbose
	if debug == 0 {
		debug = s.DebugLevel
	}
	a.level.Set(logLevel(debug, verbose || s.Verbose))
}

func logLevel(debug int, verbose bool) slog.Level {
	switch {
	case debug >= 2:
		return log.LevelDebug2
	case debug == 1:
		return log.LevelDebug
	case verbose:
		return log.LevelVerbose
	}
	return log.LevelNotice
}

// hostLinks lets the identities look at the host's interfaces.
type hostLinks struct{ a *agent }

func (h hostLinks) ByName(name string) (ident.Link, bool) {
	l, err := h.a.conn.LinkByName(name)
	return identLink(&l), err == nil
}

func (h hostLinks) First() (first ident.Link, ok bool) {
	links, err := h.a.conn.Links()
	if err != nil {
		return first, false
	}
	for i := range links {
		l := &links[i]
		if len(l.HW) == 6 && l.Type == arphrdEther && (!ok || l.Index < first.Index) {
			first, ok = identLink(l), true
		}
	}
	return first, ok
}

// arphrdEther is the hardware type of Ethernet (linux/if_arp.h).
const arphrdEther = 1

func identLink(l *rtnl.Link) ident.Link {
	return ident.Link{Name: l.Name, Index: l.Index, HWType: l.Type, HWAddr: l.HW}
}
