package dhcp4

import (
	"log/slog"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

const (
	// busyRetry is the delay of a step of the lease while a user's operation is
	// pending.
	busyRetry = 10 * time.Second
	// t2Proximity: this near to T2 no renewal is begun.
	t2Proximity = 2 * time.Second
)

// putOff delays a step of the lease while a user's operation is pending. An
// operation without a time limit delays it once.
func (c *Client) putOff(now timer.Time, id TimerID, out *Effects) bool {
	if !c.op.user || c.op.endless && c.retried {
		c.retried = false
		return false
	}
	c.retried = true
	c.arm(id, now.Add(busyRetry), out)
	return true
}

func (c *Client) t1(now timer.Time, out *Effects) {
	if !c.putOff(now, TimerT1, out) {
		c.beginInternal(api.Extend)
		c.renew(now, out)
	}
}

func (c *Client) t2(now timer.Time, out *Effects) {
	if !c.putOff(now, TimerT2, out) {
		c.beginInternal(api.Extend)
		c.enter(now, Rebinding, out)
	}
}

// renew asks for more time: the server of the lease before T2, any one after.
func (c *Client) renew(now timer.Time, out *Effects) {
	l := c.lease
	if l.t2 != timer.Never && l.t2.Sub(now) <= t2Proximity || !l.server.IsValid() {
		c.enter(now, Rebinding, out)
		return
	}
	c.enter(now, Renewing, out)
}

// enterRenewal sends the first request in RENEWING or REBINDING. Rebinding
// goes on with the renewal's exchange where there is one.
func (c *Client) enterRenewal(now timer.Time, out *Effects) {
	if c.state == Rebinding && c.x.xid != 0 {
		c.x.kind, c.x.tries = kindRebind, 0
		c.transmit(now, out)
		return
	}
	c.zeroCounters()
	k := kindRenew
	if c.state == Rebinding {
		k = kindRebind
	}
	c.begin(now, k, out)
}

// renewed takes the ACK to a renewal, or to INIT-REBOOT with the address
// configured all along.
func (c *Client) renewed(now timer.Time, l *lease, out *Effects) {
	c.checkExtension(now, c.lease, l, out)
	c.lease = l
	lost := c.linkLost
	change := lost || c.configFailed || !sameNet(c.installed, l.net)
	c.linkLost, c.configFailed, c.lapse, c.lastError = false, false, 0, ""
	c.disarm(TimerRefresh, out)
	c.backoff.bound()
	if change {
		c.configure(l.net, goalExtend, out)
	}
	c.enter(now, Bound, out)
	if !change {
		c.installed, c.lifetime = l.net, l.net.Expires
		out.add(Effect{Kind: Refresh, Net: l.net})
		c.extended(now, out)
	}
	if lost && c.detects() {
		c.startProbing(now, acdBackground, out)
		c.listen(out)
	}
}

// extended follows when the extension is configured.
func (c *Client) extended(now timer.Time, out *Effects) {
	c.save(out)
	c.runHook(now, eventExtend, afterOp, out)
}

// checkExtension warns where a renewal brings no more time. One that a user
// asked for soon after the last can bring but little.
func (c *Client) checkExtension(now timer.Time, old, l *lease, out *Effects) {
	slack := min(30*time.Second, l.expires.Sub(l.start)/10, l.start.Sub(old.start)/2)
	if l.expires == timer.Never || old.adopted || l.expires >= old.expires.Add(slack) ||
		now.Sub(c.renewNoted) < time.Minute || c.state == InitReboot {
		return
	}
	c.renewNoted = now
	level := slog.LevelWarn
	if l.expires.Sub(now) < time.Hour {
		level = slog.LevelError
	}
	c.note(out, level, "the renewal brought no more time", slog.String("peer", l.server.String()),
		slog.Duration("left", l.expires.Sub(now)))
}

// rebootUnanswered: nobody answered in INIT-REBOOT. RFC 2131 §3.2 allows the
// use of what is left of the lease.
func (c *Client) rebootUnanswered(now timer.Time, out *Effects) {
	l := c.lease
	switch {
	case c.cfg.VerifiedLeaseOnly || l.unverified:
		c.note(out, slog.LevelWarn, "no server confirmed the saved lease, starting anew")
		c.withdraw(now, byDoubt, out)
	case l.expires <= now:
		c.withdraw(now, byDoubt, out)
	case c.holding():
		c.note(out, slog.LevelWarn, "no server answers, keeping the lease", slog.String("addr", l.addr.String()))
		lost, failed := c.linkLost, c.configFailed
		c.linkLost, c.configFailed = false, false
		c.enter(now, Bound, out)
		if lost || failed || c.installed != l.net {
			c.configure(l.net, goalNone, out)
		}
		if lost && c.detects() {
			c.startProbing(now, acdBackground, out)
			c.listen(out)
		}
		if !c.op.user || c.op.cmd != api.Extend { // who wants it extended waits on
			c.endOp(api.Success, "", out)
		}
	default:
		c.note(out, slog.LevelWarn, "no server answers, using the saved lease", slog.String("addr", l.addr.String()))
		c.enter(now, PreBound, out)
	}
}

// expireTimer is the end of the lease, or of the time that a lease given up may
// still be configured.
func (c *Client) expireTimer(now timer.Time, out *Effects) {
	if c.leaving != 0 || c.ending != endNot {
		c.unconfigure(false, out)
		return
	}
	if c.state == PreBound {
		c.lastError = "the lease was over before it could be used"
		c.withdraw(now, byFailure, out)
		return
	}
	if c.op.user && c.lapsed(now, out) {
		return
	}
	if c.state == Bound {
		c.zeroCounters()
	}
	c.lastError = "the lease ran out"
	c.note(out, slog.LevelWarn, "lease ran out", slog.String("addr", c.lease.addr.String()))
	c.backoff.hint = c.lease.addr
	c.withdraw(now, byExpiry, out)
}

// lapsed puts the clean-up of a lease that is over off while a user's operation
// is pending: nothing is sent any more, after 2 s the address goes, and every
// 10 s it is tried again.
func (c *Client) lapsed(now timer.Time, out *Effects) bool {
	cut := c.lease.expires.Add(useSlack)
	switch {
	case c.lapse == 0:
		for _, id := range [...]TimerID{TimerRetransmit, TimerT1, TimerT2, TimerACD, TimerRefresh} {
			c.disarm(id, out)
		}
		if c.x.slot != slotNone {
			c.x.slot = slotNone
			out.kind(Yield)
		}
		c.acd.stop()
		c.lapse = 1
		if cut > now && !c.cfg.KeepOnExpiry {
			c.arm(TimerExpire, cut, out)
			return true
		}
		fallthrough
	case c.lapse == 1:
		c.lapse = 2
		if !c.cfg.KeepOnExpiry {
			c.unconfigure(false, out)
		}
		c.arm(TimerExpire, now.Add(busyRetry-useSlack), out)
		return true
	case c.op.endless:
		c.endOp(api.Timeout, "the lease ran out", out)
		return false
	}
	c.arm(TimerExpire, now.Add(busyRetry), out)
	return true
}

func (c *Client) zeroCounters() { c.sent, c.recv, c.badOffers = 0, 0, 0 }
