package dhcp4

import (
	"net/netip"
	"time"

	"daemonbox/core/timer"
)

// reason is why a lease or an attempt ends.
type reason uint8

const (
	byExpiry   reason = iota + 1 // the time is over
	byNak                        // a server said so
	byFailure                    // unusable answer, or the interface could not be configured
	byConflict                   // another host has the address
	byDoubt                      // no server confirmed it, and that is asked for
)

const (
	maxBackoff = 64 * time.Second
	// declineWait is the least wait after a DECLINE (RFC 2131 §3.1 step 5).
	declineWait = 10 * time.Second
	// declineMemory is how long a declined address is avoided.
	declineMemory = 10 * time.Minute
	maxDeclined   = 8
)

// backoff slows down attempts that keep failing.
type backoff struct {
	// grace: the next refusal restarts at once. It is the first one since START
	// or since a lease that was good.
	grace     bool
	refusals  uint8
	conflicts uint8
	refused   [maxDeclined]declinedAddr
	next      uint8
	hint      netip.Addr // last address, if it is worth asking for
}

type declinedAddr struct {
	addr netip.Addr
	at   timer.Time
}

func (b *backoff) bound() {
	b.grace, b.refusals, b.hint = true, 0, netip.Addr{}
}

func (b *backoff) decline(now timer.Time, a netip.Addr) {
	b.refused[b.next] = declinedAddr{a, now}
	b.next = (b.next + 1) % maxDeclined
	b.conflicts = min(b.conflicts+1, 255-1)
	b.hint = netip.Addr{}
}

func (b *backoff) declined(now timer.Time, a netip.Addr) bool {
	for i := range b.refused {
		if r := &b.refused[i]; r.addr == a && now.Before(r.at.Add(declineMemory)) {
			return true
		}
	}
	return false
}

// restartDelay is how long to wait before the next attempt.
func (c *Client) restartDelay(why reason) time.Duration {
	b := &c.backoff
	switch why {
	case byNak, byFailure:
		b.hint = netip.Addr{}
		if b.grace {
			b.grace = false
			return 0
		}
		d := min(time.Second<<min(b.refusals, 6), maxBackoff)
		b.refusals = min(b.refusals+1, 6)
		return d + c.jitter(d/10)
	case byConflict:
		d := min(declineWait<<min(max(b.conflicts, 1)-1, 3), maxBackoff)
		if b.conflicts >= maxConflicts {
			d = rateLimitWait // RFC 5227 §2.1.1
			return d + c.upTo(d/10)
		}
		return max(d+c.jitter(d/10), declineWait)
	}
	return 0
}
