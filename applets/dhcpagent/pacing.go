package dhcpagent

import (
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

// pacing hands out the agent's exchange slots.
type pacing struct {
	slots    dhcp4.Pacer[*client]
	timer    *timer.Timer
	granting bool
}

// acquire asks for a slot; the client hears of it at once where one is free.
func (a *agent) acquire(c *client) {
	a.pacer.slots.Acquire(c)
	a.grant()
}

// yield gives a slot back.
func (a *agent) yield(c *client) {
	a.pacer.slots.Yield(c)
	a.grant()
}

// grant gives free slots to those who wait, in order. A client that gets one
// may give another back at once: the loop below takes care of that, too.
func (a *agent) grant() {
	p := &a.pacer
	if p.granting {
		return
	}
	p.granting = true
	defer func() { p.granting = false }()
	for {
		c, ok := p.slots.Grant(a.loop.Now())
		if !ok {
			break
		}
		c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Slot(now, out) })
	}
	next := p.slots.Next()
	if next == timer.Never {
		if p.timer != nil {
			p.timer.Stop()
		}
		return
	}
	if p.timer == nil {
		p.timer = a.loop.Timer("pacing", a.grant)
	}
	p.timer.Set(next)
}
