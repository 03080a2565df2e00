package simtest

import (
	"fmt"
	"net/netip"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

// bad ends the run: the machine did what it must not.
func (h *Host) bad(format string, args ...any) {
	h.w.Fail("machine of "+h.name, fmt.Errorf(format, args...))
}

// armed says which timers may be pending in a state. TimerOp belongs to the
// user's operation and may be pending in all.
func armed(s dhcp4.State) []dhcp4.TimerID {
	switch s {
	case dhcp4.Init:
		return []dhcp4.TimerID{dhcp4.TimerDelay}
	case dhcp4.Selecting:
		return []dhcp4.TimerID{dhcp4.TimerRetransmit, dhcp4.TimerOffer}
	case dhcp4.Requesting, dhcp4.InformSent:
		return []dhcp4.TimerID{dhcp4.TimerRetransmit}
	case dhcp4.PreBound:
		return []dhcp4.TimerID{dhcp4.TimerACD, dhcp4.TimerExpire}
	case dhcp4.Bound:
		return []dhcp4.TimerID{dhcp4.TimerT1, dhcp4.TimerT2, dhcp4.TimerExpire, dhcp4.TimerACD, dhcp4.TimerRefresh}
	case dhcp4.Renewing:
		return []dhcp4.TimerID{dhcp4.TimerRetransmit, dhcp4.TimerT2, dhcp4.TimerExpire, dhcp4.TimerACD, dhcp4.TimerRefresh}
	case dhcp4.Rebinding:
		return []dhcp4.TimerID{dhcp4.TimerRetransmit, dhcp4.TimerExpire, dhcp4.TimerACD, dhcp4.TimerRefresh}
	case dhcp4.Information:
		return []dhcp4.TimerID{dhcp4.TimerRefresh}
	case dhcp4.InitReboot:
		return []dhcp4.TimerID{dhcp4.TimerRetransmit, dhcp4.TimerExpire, dhcp4.TimerRefresh}
	case dhcp4.Releasing:
		return []dhcp4.TimerID{dhcp4.TimerRelease, dhcp4.TimerExpire}
	}
	return nil
}

// armedMasks is armed as a table: bit t of entry s.
var armedMasks = func() (m [int(dhcp4.Releasing) + 1]uint32) {
	for s := range m {
		m[s] = 1 << dhcp4.TimerOp
		for _, t := range armed(dhcp4.State(s)) {
			m[s] |= 1 << t
		}
	}
	return m
}()

// checkMachine looks at the machine between two inputs.
func (h *Host) checkMachine() {
	s := h.m.State()
	if int(s) >= len(armedMasks) {
		h.bad("state %d", s)
		return
	}
	mask := armedMasks[s]
	if h.hook.op != 0 {
		// A lease that is being given up keeps its end while the script runs.
		mask |= 1 << dhcp4.TimerExpire
	}
	for id, t := range h.timers {
		if t.Pending() && mask>>id&1 == 0 {
			h.bad("timer %s is armed in %v", timerNames[id], s)
		}
	}
	if s == dhcp4.Bound || s == dhcp4.Renewing || s == dhcp4.Rebinding {
		h.bound = h.w.Now()
	}
	h.checkAddress(s)
	h.checkProgress(s)
	h.checkOverdueReplies()
	if st := h.m.Status(); st.State != s {
		h.bad("status tells %v in %v", st.State, s)
	}
}

// checkAddress: which states have an address on the link. While an event
// script runs the address waits for its end, and a Configure may be under way.
func (h *Host) checkAddress(s dhcp4.State) {
	if h.hook.op != 0 || h.answering() || h.m.Status().Removed {
		return
	}
	has := h.inst.IsValid()
	switch s {
	case dhcp4.Bound, dhcp4.Renewing, dhcp4.Rebinding:
		if !has && !h.over() && !h.refused {
			h.bad("%v without an address", s)
		}
	case dhcp4.PreBound, dhcp4.InitReboot, dhcp4.Adopting, dhcp4.Releasing:
	default:
		if has {
			h.bad("%v with address %v on the link", s, h.inst)
		}
	}
}

func (h *Host) answering() bool {
	for _, a := range h.answers {
		if a.busy && a.life == h.life {
			return true
		}
	}
	return false
}

// checkProgress: a machine that wants something must be woken by something: a
// timer, the script's end, a slot, or the link's return.
func (h *Host) checkProgress(s dhcp4.State) {
	if !h.link.Up || h.hook.op != 0 || h.answering() || h.slotT.Pending() || h.w.slots != nil || len(h.news) > 0 {
		return
	}
	for id, t := range h.timers {
		if dhcp4.TimerID(id) != dhcp4.TimerOp && t.Pending() {
			return
		}
	}
	switch s {
	case dhcp4.Init, dhcp4.Information:
	case dhcp4.Bound, dhcp4.Renewing, dhcp4.Rebinding:
		if h.held.end != timer.Never && h.inst.IsValid() {
			h.bad("%v with a finite lease and no timer", s)
		}
	default:
		h.bad("%v waits for nothing", s)
	}
}

// checkGone: a client that ended leaves nothing behind.
func (h *Host) checkGone() {
	for id, t := range h.timers {
		if t.Pending() {
			h.bad("timer %s is armed after the end", timerNames[id])
		}
	}
	if h.inst.IsValid() {
		h.bad("address %v is on the link after the end", h.inst)
	}
	if h.hook.op != 0 {
		h.bad("event script %s runs after the end", h.hook.event)
	}
}

// checkSend looks at a message before it is sent.
func (h *Host) checkSend(e *dhcp4.Effect) {
	d := dhcp(e.Data)
	switch {
	case len(d) < 300 || len(d) > 1472:
		h.bad("message of %d octets", len(d))
		return
	case !d.ok() || d[0] != 1 || d[3] != 0:
		h.bad("malformed message: %s", describeDHCP(d))
		return
	case d[offOptions] != optType:
		h.bad("option %d stands before the message type", d[offOptions])
	case string(d[offCHAddr:offCHAddr+6]) != string(h.link.HWAddr) || d[1] != 1 || d[2] != 6:
		h.bad("message with hardware address %v", d.hw())
	case d.xid() == 0:
		h.bad("transaction id 0")
	}
	h.checkTable(e, d)
	if e.Src.IsValid() && e.Src != anyIP {
		own := h.k.addr.IsValid() && e.Src == h.k.addr.Addr() || h.static.IsValid() && e.Src == h.static.Addr()
		if !own && len(h.news) == 0 && !h.refused { // else it cannot know yet
			h.bad("%s from %v, which is not configured", describeDHCP(d), e.Src)
		}
		// Where the kernel refused a change the machine's own word counts: the
		// lease was acknowledged.
		if h.held.addr.IsValid() && e.Src == h.held.addr.Addr() && h.over() && !h.leased() {
			h.bad("%s from %v, whose lease is over", describeDHCP(d), e.Src)
		}
	}
	switch {
	case d.typ() == typeRelease:
		h.released = h.w.Now()
		h.endLease()
	case d.typ() == typeDecline && h.held.addr.IsValid() && d.optAddr(optRequestedIP) == h.held.addr.Addr():
		h.endLease()
	case d.typ() == typeRequest && (h.m.State() == dhcp4.Renewing || h.m.State() == dhcp4.Rebinding):
		h.asked++
	}
	h.countEvent("sent: " + typeNames[d.typ()] + " in " + h.m.State().String())
	h.rate.packet(h)
}

// leased tells whether the machine itself has a lease that is not over.
func (h *Host) leased() bool {
	st := h.m.Status()
	return st.Leased && h.proc.Now().Before(st.Expires)
}

// rule is a row of the table of messages (RFC 2131 §4.3.6, §4.4.1 table 5).
type rule struct {
	state             dhcp4.State
	bcast, ciaddr, ip bool // to everybody; ciaddr filled; option 50 must be there
	server            bool // option 54 must be there
}

// rules for REQUEST differ by state.
func ruleFor(typ byte, s dhcp4.State) (rule, bool) {
	switch typ {
	case typeDiscover:
		return rule{dhcp4.Selecting, true, false, false, false}, true
	case typeInform:
		return rule{dhcp4.InformSent, true, true, false, false}, true
	case typeRelease:
		return rule{dhcp4.Releasing, false, true, false, true}, true
	case typeDecline:
		return rule{s, true, false, true, true}, true
	case typeRequest:
		switch s {
		case dhcp4.Requesting:
			return rule{s, true, false, true, true}, true
		case dhcp4.InitReboot:
			return rule{s, true, false, true, false}, true
		case dhcp4.Renewing:
			return rule{s, false, true, false, false}, true
		case dhcp4.Rebinding:
			return rule{s, true, true, false, false}, true
		}
	}
	return rule{}, false
}

func (h *Host) checkTable(e *dhcp4.Effect, d dhcp) {
	s := h.m.State()
	r, ok := ruleFor(d.typ(), s)
	if !ok || r.state != s {
		h.bad("%s in %v", describeDHCP(d), s)
		return
	}
	ip, server := d.optAddr(optRequestedIP), d.optAddr(optServerID)
	switch {
	case r.bcast != (e.Dst == broadcastIP):
		h.bad("%s in %v to %v", describeDHCP(d), s, e.Dst)
	case r.ciaddr != (d.addr(offCIAddr) != anyIP):
		h.bad("%s in %v with ciaddr %v", describeDHCP(d), s, d.addr(offCIAddr))
	case r.ciaddr && d.addr(offCIAddr) != e.Src:
		h.bad("%s from %v", describeDHCP(d), e.Src)
	case r.ip && !ip.IsValid(), !r.ip && ip.IsValid() && d.typ() != typeDiscover:
		h.bad("%s in %v: option 50 is %v", describeDHCP(d), s, ip)
	case r.server != server.IsValid():
		h.bad("%s in %v: option 54 is %v", describeDHCP(d), s, server)
	}
	if !h.link.Up && d.typ() != typeRelease && d.typ() != typeDecline {
		h.bad("%s without carrier", describeDHCP(d))
	}
}

// checkNet looks at what is to be configured.
func (h *Host) checkNet(n *dhcp4.NetConfig) {
	a := n.Addr.Addr()
	switch {
	case !n.Addr.IsValid() || !a.Is4() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || a == broadcastIP:
		h.bad("Configure of %v", n.Addr)
	case n.Expires != timer.Never && n.Expires <= h.proc.Now():
		h.bad("Configure of %v, whose lease ended %v ago", n.Addr, h.proc.Now().Sub(n.Expires))
	case n.MTU != 0 && n.MTU < 576:
		h.bad("Configure with MTU %d", n.MTU)
	}
	for _, r := range n.Routes {
		if !r.Dst.IsValid() || r.Dst != r.Dst.Masked() || r.Gateway.IsValid() && !r.Gateway.Is4() {
			h.bad("Configure with route %v via %v", r.Dst, r.Gateway)
		}
	}
}

// checkSaved looks at a lease before it is written.
func (h *Host) checkSaved(s *dhcp4.Saved) {
	if s == nil {
		h.bad("Save without a lease")
		return
	}
	var m dhcp4.Message
	if r := dhcp4.Parse(&m, s.Current, netip.AddrPort{}, false); r != dhcp4.DropNone || m.Type != typeAck || m.YIAddr == anyIP {
		h.bad("Save of a message that is no lease (%v)", r)
	}
	if s.Start.After(h.proc.Now()) {
		h.bad("Save of a lease that begins in the future")
	}
}

// checkHook looks at an event before its script is run.
func (h *Host) checkHook(e *dhcp4.Effect) {
	if e.Op == 0 {
		h.bad("RunHook %s without an operation number", e.Event)
	}
	has := h.inst.IsValid()
	switch e.Event {
	case "BOUND", "EXTEND":
		switch h.m.State() {
		case dhcp4.Bound, dhcp4.Renewing, dhcp4.Rebinding: // the kernel's answer may have been slow
		default:
			has = false
		}
		if !has {
			h.bad("event %s in %v, address %v", e.Event, h.m.State(), h.inst)
		}
	case "EXPIRE":
		if !has && !h.over() && !h.refused {
			h.bad("event EXPIRE without an address")
		}
	case "DROP", "RELEASE":
	case "INFORM":
		if h.m.State() != dhcp4.Information {
			h.bad("event INFORM in %v", h.m.State())
		}
	default:
		if !h.cfg.HookExtra {
			h.bad("unknown event %q", e.Event)
		}
	}
}
