package dhcp4

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"daemonbox/core/timer"
)

const (
	// useSlack is how long after its end a lease may still be configured; the
	// kernel's own lifetime has the same slack.
	useSlack = 2 * time.Second
	// configRetry is the wait before a change of the interface that failed is
	// tried again.
	configRetry = 10 * time.Second
	// mtuInterval is the least time between two changes of the interface's MTU:
	// with some drivers a change resets the link.
	mtuInterval = 60 * time.Second
)

// lease is a lease of ours, or the answer to an INFORM.
type lease struct {
	ack, orig      *Message // newest acknowledgement and first one
	net            *NetConfig
	addr, server   netip.Addr
	start          timer.Time
	t1, t2         timer.Time
	expires        timer.Time
	bootp, adopted bool
	// unverified: not to be used without a server's word.
	unverified bool
	saved      *Saved // nil for BOOTP
}

// after is what a Configure effect in flight is for.
type configGoal uint8

const (
	goalNone configGoal = iota
	goalBind
	goalExtend
)

type pendingConfig struct {
	op   uint32
	goal configGoal
}

// holding reports whether the address of the lease is configured.
func (c *Client) holding() bool {
	return c.lease != nil && c.installed != nil && c.installed.Addr.Addr() == c.lease.addr
}

// held reports whether the lease is used and nobody is giving it up.
func (c *Client) held() bool {
	return c.holding() && c.leaving == 0 && c.ending == endNot && c.lapse == 0
}

// acked is an ACK.
func (c *Client) acked(now timer.Time, m *Message, out *Effects) DropReason {
	sid := m.ServerID()
	switch c.state {
	case InformSent:
		return c.answered(now, m, out)
	case Requesting:
		if sid.IsValid() && sid != c.x.server {
			return DropServerID // another server's word about its own offer
		}
	case InitReboot, Renewing, Rebinding:
		// Any server: a failover partner, one that a relay speaks for.
	default:
		return DropState
	}
	secs, _ := m.Uint32(optLeaseTime)
	start := c.x.leaseStart(now)
	var r DropReason
	switch {
	case !ValidAddr(sid, c.cfg.Allow240):
		r = DropServerID
	case secs == 0, leaseEnd(start, secs) <= now:
		r = DropLease
	case m.YIAddr != c.x.addr:
		r = DropAddress
	default:
		r = m.CheckAddress(c.cfg.Allow240)
	}
	if r != DropNone {
		c.badAck(now, m, r, out)
		return r
	}
	orig := (*Message)(nil)
	if c.state != Requesting {
		orig = c.lease.orig
	}
	l := c.newLease(now, m.Clone(), orig, start, secs, out)
	if c.state.leased() || c.holding() {
		c.renewed(now, l, out)
		return DropNone
	}
	c.lease = l
	c.enter(now, PreBound, out)
	return DropNone
}

// badAck: an unusable ACK ends an attempt, but never a lease.
func (c *Client) badAck(now timer.Time, m *Message, r DropReason, out *Effects) {
	c.badOffers++
	c.lastError = "unusable ACK: " + r.String()
	if c.state.leased() || c.holding() {
		if now.Sub(c.renewNoted) >= time.Minute {
			c.renewNoted = now
			c.note(out, slog.LevelWarn, "unusable ACK to a renewal", slog.String("reason", r.String()),
				slog.String("peer", m.Src.String()), slog.String("addr", m.YIAddr.String()))
		}
		return
	}
	c.note(out, slog.LevelWarn, "unusable ACK, starting anew", slog.String("reason", r.String()),
		slog.String("peer", m.Src.String()))
	c.withdraw(now, byFailure, out)
}

// bindBootp takes a BOOTP reply: an infinite lease without a server's promise.
func (c *Client) bindBootp(now timer.Time, m *Message, out *Effects) {
	l := c.newLease(now, m, nil, c.x.leaseStart(now), infinite, out)
	l.bootp, l.saved = true, nil
	if !l.server.IsValid() && !m.SIAddr.IsUnspecified() {
		l.server = m.SIAddr
	}
	c.lease = l
	c.enter(now, PreBound, out)
}

