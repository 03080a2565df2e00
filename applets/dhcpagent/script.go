package dhcpagent

import (
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/hook"
	"daemonbox/core/timer"
)

// runHook gives an event to the event script. Its answer comes when the script
// has ended, or in the next turn where there is none.
func (c *client) runHook(e *dhcp4.Effect) {
	op := e.Op
	s := c.m.Status()
	v := hook.Values{
		Interface: c.name,
		Event:     e.Event,
		Family:    4,
		State:     s.State.String(),
		Net:       e.Net,
	}
	v.Message, _ = c.m.Ack()
	if e.Net != nil {
		if a := e.Net.Addr.Addr(); a != c.hookAddr {
			v.OldAddress, c.hookAddr = c.hookAddr, a
		}
	}
	c.a.hooks.Run(c.hookKey, c.name, e.Event, hook.Env(c.a.env.Getenv, &v), func() {
		if !c.removed {
			c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.HookDone(now, op, out) })
		}
	})
}
