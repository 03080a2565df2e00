package simtest

import (
	"time"

	"daemonbox/core/timer"
)

// maxPerWindow bounds the BOOTP messages of one client in ten seconds. The
// machine keeps itself under one packet a second, averaged over ten seconds,
// whatever servers answer: that is ten. A DECLINE and a RELEASE, each said
// once, may come on top, and a user's command, a change of the link or a
// resume may not have to wait: two more for each of these.
//
// A minute has six windows, so an undisturbed client stays under 72 packets a
// minute; what the schedule of RFC 2131 §4.1 asks for is far less (about 8
// DISCOVERs in the first minute, 1 a minute later).
const (
	maxPerWindow = 12
	perEvent     = 2
	rateWindow   = 10 * time.Second
	// maxARP bounds ARP packets likewise: three probes and two announcements
	// for each of at most three attempts, one defence, and the announcements
	// that follow events.
	maxARP = 16
)

// sendRate remembers when a client sent.
type sendRate struct {
	sent, arps, events times
}

// times is a ring of the last moments.
type times struct {
	ring [32]timer.Time
	n    int
}

func (t *times) add(now timer.Time) { t.ring[t.n%len(t.ring)] = now; t.n++ }

// since counts the moments after from.
func (t *times) since(from timer.Time) (n int) {
	for i := range min(t.n, len(t.ring)) {
		if t.ring[i] > from {
			n++
		}
	}
	return n
}

// event is something that entitles a client to speak at once.
func (r *sendRate) event(now timer.Time) { r.events.add(now) }

func (r *sendRate) packet(h *Host) {
	now := h.w.Now()
	r.sent.add(now)
	from := now.Add(-rateWindow)
	if n, most := r.sent.since(from), maxPerWindow+perEvent*r.events.since(from); n > most {
		h.bad("%d messages in %v, allowed are %d", n, rateWindow, most)
	}
}

func (r *sendRate) arp(h *Host) {
	now := h.w.Now()
	r.arps.add(now)
	from := now.Add(-rateWindow)
	if n, most := r.arps.since(from), maxARP+8*r.events.since(from); n > most {
		h.bad("%d ARP packets in %v, allowed are %d", n, rateWindow, most)
	}
}
