package dhcp4

import (
	"log/slog"
	"net/netip"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

const (
	// releaseWait is how long the address stays after the RELEASE was handed to
	// the kernel, which may have to find the next hop's hardware address first.
	releaseWait = 250 * time.Millisecond
	// adoptedLease bounds a lease that somebody else obtained, in seconds.
	adoptedLease = 3600
	adoptedTime  = adoptedLease * time.Second
)

// operation is what is being done for a user, or by the client for itself.
type operation struct {
	active, user bool
	cmd          api.Command
	id           uint64 // of the request, 0 if nobody waits
	endless      bool   // the user waits without a limit
	serial       uint32
}

// ending is what becomes of the client when its last script ends.
type ending uint8

const (
	endNot ending = iota
	endDrop
	endRelease
	endGone // nothing is left to do
)

func commands(list ...api.Command) uint16 {
	var set uint16
	for _, cmd := range list {
		set |= 1 << cmd
	}
	return set
}

// accepts returns the commands that s takes.
func (s State) accepts() uint16 {
	const always = 1<<api.Drop | 1<<api.Ping | 1<<api.Status
	switch s {
	case Init:
		return always | commands(api.Start, api.Inform)
	case Selecting, Requesting:
		return always | commands(api.Start)
	case PreBound, Bound, Renewing, Rebinding, Declining:
		return always | commands(api.Extend, api.Release, api.GetTag)
	case Information:
		return always | commands(api.Start, api.Inform, api.GetTag)
	case InitReboot:
		return always | commands(api.Release, api.Start)
	case Adopting:
		return always | commands(api.Release)
	case InformSent:
		return always | commands(api.Start, api.Inform)
	case Releasing:
		return always | commands(api.GetTag)
	}
	return 0
}

// Check reports whether the command is possible now: Success, Bootp, OutState,
// Running, FailedIf, or CmdUnknown for one that does not concern a client.
func (c *Client) Check(cmd api.Command) api.Code {
	if cmd > api.GetTag {
		return api.CmdUnknown
	}
	if c.lease != nil && c.lease.bootp {
		switch cmd {
		case api.Extend, api.Release, api.Inform:
			return api.Bootp
		}
	}
	switch {
	case c.state.accepts()>>cmd&1 != 0:
	case cmd == api.Start && c.state != Releasing:
		return api.Running
	default:
		return api.OutState
	}
	if cmd == api.Ping && c.failed {
		return api.FailedIf
	}
	return api.Success
}

// Command begins the operation that r asks for. r.ID is answered exactly once,
// now or later, unless Abandon comes first.
func (c *Client) Command(now timer.Time, r Request, out *Effects) {
	if c.gone {
		c.reply(r.ID, api.UnkIf, "", out)
		return
	}
	c.overdue(now, out)
	if code := c.refuse(&r); code != api.Success {
		c.reply(r.ID, code, "", out)
		return
	}
	c.displace(now, out)
	// The end of what was displaced may have changed the state.
	if code := c.Check(r.Cmd); code != api.Success {
		c.reply(r.ID, code, "", out)
		return
	}
	c.op = operation{active: true, user: r.User, cmd: r.Cmd, id: r.ID, endless: r.Timeout < 0, serial: c.op.serial + 1}
	serial := c.op.serial
	if r.User && r.Timeout > 0 {
		c.arm(TimerOp, now.Add(r.Timeout), out)
	}
	if (r.Cmd == api.Start || r.Cmd == api.Extend) && r.Hostname != "" {
		c.hostname = r.Hostname
	}
	switch r.Cmd {
	case api.Start:
		c.start(now, r.Saved, out)
	case api.Extend:
		// In PRE_BOUND the lease is as fresh as can be.
		if c.state != PreBound {
			c.extend(now, out)
		}
	case api.Inform:
		c.inform(now, r.Addr, out)
	case api.Release:
		c.end(now, endRelease, out)
	case api.Drop:
		c.end(now, endDrop, out)
	}
	if r.User && r.Timeout == 0 && c.op.active && c.op.serial == serial {
		c.endOp(api.Timeout, "", out)
	}
	out.kind(Changed)
}

// Refuses returns why r would not be begun now, Success if it would: the
// driver asks before it prepares something for a START.
func (c *Client) Refuses(r *Request) api.Code {
	if c.gone {
		return api.UnkIf
	}
	return c.refuse(r)
}

// refuse goes through the reasons not to begin, in the order users know.
func (c *Client) refuse(r *Request) api.Code {
	switch r.Cmd {
	case api.Start, api.Extend, api.Inform, api.Release, api.Drop:
	default:
		return api.CmdUnknown
	}
	if code := c.Check(r.Cmd); code != api.Success {
		return code
	}
	switch {
	case c.stopping:
		return api.OutState
	case c.op.user, c.ending != endNot:
		return api.Pend
	}
	return api.Success
}

// displace finishes an internal operation quietly. What waits for its script is
// done at once.
func (c *Client) displace(now timer.Time, out *Effects) {
	if c.hook.op != 0 && (c.op.active || c.leaving != 0) {
		out.kind(StopHook)
		c.overtake(now, out)
	}
	c.endOp(api.Pend, "", out) // an internal one has an id where the agent itself asked
}

func (c *Client) clearOp(out *Effects) {
	c.disarm(TimerOp, out)
	c.op = operation{serial: c.op.serial}
}

// beginInternal records an operation of the client itself, unless one is
// pending.
func (c *Client) beginInternal(cmd api.Command) {
	if !c.op.active {
		c.op = operation{active: true, cmd: cmd, serial: c.op.serial + 1}
	}
}

// endOp ends the operation and answers its user.
func (c *Client) endOp(code api.Code, text string, out *Effects) {
	if !c.op.active {
		return
	}
	id := c.op.id
	c.clearOp(out)
	c.reply(id, code, text, out)
	out.kind(Changed)
}

func (c *Client) reply(id uint64, code api.Code, text string, out *Effects) {
	if id == 0 {
		return
	}
	if text == "" {
		text = code.Text()
	}
	out.add(Effect{Kind: Reply, Request: id, Code: code, Text: text})
}

// Abandon tells that the user of request id went away: the work goes on.
func (c *Client) Abandon(_ timer.Time, id uint64, out *Effects) {
	if !c.gone && id != 0 && c.op.active && c.op.id == id {
		c.clearOp(out)
		out.kind(Changed)
	}
}

// start begins with the saved lease if there is one of use.
func (c *Client) start(now timer.Time, s *Saved, out *Effects) {
	c.zeroCounters()
	c.failed = false
	c.linkLost = c.linkLost && c.holding()
	if c.state == InitReboot && c.holding() {
		c.enter(now, InitReboot, out) // the configured lease is the saved one
		return
	}
	c.lease, c.informed = nil, nil
	c.backoff.grace = true // somebody waits, and nothing has gone wrong yet
	if s != nil {
		c.lease = c.load(now, s, out)
	}
	if c.lease != nil {
		held := s.Held || s.Stands
		if held {
			c.installed = c.lease.net
			c.linkLost = !s.Held
		}
		c.enter(now, InitReboot, out)
		if held {
			// The first message has its place before the work with the kernel.
			c.configure(c.lease.net, goalNone, out)
		}
		return
	}
	if s != nil && (s.Held || s.Stands) {
		c.removeStanding(out)
	}
	if d := c.upTo(c.cfg.StartDelay); d > 0 {
		c.enter(now, Init, out)
		c.arm(TimerDelay, now.Add(d), out)
		return
	}
	c.enter(now, Selecting, out)
}

// removeStanding takes away an address that an earlier run of the agent left on
// the link and that is of no use.
func (c *Client) removeStanding(out *Effects) {
	c.seq++
	c.config = pendingConfig{op: c.seq}
	c.installed = nil
	out.add(Effect{Kind: Configure, Op: c.seq})
}

// load makes a lease of a saved one, nil if it is of no use.
func (c *Client) load(now timer.Time, s *Saved, out *Effects) *lease {
	bad := func(why string) *lease {
		c.note(out, slog.LevelInfo, "saved lease not used", slog.String("reason", why))
		return nil
	}
	parse := func(b []byte) (*Message, DropReason) {
		m := new(Message)
		r := Parse(m, b, netip.AddrPort{}, false)
		switch {
		case r != DropNone:
			return nil, r
		case m.Type != typeAck:
			return nil, DropType
		}
		m.Ignore(c.cfg.ParamIgnore)
		return m, DropNone
	}
	m, r := parse(s.Current)
	if r == DropNone {
		r = m.CheckAddress(c.cfg.Allow240)
	}
	if r != DropNone {
		return bad(r.String())
	}
	secs, _ := m.Uint32(optLeaseTime)
	switch {
	case secs == 0 || !ValidAddr(m.ServerID(), c.cfg.Allow240):
		return bad("incomplete")
	case c.cfg.ClientIDFollowsHW && s.HWAddr != nil && !c.sameHardware(s):
		return bad("hardware address changed")
	}
	if s.Adopted {
		secs = min(secs, adoptedLease)
	}
	if leaseEnd(s.Start, secs) <= now {
		return bad("over")
	}
	orig, _ := parse(s.Original)
	l := c.newLease(now, m, orig, s.Start, secs, out)
	l.unverified, l.adopted = s.Verify, s.Adopted
	l.saved.Adopted = s.Adopted
	return l
}

func (c *Client) sameHardware(s *Saved) bool {
	return s.HWType == c.link.HWType && string(s.HWAddr) == string(c.link.HWAddr)
}

// extend renews now.
func (c *Client) extend(now timer.Time, out *Effects) {
	if c.lease.t2 <= now || c.state == Rebinding {
		c.enter(now, Rebinding, out)
		return
	}
	c.renew(now, out)
}

// inform asks for configuration only.
func (c *Client) inform(now timer.Time, p netip.Prefix, out *Effects) {
	if !p.Addr().Is4() || p.Addr().IsUnspecified() {
		c.endOp(api.NoIPIf, "", out)
		return
	}
	c.lease = nil
	c.informed = &lease{addr: p.Addr()}
	c.enter(now, InformSent, out)
}

// answered is the ACK to an INFORM. What it says of a lease is ignored
// (RFC 2131 §4.3.5).
func (c *Client) answered(now timer.Time, m *Message, out *Effects) DropReason {
	if !ValidAddr(m.ServerID(), c.cfg.Allow240) { // RFC 2131 table 3: a MUST here too
		c.badOffers++
		return DropServerID
	}
	k := m.Clone()
	k.YIAddr = anyAddr
	l := &lease{ack: k, orig: k, addr: c.informed.addr, server: m.ServerID()}
	var warnings []Warning
	l.net, warnings = BuildNet(c.cfg, k, timer.Never)
	for _, w := range warnings {
		c.note(out, w.Level, w.Text, w.Attrs...)
	}
	c.informed = l
	c.enter(now, Information, out)
	c.runHook(now, eventInform, afterOp, out)
	return DropNone
}

// end begins a DROP or RELEASE: everything stops, the script runs, and then the
// rest follows.
func (c *Client) end(now timer.Time, e ending, out *Effects) {
	c.overtake(now, out)
	c.ending = e
	c.leaving = 0
	c.quiesce(out)
	if c.installed != nil && c.lease != nil && c.lease.expires != timer.Never {
		c.arm(TimerExpire, c.lease.expires.Add(useSlack), out)
	}
	event := eventDrop
	if e == endRelease {
		event = eventRelease
	}
	c.runHook(now, event, afterEnd, out)
}

// finishEnd follows the script of DROP or RELEASE.
func (c *Client) finishEnd(now timer.Time, out *Effects) {
	switch c.ending {
	case endDrop:
		switch {
		case c.lease == nil:
		case c.lease.expires <= now: // of no use to the next start
			c.forget(out)
		case c.state.leased(), c.state == PreBound:
			c.save(out)
		}
	case endRelease:
		if c.holding() && c.lease.server.IsValid() && c.link.Up && !c.missing && now < c.lease.expires {
			c.enter(now, Releasing, out)
			return
		}
		c.stored = true
		c.forget(out)
	}
	c.finish(out)
}

func (c *Client) finish(out *Effects) {
	c.quiesce(out)
	c.unconfigure(false, out)
	c.endOp(api.Success, "", out)
	c.gone = true
	if c.probing {
		c.probing = false
		out.add(Effect{Kind: Probing})
	}
	out.kind(Gone)
}

// enterReleasing sends the RELEASE (RFC 2131 §4.4.6) while the address is still
// there, and leaves the kernel time to find the next hop.
func (c *Client) enterReleasing(now timer.Time, out *Effects) {
	l := c.lease
	c.stored = true
	c.forget(out)
	c.send(now, l.addr, l.server, &outgoing{
		kind: kindRelease, xid: c.newXid(), addr: l.addr, server: l.server, reason: "released on request",
	}, out)
	c.arm(TimerRelease, now.Add(releaseWait), out)
	c.arm(TimerExpire, l.expires.Add(useSlack), out)
}

// released is the end of the wait.
func (c *Client) released(out *Effects) { c.finish(out) }

// Shutdown: the agent ends. The client releases or drops the lease as
// configured and ends in Gone.
func (c *Client) Shutdown(now timer.Time, out *Effects) {
	if c.gone {
		return
	}
	c.overdue(now, out)
	c.stopping = true
	if c.ending != endNot {
		return
	}
	if c.op.user {
		c.endOp(api.OutState, "the agent is ending", out)
	}
	c.displace(now, out)
	e := endDrop
	if (c.cfg.ReleaseOnSigterm || c.cfg.VerifiedLeaseOnly) && c.Check(api.Release) == api.Success {
		e = endRelease
	}
	c.end(now, e, out)
}

// Adopt takes over a lease that a boot loader or an initramfs obtained. When it
// began is not known for sure: it counts for an hour at most and is renewed at
// once.
func (c *Client) Adopt(now timer.Time, s *Saved, out *Effects) {
	if c.gone || c.state != Init || c.ending != endNot || c.op.active {
		return
	}
	l := c.load(now, s, out)
	if l != nil {
		end := min(l.expires, now.Add(adoptedTime))
		secs, _ := l.ack.Uint32(optLeaseTime)
		a := *s
		a.Adopted = true
		a.Start = end.Add(-time.Duration(min(secs, adoptedLease)) * time.Second)
		l = c.load(now, &a, out)
	}
	if l == nil {
		c.lastError = "the lease to adopt is not usable"
		c.note(out, slog.LevelError, c.lastError)
		c.gone = true
		out.kind(Gone)
		return
	}
	c.disarm(TimerDelay, out)
	c.enter(now, Adopting, out)
	c.lease = l
	c.configure(l.net, goalNone, out)
	c.enter(now, Bound, out)
	c.backoff.bound()
	c.save(out)
	c.beginInternal(api.Extend)
	c.renew(now, out)
}
