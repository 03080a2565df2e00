package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"daemonbox/core/timer"
)

// Epoch is the wall-clock time at the beginning of every world, in seconds
// since 1970. A fixed date keeps runs equal.
const Epoch = 1_800_000_000

// maxAtOnce bounds the events of one virtual instant. A machine that asks for
// a timer in the past again and again would otherwise stop the clock for ever.
const maxAtOnce = 200_000

// World is a virtual world. Make one with New.
type World struct {
	// Rand decides everything that is left to chance in this world. Machines
	// that need a generator of their own get one from Source.
	Rand *rand.Rand

	seed     uint64
	now      timer.Time
	queue    timer.Queue
	nodes    []*Node
	segments []*Segment
	checks   []check
	trace    Trace
	failure  *Failure
	spare    []*flight
	scratch  Frame
	events   uint64
	instant  int // events at now
}

type check struct {
	name string
	fn   func() error
}

// New returns an empty world at time 0.
func New(seed uint64) *World {
	w := &World{seed: seed, Rand: rand.New(rand.NewPCG(seed, 0x6461656d6f6e)), trace: newTrace()}
	w.trace.world = w
	w.trace.Add(nil, "seed", "", int64(seed), 0)
	return w
}

// Seed returns the number this world was made from.
func (w *World) Seed() uint64 { return w.seed }

// Now returns the world's time. Nodes have clocks of their own.
func (w *World) Now() timer.Time { return w.now }

// Events returns how many events have happened so far.
func (w *World) Events() uint64 { return w.events }

// Trace returns the record of what happened.
func (w *World) Trace() *Trace { return &w.trace }

// Source returns a new generator for a machine inside the world. What the
// machine draws then changes nothing in the dice of the world itself.
func (w *World) Source() *rand.Rand {
	return rand.New(rand.NewPCG(w.Rand.Uint64(), w.Rand.Uint64()))
}

// Duration returns a random duration in [lo, hi).
func (w *World) Duration(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(w.Rand.Int64N(int64(hi-lo)))
}

// Chance returns true with probability p.
func (w *World) Chance(p float64) bool { return p > 0 && w.Rand.Float64() < p }

// Invariant adds a function that is called after every event. The first error
// it returns ends the run.
func (w *World) Invariant(name string, fn func() error) {
	w.checks = append(w.checks, check{name, fn})
}

// At has fn called at a time of the world, at once if that is over. It
// survives crashes: it is for the script of a test, not for a machine.
func (w *World) At(at timer.Time, name string, fn func()) {
	if at.Before(w.now) {
		at = w.now
	}
	w.queue.Timer(name, func() {
		if w.begin(nil, "script", name, 0, 0) {
			fn()
			w.end()
		}
	}).Set(at)
}

// After is At, counted from now.
func (w *World) After(d time.Duration, name string, fn func()) { w.At(w.now.Add(d), name, fn) }

// Every has fn called each d from now on until the world ends.
func (w *World) Every(d time.Duration, name string, fn func()) {
	if d <= 0 {
		panic("sim: Every needs a positive interval")
	}
	var t *timer.Timer
	t = w.queue.Timer(name, func() {
		if w.begin(nil, "script", name, 0, 0) {
			t.Set(w.now.Add(d))
			fn()
			w.end()
		}
	})
	t.Set(w.now.Add(d))
}

// Run lets the world live for d. It returns the failure that ended it early.
func (w *World) Run(d time.Duration) error { return w.RunUntil(w.now.Add(d)) }

// RunUntil lets the world live until the given time. Events due exactly then
// still happen. It returns the failure that ended the world early.
func (w *World) RunUntil(until timer.Time) error {
	if until == timer.Never {
		return errors.New("sim: a run needs an end")
	}
	for w.failure == nil {
		at, ok := w.queue.Next()
		if !ok || at.After(until) {
			break
		}
		w.advance(at)
		w.queue.FireUntil(w.now)
	}
	if w.failure != nil {
		return w.failure
	}
	w.advance(until)
	return nil
}

// RunWhile lets the world live while cond holds, at most for d; cond is asked
// after each instant at which something happened. It reports whether cond
// still holds at the end.
func (w *World) RunWhile(d time.Duration, cond func() bool) (bool, error) {
	until := w.now.Add(d)
	for w.failure == nil && cond() {
		at, ok := w.queue.Next()
		if !ok || at.After(until) {
			w.advance(until)
			return true, nil
		}
		w.advance(at)
		w.queue.FireUntil(w.now)
	}
	if w.failure != nil {
		return true, w.failure
	}
	return false, nil
}

func (w *World) advance(at timer.Time) {
	if at.After(w.now) {
		w.now = at
		w.instant = 0
	}
}

// Fail ends the run with err. Drivers call it for what an invariant cannot
// see, such as an effect that is not legal. Only the first failure counts.
func (w *World) Fail(name string, err error) {
	if w.failure != nil {
		return
	}
	w.failure = &Failure{World: w, At: w.now, Name: name, Err: err}
	w.trace.Add(nil, "FAILURE", name+": "+err.Error(), 0, 0)
}

// Failed returns the failure that ended the world, or nil.
func (w *World) Failed() error {
	if w.failure == nil {
		return nil
	}
	return w.failure
}

// begin opens an event; it returns false when the world has failed.
func (w *World) begin(n *Node, kind, text string, a, b int64) bool {
	if w.failure != nil {
		return false
	}
	w.events++
	w.instant++
	if w.instant > maxAtOnce {
		w.Fail("progress", fmt.Errorf("%d events and the clock stands still", w.instant))
		return false
	}
	w.trace.Add(n, kind, text, a, b)
	return true
}

// end closes an event: the invariants must hold now.
func (w *World) end() {
	if w.failure != nil {
		return
	}
	for i := range w.checks {
		if err := w.checks[i].fn(); err != nil {
			w.Fail(w.checks[i].name, err)
			return
		}
	}
}

// Event runs fn as an event of its own on node n (which may be nil): it is
// traced and the invariants are checked after it. A test's main function uses
// it for what it does to machines between two runs.
func (w *World) Event(n *Node, name string, fn func()) {
	if w.begin(n, "script", name, 0, 0) {
		fn()
		w.end()
	}
}

// Failure is a broken invariant: when, which, and why.
type Failure struct {
	World *World
	At    timer.Time
	Name  string
	Err   error
}

// Error tells everything but the trace.
func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d at %v, event %d: %s: %v", f.World.seed, time.Duration(f.At), f.World.events, f.Name, f.Err)
}

// Unwrap returns the invariant's own error.
func (f *Failure) Unwrap() error { return f.Err }
