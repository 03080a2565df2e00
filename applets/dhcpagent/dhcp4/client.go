// Package dhcp4 is a DHCPv4 client (RFC 2131) without I/O: codec, state machine
// and the pacing of an agent's exchanges. Inputs are method calls with the
// present time, what is to be done comes back as a list of Effects, so that the
// same client runs on sockets and in a simulator.
//
// The machine is in client.go (enter is the only place where the state changes),
// client_send.go and client_packet.go (exchanges), select.go, bind.go, renew.go
// (from offer to expiry), acd.go (RFC 5227), backoff.go, client_hook.go (event
// scripts and the end of leases), client_link.go (what happens to the
// interface) and ops.go (users' operations). state.go tells which timer belongs
// to which state.
//
// A Client and a Pacer belong to one goroutine. Parsing, building and
// validating functions keep no state and may be called by any.
package dhcp4

import (
	"bytes"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

// A Client is one DHCPv4 client on one interface. It performs no I/O: inputs
// are methods, what is to be done comes back as Effects. A client is a function
// of configuration, random numbers and inputs.
//
// Every input looks first whether the lease has run out meanwhile (the host may
// have slept), so that nothing is ever sent from a dead address.
type Client struct {
	cfg *Config
	// newest is the configuration as it was last set; cfg may have the client
	// identifier of the one before.
	newest *Config
	link   Link
	rnd    *rand.Rand
	// inUse tells which transaction ids other clients have.
	inUse func(uint32) bool

	state  State
	timers [NumTimers]timer.Time // deadline, Never if not armed
	seq    uint32                // numbers Configure and RunHook

	x      exchange
	rate   rateLimit
	offers offers
	lease  *lease
	// informed is the answer to an INFORM.
	informed *lease

	// installed is what the driver was last told to configure.
	installed *NetConfig
	config    pendingConfig
	// configFailed: the kernel has less than installed says; TimerRefresh
	// tries again.
	configFailed bool
	// missing: the kernel took the address away and it could not be put back
	// yet.
	missing bool
	// lifetime is the end of the lease as the kernel last learnt it.
	lifetime timer.Time
	acd      conflictDetection
	probing  bool // last Probing effect
	// linkLost: the link was down since the address was last probed.
	linkLost bool
	// refreshes are the moments of the last refreshes, oldest first.
	refreshes [refreshBurst]timer.Time
	mtuSet    timer.Time

	op   operation
	hook runningHook
	// leaving is why the lease is being given up while the EXPIRE script runs.
	leaving reason
	// lapse is the stage of an expiry that waits for a user's operation.
	lapse uint8
	// retried: a step was put off once because of a user's operation.
	retried bool
	// ending is what becomes of the client when the DROP or RELEASE script ends.
	ending   ending
	stopping bool
	gone     bool
	failed   bool

	backoff  backoff
	hostname string
	// stored: a saved lease may exist on disk.
	stored bool

	sent, recv, badOffers uint64
	dropped               [NumDropReasons]uint64
	dropNoted             [NumDropReasons]timer.Time
	lastError             string
	lastHint              timer.Time
	renewNoted            timer.Time
	configNoted           timer.Time
}

// New returns a client in state INIT. rnd must not be shared with another
// goroutine.
func New(cfg *Config, link Link, rnd *rand.Rand) *Client {
	c := &Client{cfg: cfg, newest: cfg, rnd: rnd, stored: true}
	c.setLink(link)
	for i := range c.timers {
		c.timers[i] = timer.Never
	}
	c.rate.reset()
	for i := range c.refreshes {
		c.refreshes[i] = longAgo
	}
	for i := range c.dropNoted {
		c.dropNoted[i] = longAgo
	}
	for _, t := range [...]*timer.Time{&c.lastHint, &c.mtuSet, &c.renewNoted, &c.configNoted, &c.acd.defended} {
		*t = longAgo
	}
	return c
}

// longAgo is before every moment of the clock and far from overflow.
const longAgo = timer.Time(math.MinInt64 / 2)

// SetConfig replaces the configuration; it counts from the next decision on. A
// lease keeps the client identifier it was given to, since its server would
// neither renew nor release it under another (RFC 2131 §4.2).
func (c *Client) SetConfig(cfg *Config) {
	c.newest = cfg
	if c.lease != nil && !cfg.ClientIDFollowsHW && !bytes.Equal(cfg.ClientID, c.cfg.ClientID) {
		k := *cfg
		k.ClientID, k.ClientIDFollowsHW = c.cfg.ClientID, c.cfg.ClientIDFollowsHW
		cfg = &k
	}
	c.cfg = cfg
}

// AvoidXids makes the client choose transaction ids for which inUse is false.
func (c *Client) AvoidXids(inUse func(uint32) bool) { c.inUse = inUse }

// Expecting reports whether an exchange with this transaction id is running.
func (c *Client) Expecting(xid uint32) bool { return xid != 0 && xid == c.x.xid }

func (c *Client) setLink(l Link) {
	if bytes.Equal(c.link.HWAddr, l.HWAddr) {
		l.HWAddr = c.link.HWAddr
	} else {
		l.HWAddr = slices.Clone(l.HWAddr)
	}
	l.Spread = false
	c.link = l
}

// enter leaves the old state, ending what it owned, and begins s.
func (c *Client) enter(now timer.Time, s State, out *Effects) {
	old := c.state
	keep := carried(old, s)
	for id := TimerID(0); id < NumTimers; id++ {
		if id != TimerOp && !keep.has(id) {
			c.disarm(id, out)
		}
	}
	c.leaveExchange(old, s, out)
	c.lapse = 0
	if !s.leased() {
		c.acd.stop()
	}
	c.state = s
	out.kind(Changed)
	if s != old {
		c.noteState(old, out)
	}
	switch s {
	case Selecting:
		c.enterSelecting(now, out)
	case Requesting:
		c.enterRequesting(now, out)
	case PreBound:
		c.enterPreBound(now, out)
	case Bound:
		c.enterBound(now, out)
	case Renewing, Rebinding:
		c.enterRenewal(now, out)
	case InitReboot:
		if c.holding() {
			c.arm(TimerExpire, c.lease.expires, out)
		}
		c.begin(now, kindReboot, out)
	case InformSent:
		c.begin(now, kindInform, out)
	case Releasing:
		c.enterReleasing(now, out)
	}
	c.listen(out)
}

// quiesce stops everything but the user's time limit, without a change of
// state.
func (c *Client) quiesce(out *Effects) {
	for id := TimerID(0); id < NumTimers; id++ {
		if id != TimerOp {
			c.disarm(id, out)
		}
	}
	c.endExchange(out)
	c.config.goal = goalNone
	c.lapse = 0
	c.acd.stop()
	c.listen(out)
}

func (c *Client) arm(id TimerID, at timer.Time, out *Effects) {
	if at == timer.Never {
		c.disarm(id, out)
		return
	}
	c.timers[id] = at
	out.add(Effect{Kind: Arm, Timer: id, At: at})
}

func (c *Client) disarm(id TimerID, out *Effects) {
	if c.timers[id] != timer.Never {
		c.timers[id] = timer.Never
		out.add(Effect{Kind: Disarm, Timer: id})
	}
}

// Timer is the input of a timer that came due.
func (c *Client) Timer(now timer.Time, id TimerID, out *Effects) {
	if c.gone || id >= NumTimers {
		return
	}
	if id != TimerExpire {
		c.overdue(now, out)
	}
	if c.timers[id] > now { // stopped or moved since
		return
	}
	c.timers[id] = timer.Never
	switch id {
	case TimerRetransmit:
		c.retransmit(now, out)
	case TimerOffer:
		c.offerTime(now, out)
	case TimerDelay:
		c.enter(now, Selecting, out)
	case TimerT1:
		c.t1(now, out)
	case TimerT2:
		c.t2(now, out)
	case TimerExpire:
		c.expireTimer(now, out)
	case TimerACD:
		c.acdStep(now, out)
	case TimerOp:
		c.endOp(api.Timeout, "", out)
		c.overdue(now, out)
	case TimerRefresh:
		c.refreshNow(now, out)
	case TimerRelease:
		c.released(out)
	}
}

// overdue handles the end of the lease before anything else if it has come, and
// an end that was put off for a user's operation once that is over.
func (c *Client) overdue(now timer.Time, out *Effects) {
	if c.timers[TimerExpire] <= now || c.lapse != 0 && !c.op.user {
		c.timers[TimerExpire] = timer.Never
		// The driver's timer may be pending still.
		out.add(Effect{Kind: Disarm, Timer: TimerExpire})
		c.expireTimer(now, out)
	}
}

// Hint is a sign that the network lives: the next DISCOVER goes out at once,
// at most one in 10 s.
func (c *Client) Hint(now timer.Time, out *Effects) {
	const hintInterval = 10 * time.Second
	if c.gone || c.state != Selecting || c.timers[TimerRetransmit] == timer.Never ||
		now.Before(c.lastHint.Add(hintInterval)) {
		return
	}
	c.lastHint = now
	c.disarm(TimerRetransmit, out)
	c.transmit(now, out)
}

// Fail says that the client's sockets cannot be opened: it stays idle until a
// user does something about it.
func (c *Client) Fail(now timer.Time, err error, out *Effects) {
	if c.gone || c.ending != endNot {
		return
	}
	c.failed = true
	c.lastError = err.Error()
	c.note(out, slog.LevelError, "cannot work on the interface", slog.String("err", c.lastError))
	if c.leaving != 0 || c.holding() {
		return // what is held is kept, what is being given up goes its way
	}
	c.lease, c.informed = nil, nil
	c.enter(now, Init, out)
	c.endOp(api.Memory, c.lastError, out)
}

// noteState logs a change of state. What passes by itself on the way is for
// debugging.
func (c *Client) noteState(old State, out *Effects) {
	level := slog.LevelInfo
	switch c.state {
	case PreBound, Requesting, Releasing:
		level = slog.LevelDebug
	}
	if c.cfg.LogLevel <= level {
		c.note(out, level, "entered", slog.String("state", c.state.String()), slog.String("old", old.String()))
	}
}

func (c *Client) note(out *Effects, level slog.Level, text string, attrs ...slog.Attr) {
	if level >= c.cfg.LogLevel {
		out.add(Effect{Kind: Note, Level: level, Text: text, Attrs: attrs})
	}
}

// jitter returns a uniform value in ±d with millisecond resolution.
func (c *Client) jitter(d time.Duration) time.Duration {
	ms := int64(d / time.Millisecond)
	return time.Duration(c.rnd.Int64N(2*ms+1)-ms) * time.Millisecond
}

// upTo returns a uniform value in 0..d.
func (c *Client) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(c.rnd.Int64N(int64(d) + 1))
}
