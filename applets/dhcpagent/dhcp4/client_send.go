package dhcp4

import (
	"log/slog"
	"net/netip"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

const (
	// maxRequests is how often a REQUEST is sent in REQUESTING and INIT-REBOOT
	// (RFC 2131 §4.1 leaves the number to the client).
	maxRequests = 4
	// maxInfinite is how often a renewal of an infinite lease is tried.
	maxInfinite = 4

	firstWait = 4 * time.Second  // RFC 2131 §4.1
	maxWait   = 64 * time.Second // the same
	// A DISCOVER comes every 8 s for the first minute, so that a server that
	// comes back is found soon.
	eagerWait = 8 * time.Second
	eagerTime = 60 * time.Second
	waitSlack = time.Second // ±, uniform (RFC 2131 §4.1)
	// renewFloor is the least wait between two requests of a renewal (RFC 2131
	// §4.4.5).
	renewFloor = 60 * time.Second
)

// slotState is where the client stands with the agent's pacing.
type slotState uint8

const (
	slotNone slotState = iota
	slotAsked
	slotHeld
)

// exchange is what is known of the running exchange; xid 0 is none.
type exchange struct {
	xid   uint32
	kind  kind
	slot  slotState
	began timer.Time // secs counts from here
	secs  uint16     // that of the last DISCOVER, which the REQUEST repeats
	tries int
	wait  time.Duration // last one before the jitter
	// sent is the last transmission of the message that an ACK answers, prev
	// the one before; n counts them up to 2.
	sent, prev timer.Time
	n          int
	addr       netip.Addr
	server     netip.Addr
	lease      uint32
	host, fqdn string
}

var (
	broadcastAddr = netip.AddrFrom4([4]byte{255, 255, 255, 255})
	anyAddr       = netip.AddrFrom4([4]byte{})
)

// newXid returns a random transaction id that nobody of the agent uses.
func (c *Client) newXid() uint32 {
	for {
		if x := c.rnd.Uint32(); x != 0 && x != c.x.xid && (c.inUse == nil || !c.inUse(x)) {
			return x
		}
	}
}

// begin starts an exchange with a new xid and sends its first message.
func (c *Client) begin(now timer.Time, k kind, out *Effects) {
	x := exchange{xid: c.newXid(), kind: k, slot: c.x.slot, began: now}
	x.host, x.fqdn = c.names()
	switch k {
	case kindDiscover:
		x.addr = c.hint()
	case kindReboot, kindRenew, kindRebind:
		x.addr, x.server = c.lease.addr, c.lease.server
	case kindInform:
		x.addr = c.informed.addr
	}
	c.x = x
	c.transmit(now, out)
}

// leaveExchange ends the exchange on the way from old to s, except where the
// next message belongs to the same one.
func (c *Client) leaveExchange(old, s State, out *Effects) {
	if old == Selecting && s == Requesting || old == Renewing && s == Rebinding {
		if c.x.slot == slotAsked {
			c.x.slot = slotNone
			out.kind(Yield)
		}
		return
	}
	if old == Requesting && s == PreBound {
		// The times of the exchange are still needed, its xid is not.
		c.x.xid = 0
	}
	c.endExchange(out)
}

func (c *Client) endExchange(out *Effects) {
	if c.x.slot != slotNone {
		c.x.slot = slotNone
		out.kind(Yield)
	}
	c.x.xid = 0
}

// transmit asks for a slot to send the exchange's message in, unless the link
// is down (then its return does) or the client has sent too much of late.
func (c *Client) transmit(now timer.Time, out *Effects) {
	if c.state.leased() && (!c.link.Up || c.missing) {
		c.schedule(now, out) // the lease's times go on
		return
	}
	if !c.link.Up {
		return
	}
	need := 1
	if c.x.kind == kindDiscover {
		need = 2 // the REQUEST that follows must not wait
	}
	if at := c.rate.allows(need); at > now {
		c.arm(TimerRetransmit, at, out)
		return
	}
	c.x.slot = slotAsked
	out.kind(Acquire)
}

// Slot is the agent's word that the client may send.
func (c *Client) Slot(now timer.Time, out *Effects) {
	if c.gone {
		return
	}
	c.overdue(now, out)
	if c.x.slot != slotAsked {
		return // given back already
	}
	c.x.slot = slotHeld
	if c.state.leased() && c.missing {
		c.schedule(now, out)
		return
	}
	c.transmitNow(now, out)
}

// transmitNow sends the exchange's message and plans the next transmission.
func (c *Client) transmitNow(now timer.Time, out *Effects) {
	x := &c.x
	x.tries++
	x.prev, x.sent = x.sent, now
	x.n = min(x.n+1, 2)
	if x.kind != kindSelect {
		x.secs = secs(now.Sub(x.began))
	}
	src, dst := anyAddr, broadcastAddr
	switch x.kind {
	case kindRenew:
		src, dst = x.addr, x.server
	case kindRebind, kindInform:
		src = x.addr
	}
	c.send(now, src, dst, &outgoing{
		kind: x.kind, xid: x.xid, secs: x.secs, addr: x.addr, server: x.server, lease: x.lease,
		hostname: x.host, fqdn: x.fqdn,
	}, out)
	c.schedule(now, out)
	if x.kind == kindDiscover && c.cfg.OfferWait > 0 && c.timers[TimerOffer] == timer.Never {
		c.arm(TimerOffer, now.Add(c.cfg.OfferWait), out)
	}
}

// send builds a message into the effects' buffer.
func (c *Client) send(now timer.Time, src, dst netip.Addr, o *outgoing, out *Effects) {
	n := len(out.buf)
	out.buf = appendMessage(out.buf, c.cfg, &c.link, o)
	out.add(Effect{Kind: Send, Src: src, Dst: dst, Data: out.since(n)})
	c.sent++
	c.rate.count(now)
	if c.cfg.LogLevel <= slog.LevelDebug {
		c.note(out, slog.LevelDebug, "sent", slog.String("type", o.kind.String()),
			slog.String("peer", dst.String()), slog.Uint64("xid", uint64(o.xid)))
	}
}

// String returns the name of the message type.
func (k kind) String() string {
	switch k {
	case kindDiscover:
		return "DISCOVER"
	case kindDecline:
		return "DECLINE"
	case kindRelease:
		return "RELEASE"
	case kindInform:
		return "INFORM"
	}
	return "REQUEST"
}

// secs is the value of the secs field after d.
func secs(d time.Duration) uint16 { return uint16(min(max(d/time.Second, 0), 0xffff)) }

// schedule plans what follows the transmission made now.
func (c *Client) schedule(now timer.Time, out *Effects) {
	x := &c.x
	switch c.state {
	case Renewing:
		c.scheduleRenewal(now, c.lease.t2, out)
		return
	case Rebinding:
		c.scheduleRenewal(now, c.lease.expires, out)
		return
	}
	x.wait = nextWait(x.wait, x.kind == kindDiscover && now.Sub(x.began) < eagerTime)
	c.arm(TimerRetransmit, now.Add(x.wait+c.jitter(waitSlack)), out)
}

// nextWait returns the wait after one of d, without the jitter.
func nextWait(d time.Duration, eager bool) time.Duration {
	switch {
	case d == 0:
		return firstWait
	case eager:
		return min(2*d, eagerWait)
	}
	return min(2*d, maxWait)
}

// scheduleRenewal waits half of the time to end, but a minute at least. There is
// no further transmission where that leads beyond end (RFC 2131 §4.4.5).
func (c *Client) scheduleRenewal(now, end timer.Time, out *Effects) {
	wait := renewFloor
	if end != timer.Never {
		wait = max(end.Sub(now)/2+c.jitter(waitSlack), renewFloor)
	}
	if at := now.Add(wait); at < end {
		c.arm(TimerRetransmit, at, out)
	}
}

// retransmit is the end of a wait without a usable answer.
func (c *Client) retransmit(now timer.Time, out *Effects) {
	switch c.state {
	case Selecting:
		if c.offers.n > 0 {
			c.choose(now, out)
			return
		}
	case Requesting:
		if c.x.tries >= maxRequests {
			c.note(out, slog.LevelWarn, "server made an offer and does not answer the request",
				slog.String("peer", c.x.server.String()))
			c.enter(now, Selecting, out)
			return
		}
	case InitReboot:
		if c.x.tries >= maxRequests {
			c.rebootUnanswered(now, out)
			return
		}
	case Renewing:
		if c.lease.t2 == timer.Never && c.x.tries >= maxInfinite {
			// A renewal that nobody needed: the lease stays as it is.
			c.enter(now, Bound, out)
			c.endOp(api.Timeout, "", out)
			return
		}
	}
	c.transmit(now, out)
}

// resendSoon brings the next transmission of a running exchange forward.
func (c *Client) resendSoon(now timer.Time, spread bool, out *Effects) {
	if c.x.slot == slotAsked {
		return
	}
	c.disarm(TimerRetransmit, out)
	if spread {
		c.arm(TimerRetransmit, now.Add(c.upTo(spreadTime)), out)
		return
	}
	c.retransmit(now, out)
}

// leaseStart is the moment an ACK received now counts from: the sending of the
// request it answers. If the last transmission is less than a second ago the
// answer may be to the one before; an early end of the lease is the safe error.
func (x *exchange) leaseStart(now timer.Time) timer.Time {
	if x.n > 1 && now.Sub(x.sent) < time.Second {
		return x.prev
	}
	return x.sent
}

const (
	rateBurst  = 10
	rateWindow = 10 * time.Second
)

// rateLimit keeps a client under one packet a second, averaged over 10 s, what-
// ever servers answer (leases of a second, refusals, conflicts).
type rateLimit struct {
	sent [rateBurst]timer.Time
	next uint8 // the oldest
}

func (r *rateLimit) reset() {
	for i := range r.sent {
		r.sent[i] = longAgo
	}
}

func (r *rateLimit) count(now timer.Time) {
	r.sent[r.next] = now
	r.next = (r.next + 1) % rateBurst
}

// allows returns the moment from which n packets may be sent.
func (r *rateLimit) allows(n int) timer.Time {
	return r.sent[(int(r.next)+n-1)%rateBurst].Add(rateWindow)
}
