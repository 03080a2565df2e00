package simtest

import (
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

// request is a user's command that waits for its answer.
type request struct {
	id   uint64
	cmd  api.Command
	ends timer.Time // process time; Never without a limit
}

// replySlack is what a timed-out request may be late: timers are exact here.
const replySlack = time.Millisecond

// reply answers a user: each request once.
func (h *Host) reply(e *dhcp4.Effect) {
	for i, r := range h.reqs {
		if r.id == e.Request {
			h.reqs = append(h.reqs[:i], h.reqs[i+1:]...)
			h.checkReply(r, e.Code)
			return
		}
	}
	h.bad("reply %s to request %d, which nobody waits for", e.Code.Name(), e.Request)
}

// checkReply: a success must be true.
func (h *Host) checkReply(r request, c api.Code) {
	h.countEvent("reply: " + r.cmd.String() + " " + c.Name())
	if c < 0 || c > api.Running {
		h.bad("reply code %d", c)
	}
	// A user who waits without a limit is told when the lease to extend or to
	// confirm is over.
	if c == api.Timeout && h.proc.Now().Before(r.ends) && !(r.ends == timer.Never && h.over()) {
		h.bad("TIMEOUT %v before the time", r.ends.Sub(h.proc.Now()))
	}
	if c != api.Success {
		return
	}
	s := h.m.State()
	switch r.cmd {
	case api.Start, api.Extend:
		if !h.inst.IsValid() && !h.over() && !h.refused {
			h.bad("%s succeeded in %v without an address", r.cmd, s)
		}
	case api.Drop, api.Release:
		if h.inst.IsValid() {
			h.bad("%s succeeded with %v on the link", r.cmd, h.inst)
		}
	case api.Inform:
		if s != dhcp4.Information && s != dhcp4.InformSent { // asked again after a change of the link
			h.bad("inform succeeded in %v", s)
		}
	}
}

// checkOverdueReplies: who named a time is answered in time.
func (h *Host) checkOverdueReplies() {
	for _, r := range h.reqs {
		if r.ends != timer.Never && h.proc.Now().After(r.ends.Add(replySlack)) && h.w.Now() != h.proc.Woke() {
			h.bad("request %d (%s) is %v overdue", r.id, r.cmd, h.proc.Now().Sub(r.ends))
		}
	}
}
