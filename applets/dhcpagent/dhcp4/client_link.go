package dhcp4

import (
	"bytes"
	"log/slog"
	"slices"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

const (
	// spreadTime is the random wait when many links come back at once.
	spreadTime = time.Second
	// After refreshBurst refreshes within refreshWindow the next one waits
	// until the window is over: a loose cable must not load the server.
	refreshBurst  = 3
	refreshWindow = 10 * time.Second

	levelNotice = slog.Level(2)
)

// LinkChange is a change of the interface: carrier, name, hardware address or
// MTU.
func (c *Client) LinkChange(now timer.Time, l Link, out *Effects) {
	if c.gone {
		return
	}
	old := c.link
	spread := l.Spread
	c.setLink(l)
	c.overdue(now, out)
	if c.leaving != 0 || c.ending != endNot || c.lapse != 0 {
		c.linkLost = c.linkLost || old.Up && !l.Up
		return // nothing is left to confirm or to configure
	}
	if old.Name != l.Name {
		c.note(out, slog.LevelInfo, "interface renamed", slog.String("old", old.Name), slog.String("new", l.Name))
		out.kind(Changed)
	}
	if !bytes.Equal(old.HWAddr, c.link.HWAddr) || old.HWType != l.HWType {
		c.newHardware(now, old.Up, out)
	}
	switch {
	case old.Up && !l.Up:
		c.linkDown(now, out)
	case !old.Up && l.Up:
		c.linkUp(now, spread, out)
	}
}

// linkDown: the lease goes on, but nothing leads through the link.
func (c *Client) linkDown(now timer.Time, out *Effects) {
	c.note(out, slog.LevelInfo, "carrier lost")
	c.linkLost = true
	c.disarm(TimerACD, out)
	c.disarm(TimerRefresh, out)
	if !c.state.leased() {
		c.disarm(TimerRetransmit, out)
		c.disarm(TimerOffer, out)
	}
	if c.x.slot != slotNone {
		c.x.slot = slotNone
		out.kind(Yield)
		if c.state.leased() && c.timers[TimerRetransmit] == timer.Never {
			c.schedule(now, out)
		}
	}
	if c.state != PreBound {
		c.acd.stop()
		c.listen(out)
	}
	if n := withoutDefault(c.installed); n != c.installed {
		c.configure(n, goalNone, out)
	}
	out.kind(Changed)
	c.extraHook(now, eventCarrier, out)
}

// withoutDefault returns n without its default routes, n itself if it has none.
func withoutDefault(n *NetConfig) *NetConfig {
	isDefault := func(r Route) bool { return r.Dst.Bits() == 0 }
	if n == nil || !slices.ContainsFunc(n.Routes, isDefault) {
		return n
	}
	m := *n
	m.Routes = slices.DeleteFunc(slices.Clone(n.Routes), isDefault)
	return &m
}

// linkUp: the network may be another one.
func (c *Client) linkUp(now timer.Time, spread bool, out *Effects) {
	c.note(out, slog.LevelInfo, "carrier is back")
	out.kind(Changed)
	c.extraHook(now, eventCarrier, out)
	c.revive(now, spread, out)
	c.restoreRoutes(out) // the first message has its place before the work with the kernel
}

// restoreRoutes puts back what the loss of the carrier took away. The server's
// word may be a minute away if it is down; on another network the routes lead
// nowhere until its answer replaces them, and do no harm.
func (c *Client) restoreRoutes(out *Effects) {
	if c.installed != nil && c.lease != nil && c.installed != c.lease.net && c.holding() {
		c.configure(c.lease.net, goalNone, out)
	}
}

// revive is what a client does when it can or should reach the network again.
func (c *Client) revive(now timer.Time, spread bool, out *Effects) {
	switch c.state {
	case Selecting, Requesting:
		c.searchAnew(now, spread, out)
	case InformSent:
		c.x.wait = 0
		c.resendSoon(now, spread, out)
	case InitReboot:
		if c.holding() {
			c.refresh(now, spread, out)
			return
		}
		c.x.tries, c.x.wait = 0, 0
		c.resendSoon(now, spread, out)
	case PreBound:
		if c.config.goal == goalNone && c.lease != nil {
			c.startProbing(now, acdProbing, out)
		}
	case Bound, Renewing, Rebinding, Information:
		c.refresh(now, spread, out)
	}
}

// searchAnew begins again with the first DISCOVER: what was offered may be from
// another network, where a REQUEST to a server that is not there costs a minute.
func (c *Client) searchAnew(now timer.Time, spread bool, out *Effects) {
	switch {
	case c.state == Selecting && c.x.slot == slotAsked && c.offers.n == 0:
		// The DISCOVER keeps its place in the queue.
	case spread:
		c.enter(now, Init, out)
		c.arm(TimerDelay, now.Add(c.upTo(spreadTime)), out)
	default:
		c.enter(now, Selecting, out)
	}
}

// refresh asks whether the lease holds on the network that is there now, at
// once unless links come and go in quick succession.
func (c *Client) refresh(now timer.Time, spread bool, out *Effects) {
	at := now
	if spread {
		at = now.Add(c.upTo(spreadTime))
	}
	at = max(at, c.refreshes[0].Add(refreshWindow))
	c.configFailed = false // a refresh configures everything
	if at > now {
		c.arm(TimerRefresh, at, out)
		return
	}
	c.refreshNow(now, out)
}

func (c *Client) refreshNow(now timer.Time, out *Effects) {
	if c.configFailed && c.held() {
		c.configFailed = false
		c.configure(c.lease.net, goalNone, out)
		return
	}
	if !c.link.Up {
		return
	}
	copy(c.refreshes[:], c.refreshes[1:])
	c.refreshes[refreshBurst-1] = now
	switch {
	case c.state == Information:
		c.beginInternal(api.Inform)
		c.enter(now, InformSent, out)
	case c.lease == nil:
	case c.lease.bootp:
		c.refreshBootp(now, out)
	default:
		c.enter(now, InitReboot, out)
	}
}

// refreshBootp: no server could confirm a BOOTP lease; routes come back, and the
// address is probed anew.
func (c *Client) refreshBootp(now timer.Time, out *Effects) {
	c.linkLost = false
	c.configure(c.lease.net, goalNone, out)
	if c.detects() {
		c.startProbing(now, acdBackground, out)
		c.listen(out)
	}
}

// newHardware: the interface has another hardware address. A lease that was
// bound to the old one is worth nothing without a server's word.
func (c *Client) newHardware(now timer.Time, wasUp bool, out *Effects) {
	c.note(out, slog.LevelInfo, "hardware address changed")
	if c.lease != nil {
		c.lease.unverified = c.lease.unverified || c.cfg.ClientIDFollowsHW
	}
	c.linkLost = true
	if !wasUp || !c.link.Up {
		if c.state == PreBound {
			// What was agreed was agreed with another client.
			c.withdraw(now, byDoubt, out)
		}
		return
	}
	switch c.state {
	case Selecting, Requesting:
		c.enter(now, Selecting, out)
	case InformSent, InitReboot:
		c.enter(now, c.state, out)
	case PreBound:
		c.withdraw(now, byDoubt, out)
	default:
		c.revive(now, false, out)
	}
}

// LinkGone: the interface does not exist any more. The saved lease stays.
func (c *Client) LinkGone(now timer.Time, out *Effects) {
	if c.gone {
		return
	}
	c.link.Up = false
	c.note(out, levelNotice, "interface has gone")
	c.abandon(now, out)
}

// AddressChanged: somebody else deleted the address or made it his own. What an
// administrator did stays as it is.
func (c *Client) AddressChanged(now timer.Time, what AddrChange, out *Effects) {
	if c.gone {
		return
	}
	c.overdue(now, out) // the kernel removes an address at the end of its lifetime
	if c.installed == nil {
		return
	}
	if c.leaving != 0 || c.ending != endNot || c.lapse != 0 || !c.state.leased() && c.state != InitReboot {
		c.unconfigure(true, out)
		if c.state == PreBound && c.leaving == 0 && c.ending == endNot {
			c.withdraw(now, byFailure, out) // the answer to Configure counts no more
		}
		return
	}
	if what == AddrDeleted && c.lifetime <= now {
		// It was the kernel: it never learnt of the renewal.
		c.missing = true
		c.disarm(TimerRefresh, out)
		c.configFailed = false
		c.configure(c.lease.net, goalNone, out)
		return
	}
	text := "the address was deleted by somebody else"
	if what == AddrTaken {
		text = "the address was taken over by somebody else"
	}
	c.note(out, levelNotice, text, slog.String("addr", c.lease.addr.String()))
	c.abandon(now, out)
}

// abandon ends the client without a word to the server.
func (c *Client) abandon(now timer.Time, out *Effects) {
	c.endOp(api.InvIf, "", out)
	c.unconfigure(true, out)
	was := c.ending
	c.ending = endGone
	if was != endNot {
		if c.hook.op == 0 { // in RELEASING
			c.finishEnd(now, out)
		}
		return
	}
	c.leaving = 0
	if c.hook.after == afterRestart {
		c.hook.after = afterNothing // there is nothing to begin anew on
	}
	c.quiesce(out)
	c.runHook(now, eventDrop, afterEnd, out)
}

// Resume: the host slept, or somebody asks for a check of the lease.
func (c *Client) Resume(now timer.Time, out *Effects) {
	if c.gone {
		return
	}
	c.overdue(now, out)
	if c.leaving != 0 || c.ending != endNot || c.lapse != 0 {
		return
	}
	if c.installed != nil {
		// Kernel lifetimes stood still meanwhile.
		out.add(Effect{Kind: Refresh, Net: c.installed})
		c.linkLost = true // or the network changed without our seeing it
	}
	if c.link.Up {
		c.revive(now, false, out)
	}
}
