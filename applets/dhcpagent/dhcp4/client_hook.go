package dhcp4

import (
	"log/slog"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

// The events of the script.
const (
	eventBound   = "BOUND"
	eventExtend  = "EXTEND"
	eventExpire  = "EXPIRE"
	eventDrop    = "DROP"
	eventRelease = "RELEASE"
	eventInform  = "INFORM"
	// These are for scripts that asked for more (Config.HookExtra).
	eventNak     = "NAK"
	eventCarrier = "CARRIER"
)

// after is what waits for the end of an event script.
type after uint8

const (
	afterNothing after = iota
	afterOp            // the operation ends
	afterRestart       // the address goes, the client starts anew
	afterEnd           // the client ends
)

type runningHook struct {
	op     uint32
	after  after
	serial uint32 // operation that afterOp ends
}

// runHook starts the script. What waits for one that still runs is carried out
// at once.
func (c *Client) runHook(now timer.Time, event string, a after, out *Effects) {
	c.overtake(now, out)
	c.seq++
	c.hook = runningHook{op: c.seq, after: a, serial: c.op.serial}
	e := Effect{Kind: RunHook, Event: event, Op: c.seq}
	if c.lease != nil {
		e.Net = c.lease.net
	} else if c.informed != nil {
		e.Net = c.informed.net
	}
	out.add(e)
}

// extraHook runs an event that not every script knows, and never in the place
// of a running one.
func (c *Client) extraHook(now timer.Time, event string, out *Effects) {
	if c.cfg.HookExtra && c.hook.op == 0 {
		c.runHook(now, event, afterNothing, out)
	}
}

// overtake carries out what waits for the running script, as if it had ended.
func (c *Client) overtake(now timer.Time, out *Effects) {
	if c.hook.op != 0 {
		c.hookEnded(now, out)
	}
}

// HookDone is the end of the script, however it ended.
func (c *Client) HookDone(now timer.Time, op uint32, out *Effects) {
	if c.gone {
		return
	}
	c.overdue(now, out)
	if op != 0 && op == c.hook.op {
		c.hookEnded(now, out)
		if !c.gone {
			out.kind(Changed)
		}
	}
}

func (c *Client) hookEnded(now timer.Time, out *Effects) {
	h := c.hook
	c.hook = runningHook{}
	switch h.after {
	case afterOp:
		if c.op.active && c.op.serial == h.serial {
			c.endOp(api.Success, "", out)
		}
	case afterRestart:
		c.restart(now, out)
	case afterEnd:
		c.finishEnd(now, out)
	}
}

// withdraw gives up the lease, or the attempt to get one. Where the address is
// configured the script hears of it first and has 2 s before the address goes.
func (c *Client) withdraw(now timer.Time, why reason, out *Effects) {
	// The script hears also of an end whose address has gone before it.
	heard := c.state != PreBound && c.holding() || c.lapse != 0
	c.leaving = why
	c.quiesce(out)
	c.forget(out) // a new start must not find what is lost, should this one end before the script
	if c.op.user && c.op.cmd == api.Extend {
		c.endOp(api.SrvFailed, c.lastError, out)
	}
	c.beginInternal(api.Start)
	out.kind(Changed)
	if !heard {
		c.restart(now, out)
		if why == byNak {
			c.extraHook(now, eventNak, out)
		}
		return
	}
	c.overtake(now, out)
	keep := why == byExpiry && c.cfg.KeepOnExpiry
	cut := min(c.lease.expires, now).Add(useSlack)
	if !keep && cut > now {
		c.arm(TimerExpire, cut, out)
	}
	c.runHook(now, eventExpire, afterRestart, out)
	if !keep && cut <= now {
		c.unconfigure(false, out)
	}
}

// restart takes the address away and begins anew, at once or after the wait
// that repeated failures cost.
func (c *Client) restart(now timer.Time, out *Effects) {
	why := c.leaving
	c.leaving = 0
	if why != byExpiry || !c.cfg.KeepOnExpiry {
		c.unconfigure(false, out)
	}
	delay := c.restartDelay(why)
	if delay <= 0 {
		c.enter(now, Selecting, out)
		return
	}
	c.note(out, slog.LevelInfo, "next attempt later", slog.Duration("wait", delay))
	c.lease = nil
	c.enter(now, Init, out)
	c.arm(TimerDelay, now.Add(delay), out)
}
