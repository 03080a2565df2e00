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
	switch {
	case why == stopBound || why == stopInactivity:
		// -1 leaves everything in place; without clients there is nothing.
	case a.keepOnExit():
		a.log.Info("ending; the addresses stay since the system needs them")
	default:
		for _, c := range a.sorted() {
			c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Shutdown(now, out) })
		}
		a.finish()
		return
	}
	a.loop.Stop()
}

// finish ends the loop once no client and no hook is left.
func (a *agent) finish() {
	if a.stopping && len(a.clients) == 0 && a.hooks.Active() == 0 {
		a.res.OnIdle(a.loop.Stop)
	}
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
	a.loop.Close()
}

// logEnd says why the agent ended.
func (a *agent) logEnd() {
	switch a.reason {
	case stopInactivity:
		a.log.Info("ending: nothing to do for a while", "took", inactivity)
	case stopTerminate:
		a.log.Info("ending: told to by SIGTERM")
	case stopSignal:
		a.log.Warn("ending: told to by SIGQUIT")
	case stopBound:
		a.log.Info("ending: all interfaces are bound, their leases stay")
	case stopBroken:
		a.log.Error("ending: the event loop broke")
	}
}