// newLease makes a lease of an acknowledgement that was checked. m is kept.
func (c *Client) newLease(now timer.Time, m, orig *Message, start timer.Time, secs uint32, out *Effects) *lease {
	if orig == nil {
		orig = m
	}
	l := &lease{ack: m, orig: orig, addr: m.YIAddr, server: m.ServerID(), start: start}
	l.t1, l.t2, l.expires = c.leaseTimes(m, start, secs)
	end := l.expires
	if c.cfg.KeepOnExpiry {
		end = timer.Never
	}
	var warnings []Warning
	l.net, warnings = BuildNet(c.cfg, m, end)
	for _, w := range warnings {
		c.note(out, w.Level, w.Text, w.Attrs...)
	}
	c.limitMTU(now, l.net)
	l.saved = &Saved{
		Current: m.Raw, Original: orig.Raw, Start: start,
		HWType: c.link.HWType, HWAddr: c.link.HWAddr,
	}
	return l
}

// limitMTU keeps the MTU of the last lease if it was set a moment ago.
func (c *Client) limitMTU(now timer.Time, n *NetConfig) {
	was := 0
	if c.installed != nil {
		was = c.installed.MTU
	}
	if n.MTU == was {
		return
	}
	if c.installed != nil && now.Before(c.mtuSet.Add(mtuInterval)) {
		n.MTU = was
		return
	}
	c.mtuSet = now
}

func leaseEnd(start timer.Time, secs uint32) timer.Time {
	if secs == infinite {
		return timer.Never
	}
	return start.Add(time.Duration(secs) * time.Second)
}

// leaseTimes computes T1, T2 and the end of a lease (RFC 2131 §4.4.5). Times of
// the server count only together, so that its T1 never meets our own T2.
func (c *Client) leaseTimes(m *Message, start timer.Time, secs uint32) (t1, t2, end timer.Time) {
	const shortLease = 10 // seconds; below it there is time for one request
	end = leaseEnd(start, secs)
	if end == timer.Never {
		return end, end, end
	}
	t := time.Duration(secs) * time.Second
	if secs < shortLease {
		return timer.Never, start.Add(t / 2), end
	}
	a, ok1 := m.Uint32(optT1)
	b, ok2 := m.Uint32(optT2)
	if ok1 && ok2 && a > 0 && a <= b && b < secs {
		return start.Add(time.Duration(a) * time.Second), start.Add(time.Duration(b) * time.Second), end
	}
	fuzz := t / 50 // ±2 %, so that a server's clients do not all come at once
	return start.Add(t/2 + c.jitter(fuzz)), start.Add(t*7/8 + c.jitter(fuzz)), end
}

// enterPreBound looks for another holder of the address before it is
// configured, where that is wanted.
func (c *Client) enterPreBound(now timer.Time, out *Effects) {
	c.arm(TimerExpire, c.lease.expires, out)
	if c.detects() && c.cfg.ACD != ACDOptimistic {
		c.startProbing(now, acdProbing, out)
		return
	}
	c.bindNow(now, out)
}

// bindNow configures the address, unless the lease ended while it was probed.
func (c *Client) bindNow(now timer.Time, out *Effects) {
	if c.lease.expires <= now {
		c.lastError = "the lease was over before it could be used"
		c.withdraw(now, byFailure, out)
		return
	}
	c.configure(c.lease.net, goalBind, out)
}

// configure makes the interface carry n. An answer still awaited to an earlier
// Configure is no longer awaited; what was to follow it follows this one.
func (c *Client) configure(n *NetConfig, goal configGoal, out *Effects) {
	c.seq++
	if goal == goalNone && n != nil {
		goal = c.config.goal
	}
	c.config = pendingConfig{c.seq, goal}
	c.installed = n
	out.add(Effect{Kind: Configure, Net: n, Op: c.seq})
}

