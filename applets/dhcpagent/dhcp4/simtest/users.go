package simtest

import (
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

// settleTime is how long after a RELEASE a new START waits here. A copy of the
// RELEASE that the network doubled and delayed would end the new lease of the
// same address on the server: the protocol has nothing against that.
const settleTime = 3 * time.Second

// ensureStarted makes the host want a lease, as an agent does that was given
// its interface at the start. It tries again where something is in the way.
func (h *Host) ensureStarted() {
	again := func() {
		h.w.After(time.Second, "start again", h.ensureStarted)
	}
	if !h.proc.Awake() || !h.kern.Awake() || h.stopping {
		if h.proc.Alive() || h.w.fair {
			if !h.proc.Alive() && h.kern.Alive() {
				h.proc.Restart()
			}
			again()
		}
		return
	}
	if h.m == nil {
		if h.w.Chance(0.05) && h.adopt() {
			return
		}
		h.operate(api.Start, -1)
		return
	}
	switch h.m.Check(api.Start) {
	case api.Running:
		return
	case api.Success:
		if st := h.m.Status(); st.Removed || len(h.reqs) > 0 {
			again()
		} else if st.State == dhcp4.Init && st.WaitFor == "" {
			h.operate(api.Start, -1)
		}
	default:
		again()
	}
}

// adopt takes the saved lease over as one that a boot loader obtained. A lease
// of unknown age is left out: a boot loader's is of this boot. Nobody adopts in
// a strict world: an adopted address is in use already and is not probed.
func (h *Host) adopt() bool {
	s := h.load()
	if h.w.opt.Strict || s == nil || s.Verify || h.k.addr.IsValid() || h.static.IsValid() || h.w.Now().Before(h.released.Add(settleTime)) {
		return false
	}
	h.createClient()
	h.count(inAdopt)
	h.step(func(now timer.Time) { h.m.Adopt(now, s, &h.out) })
	if h.m == nil {
		h.w.After(time.Second, "start instead", h.ensureStarted)
	}
	return true
}

// user lets a user do something.
func (h *Host) user() {
	if !h.proc.Awake() || !h.kern.Awake() || h.stopping {
		return
	}
	r := h.w.Rand
	waits := []time.Duration{-1, 0, time.Millisecond, 2 * time.Second, 30 * time.Second, 120 * time.Second}
	wait := waits[r.IntN(len(waits))]
	cmd := []api.Command{
		api.Start, api.Start, api.Start, api.Start, api.Extend, api.Extend, api.Extend,
		api.Drop, api.Release, api.Inform, api.Status, api.Ping,
	}[r.IntN(12)]
	if h.static.IsValid() && r.IntN(3) > 0 {
		cmd = api.Inform
	}
	h.operate(cmd, wait)
	if r.IntN(4) == 0 && len(h.reqs) > 0 {
		id := h.reqs[len(h.reqs)-1].id
		h.w.After(h.w.Duration(0, 20*time.Second), "user leaves", func() { h.abandon(id) })
	}
}

// operate gives the agent a command as its control socket would.
func (h *Host) operate(cmd api.Command, wait time.Duration) {
	if cmd == api.Start && h.w.Now().Before(h.released.Add(settleTime)) {
		h.w.After(settleTime, "start later", h.ensureStarted)
		return
	}
	h.w.Trace().Add(h.proc, "command", cmd.String(), int64(wait/time.Millisecond), 0)
	if h.m == nil {
		switch {
		case cmd == api.Start && !h.static.IsValid(), cmd == api.Inform && h.static.IsValid():
			h.createClient()
		default:
			return // the agent itself answers that there is no client
		}
	}
	code := h.m.Check(cmd)
	if code != api.Success || !cmd.Privileged() {
		h.checkCode(cmd, code)
		return
	}
	h.lastID++
	ends := timer.Never
	if wait >= 0 {
		ends = h.proc.Now().Add(wait)
	}
	h.reqs = append(h.reqs, request{id: h.lastID, cmd: cmd, ends: ends})
	r := dhcp4.Request{ID: h.lastID, Cmd: cmd, User: true, Timeout: wait}
	switch cmd {
	case api.Start:
		h.start(r)
	case api.Inform:
		r.Addr = h.static
		h.cause("user")
		h.command(r)
	case api.Drop, api.Release:
		h.cause("user")
		h.command(r)
	default:
		h.command(r)
	}
}

// checkCode: a refusal at once must have one of the reasons there are.
func (h *Host) checkCode(cmd api.Command, c api.Code) {
	switch c {
	case api.Success, api.Running, api.OutState, api.Bootp, api.FailedIf:
	default:
		h.bad("%s refused with %s", cmd, c.Name())
	}
}

// abandon is a user who closes the connection.
func (h *Host) abandon(id uint64) {
	for i, r := range h.reqs {
		if r.id == id && h.m != nil && h.proc.Awake() {
			h.reqs = append(h.reqs[:i], h.reqs[i+1:]...)
			h.step(func(now timer.Time) { h.m.Abandon(now, id, &h.out) })
			return
		}
	}
}

// shutdown ends the agent in good order; it is started again later.
func (h *Host) shutdown() {
	if !h.proc.Awake() || !h.kern.Awake() || h.stopping || h.m == nil {
		return
	}
	h.stopping = true
	h.cause("shutdown")
	life := h.life
	h.count(inShutdown)
	h.step(func(now timer.Time) { h.m.Shutdown(now, &h.out) })
	h.w.After(h.w.Duration(settleTime, 2*time.Minute), "started again", h.ensureStarted)
	h.w.After(shutdownBound, "shutdown bound", func() {
		if h.life == life && h.m != nil && h.proc.Awake() && h.stopping {
			h.bad("shutdown is not done after %v", shutdownBound)
		}
	})
}

// shutdownBound is how long a shutdown takes at most: a script that is stopped
// at once, one that hangs until it is killed, the wait after a RELEASE, and the
// time an agent may be stopped or asleep meanwhile.
const shutdownBound = hookLimit + time.Second + maxAbsence
