package dhcpagent

import (
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

// stop begins the end of the agent. On a signal every lease is dropped or
// released as configured, with its hooks; the loop goes on until all is done.
func (a *agent) stop(why stopReason) {
	if a.stopping {
		return
	}
	a.stopping, a.reason = true, why
	a.idle.Stop()
	a.notify("STOPPING=1")
	keepAll := why == stopBound || why == stopLate || rootOnNetwork()
	for _, c := range a.sorted() {
		if keepAll || a.conf.Local(c.name).KeepOnExit {
			// The kernel's lifetimes end what nobody renews.
			if c.inst.addr.Prefix.IsValid() {
				c.log.Info("the address stays until its lease ends", "address", c.inst.addr.Prefix)
			}
			c.kept = true
			continue
		}
		c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Shutdown(now, out) })
	}
	a.finish()
}

// finish ends the loop once nothing is left to wait for: clients that give up
// their leases, scripts, answers that wait for the disk, the host's resolver.
func (a *agent) finish() {
	if !a.stopping || a.answering > 0 || a.hooks.Active() > 0 {
		return
	}
	for _, c := range a.clients {
		if !c.kept {
			return
		}
	}
	a.res.OnIdle(a.loop.Stop)
}

// close releases everything and waits until the files are on disk.
func (a *agent) close() {
	if a.server != nil {
		a.server.Close()
	}
	for _, p := range a.pifs {
		p.close()
	}
	if a.watcher != nil {
		a.watcher.Close()
	}
	if a.udp != nil {
		a.udp.close()
	}
	if a.conn != nil {
		a.conn.Close()
	}
	a.leases.flush()
	if a.unpid != nil {
		a.unpid()
	}
	a.loop.Close()
}

// logEnd says why the agent ended.
func (a *agent) logEnd() {
	switch a.reason {
	case stopInactivity:
		a.log.Info("ending: nothing to do for a while", "took", inactivity)
	case stopTerminate:
		a.log.Info("ending: told to by SIGTERM")
	case stopInterrupt:
		a.log.Info("ending: told to by SIGINT")
	case stopQuit:
		a.log.Warn("ending: told to by SIGQUIT")
	case stopBound:
		a.log.Info("ending: all interfaces are bound, their leases stay")
	case stopLate:
		a.log.Info("ending: what is bound stays so until its lease ends")
	case stopBroken:
		a.log.Error("ending: the event loop broke")
	}
}