// unconfigure takes everything of ours off the interface. With foreign the
// address is not ours any more and stays, if it is there.
func (c *Client) unconfigure(foreign bool, out *Effects) {
	if c.installed == nil {
		return
	}
	c.seq++
	c.config = pendingConfig{op: c.seq}
	c.installed, c.missing, c.configFailed = nil, false, false
	out.add(Effect{Kind: Configure, Op: c.seq, Flag: foreign})
}

// Configured is the driver's answer to Configure.
func (c *Client) Configured(now timer.Time, op uint32, err error, out *Effects) {
	if c.gone {
		return
	}
	c.overdue(now, out)
	if op == 0 || op != c.config.op {
		return
	}
	goal := c.config.goal
	c.config = pendingConfig{}
	if err == nil && c.installed != nil {
		c.lifetime, c.missing = c.installed.Expires, false
	}
	if err != nil {
		c.lastError = err.Error()
		if now.Sub(c.configNoted) >= time.Minute {
			c.configNoted = now
			c.note(out, slog.LevelError, "cannot configure the interface", slog.String("err", c.lastError))
		}
	}
	switch {
	case goal == goalBind && c.state == PreBound:
		if err != nil || c.lease.expires <= now {
			c.withdraw(now, byFailure, out)
			return
		}
		c.bound(now, out)
	case goal == goalExtend && c.state.leased():
		// A change that failed does not end the lease.
		c.extended(now, out)
	}
	if err != nil && (c.state.leased() || c.state == InitReboot) && c.held() && c.timers[TimerRefresh] == timer.Never {
		c.configFailed = true
		wait := configRetry
		if c.missing {
			wait = time.Second
		}
		c.arm(TimerRefresh, now.Add(wait), out)
	}
}

// bound: the address is ours and configured.
func (c *Client) bound(now timer.Time, out *Effects) {
	c.enter(now, Bound, out)
	c.backoff.bound()
	c.failed, c.lastError, c.linkLost = false, "", false
	c.acd.defended = longAgo // that was another address
	l := c.lease
	c.note(out, slog.LevelInfo, "lease obtained", slog.String("addr", l.net.Addr.String()),
		slog.String("peer", l.peer()), slog.String("lease", leaseText(l)))
	c.save(out)
	c.runHook(now, eventBound, afterOp, out)
	switch {
	case !c.detects():
		c.backoff.conflicts = 0
		c.acd.stop()
	case c.cfg.ACD == ACDOptimistic:
		c.startProbing(now, acdBackground, out)
	default:
		c.backoff.conflicts = 0
		c.startAnnouncing(now, out)
	}
	c.listen(out)
}

// peer names who gave the lease; a BOOTP server may not say who it is.
func (l *lease) peer() string {
	switch {
	case l.server.IsValid():
		return l.server.String()
	case l.ack.Src.IsValid():
		return l.ack.Src.Addr().String()
	}
	return ""
}

func leaseText(l *lease) string {
	if l.expires == timer.Never {
		return "infinite"
	}
	return l.expires.Sub(l.start).String()
}

// enterBound arms the lease's times.
func (c *Client) enterBound(_ timer.Time, out *Effects) {
	l := c.lease
	c.retried = false
	c.arm(TimerT1, l.t1, out)
	c.arm(TimerT2, l.t2, out)
	c.arm(TimerExpire, l.expires, out)
}

// save stores the lease, unless it came by BOOTP.
func (c *Client) save(out *Effects) {
	if c.lease.saved == nil {
		return
	}
	c.stored = true
	out.add(Effect{Kind: Save, Saved: c.lease.saved})
}

// sameNet reports whether a and b configure the same but for the lifetimes.
func sameNet(a, b *NetConfig) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Addr == b.Addr && a.Broadcast == b.Broadcast && a.MTU == b.MTU && a.RouteMTU == b.RouteMTU &&
		a.Server == b.Server && a.Domain == b.Domain && slices.Equal(a.Routes, b.Routes) &&
		slices.Equal(a.DNS, b.DNS) && slices.Equal(a.Search, b.Search) && slices.Equal(a.NTP, b.NTP)
}
