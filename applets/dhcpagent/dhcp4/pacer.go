package dhcp4

import (
	"slices"
	"time"

	"daemonbox/core/timer"
)

const (
	// maxExchanges is how many exchanges one agent has in flight: a burst of
	// some hundred DISCOVERs overruns the socket of a usual server, which then
	// serves a fraction of them.
	maxExchanges = 32
	// slotTime is how long a slot is kept after the last transmission when no
	// answer comes.
	slotTime = 500 * time.Millisecond
)

// A Pacer hands out an agent's exchange slots in the order they were asked for.
// K identifies a client. The zero Pacer is ready. It is not safe for concurrent
// use; the goroutine that drives the clients owns it.
type Pacer[K comparable] struct {
	held  []slotHolder[K]
	queue []K
}

type slotHolder[K comparable] struct {
	key   K
	until timer.Time
}

// Acquire puts k at the end of the queue, unless it waits already. A slot that
// k holds is given back: it waits for its turn as everybody else. Call Grant
// afterwards.
func (p *Pacer[K]) Acquire(k K) {
	if slices.Contains(p.queue, k) {
		return
	}
	p.release(k)
	p.queue = append(p.queue, k)
}

// Yield gives back the slot of k, or its place in the queue.
func (p *Pacer[K]) Yield(k K) {
	p.release(k)
	if i := slices.Index(p.queue, k); i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	}
}

// Sent tells that k transmitted: its slot, if it still has one, is kept for
// another 500 ms.
func (p *Pacer[K]) Sent(now timer.Time, k K) {
	if i := p.find(k); i >= 0 {
		p.held[i].until = now.Add(slotTime)
	}
}

// Grant returns the client whose turn it is, or false. The caller tells it
// (Client.Slot) and asks again until there is none.
func (p *Pacer[K]) Grant(now timer.Time) (k K, ok bool) {
	if len(p.queue) == 0 {
		return k, false
	}
	p.held = slices.DeleteFunc(p.held, func(h slotHolder[K]) bool { return h.until <= now })
	if len(p.held) >= maxExchanges {
		return k, false
	}
	k = p.queue[0]
	p.queue = slices.Delete(p.queue, 0, 1)
	p.held = append(p.held, slotHolder[K]{k, now.Add(slotTime)})
	return k, true
}

// Next returns when Grant should be called again if no slot comes back before,
// Never if nobody waits.
func (p *Pacer[K]) Next() timer.Time {
	next := timer.Never
	if len(p.queue) == 0 {
		return next
	}
	for i := range p.held {
		next = min(next, p.held[i].until)
	}
	return next
}

func (p *Pacer[K]) find(k K) int {
	return slices.IndexFunc(p.held, func(h slotHolder[K]) bool { return h.key == k })
}

func (p *Pacer[K]) release(k K) {
	if i := p.find(k); i >= 0 {
		p.held = slices.Delete(p.held, i, i+1)
	}
}
