package dhcp4

import (
	"net/netip"

	"daemonbox/core/timer"
)

// Status is what a client tells about itself. Times are absolute, Never where
// there is no such time.
type Status struct {
	State State
	// Busy: an operation is pending. Bootp: the lease is that of a BOOTP
	// server. Failed: sockets or interface failed. Removed: being torn down.
	Busy, Bootp, Failed, Removed bool
	// Leased: the times below are those of a lease.
	Leased bool
	// Adopted: the lease came from a boot loader.
	Adopted bool

	// Sent, Recv and BadOffers count since START or the last renewal.
	Sent, Recv, BadOffers uint64
	// Dropped counts refused packets by reason since the client exists.
	Dropped [NumDropReasons]uint64

	Began, T1, T2, Expires timer.Time
	Server                 netip.Addr
	// Net is what the lease brings, also while it is not configured (any more).
	Net *NetConfig
	// Installed is what the driver was last told to configure.
	Installed *NetConfig

	LastError string
	// WaitFor says what the client waits for, "" for nothing; WaitUntil is when
	// it will act without it.
	WaitFor   string
	WaitUntil timer.Time
}

// Status returns the client's present status.
func (c *Client) Status() Status {
	s := Status{
		State: c.state, Busy: c.op.active, Failed: c.failed, Removed: c.ending != endNot || c.gone,
		Sent: c.sent, Recv: c.recv, BadOffers: c.badOffers, Dropped: c.dropped,
		Began: timer.Never, T1: timer.Never, T2: timer.Never, Expires: timer.Never,
		Installed: c.installed, LastError: c.lastError,
	}
	s.WaitFor, s.WaitUntil = c.waits()
	l := c.lease
	if l == nil {
		if c.state == Information && c.informed != nil {
			s.Net, s.Server = c.informed.net, c.informed.server
		}
		return s
	}
	s.Bootp, s.Adopted, s.Net, s.Server = l.bootp, l.adopted, l.net, l.server
	s.Leased = c.state.leased() || c.state == InitReboot && c.holding()
	s.Began, s.T1, s.T2, s.Expires = l.start, l.t1, l.t2, l.expires
	return s
}

// waits says what the client waits for.
func (c *Client) waits() (string, timer.Time) {
	switch {
	case c.hook.op != 0:
		return "event script", timer.Never
	case c.state != Init && c.state != Bound && c.state != Information && !c.link.Up:
		return "carrier", timer.Never
	}
	switch c.state {
	case Init:
		if at := c.timers[TimerDelay]; at != timer.Never {
			return "restart", at
		}
		return "", timer.Never
	case PreBound:
		return "duplicate address detection", c.timers[TimerACD]
	case Selecting:
		return "offer", c.timers[TimerRetransmit]
	case Requesting, InitReboot, Renewing, Rebinding, InformSent:
		return "answer", c.timers[TimerRetransmit]
	}
	return "", timer.Never
}

// State returns the present state.
func (c *Client) State() State { return c.state }

// Ack returns the newest acknowledgement and the first one of the lease, nil
// without one. They must not be changed.
func (c *Client) Ack() (current, original *Message) {
	switch {
	case c.lease != nil && (c.state.leased() || c.state == PreBound || c.state == Releasing || c.holding()):
		return c.lease.ack, c.lease.orig
	case c.state == Information && c.informed != nil:
		return c.informed.ack, c.informed.ack
	}
	return nil, nil
}

// Saved returns what should be on disk now, nil for nothing.
func (c *Client) Saved() *Saved {
	if c.lease == nil || !c.stored {
		return nil
	}
	return c.lease.saved
}

// CountDrop counts a packet that the driver or Parse refused.
func (c *Client) CountDrop(r DropReason) {
	if r > DropNone && r < NumDropReasons {
		c.dropped[r]++
	}
}
