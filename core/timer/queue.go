// Package timer is a queue of timers without a clock: time enters only
// through Queue.FireUntil, so the same timers run on the event loop's boot
// clock and on the simulator's virtual one.
//
// A Queue and its Timers belong to one goroutine; nothing here is locked.
// Making a timer allocates once; setting, adjusting, stopping and firing it
// do not allocate once the heap has grown.
package timer

// A Queue orders timers by deadline, and equal deadlines by the order in
// which they were set, which makes runs repeatable. The zero value is ready.
type Queue struct {
	heap heap
	// late holds what is set during a pass for a moment that the pass has
	// reached already. It joins the heap when the pass ends: a timer that
	// re-arms itself for "now" would otherwise keep the pass from ending.
	late   heap
	seq    uint64
	firing bool
	now    Time // of the pass under way
}

// A Timer calls one function each time that its deadline has passed. It is
// made once by Queue.Timer and set as often as needed.
type Timer struct {
	q    *Queue
	fn   func()
	name string
	pos  int32 // index into the heap, or idle
	late bool  // pos is an index into q.late
}

const idle = -1

// Timer makes a timer that is not pending. The name is for logs and traces.
func (q *Queue) Timer(name string, fn func()) *Timer {
	return &Timer{q: q, fn: fn, name: name, pos: idle}
}

// Len returns how many timers are pending.
func (q *Queue) Len() int { return len(q.heap) + len(q.late) }

// Next returns the earliest deadline; ok is false if no timer is pending.
func (q *Queue) Next() (at Time, ok bool) {
	at = Never
	if len(q.heap) > 0 {
		at, ok = q.heap[0].at, true
	}
	if len(q.late) > 0 {
		at, ok = min(at, q.late[0].at), true
	}
	return at, ok
}

// FireUntil calls, by deadline, every timer that is due at now, and returns
// how many it called. A timer has left the queue before its function runs.
// Timers set by one of these functions wait for the next pass even if they
// are due, and a timer stopped by one of them is not called. FireUntil must
// not be called by a timer's function.
func (q *Queue) FireUntil(now Time) int {
	if q.firing {
		panic("timer: FireUntil called by a timer")
	}
	q.firing, q.now = true, now
	n := 0
	for len(q.heap) > 0 && q.heap[0].at <= now {
		t := q.heap[0].t
		q.heap.remove(0)
		t.pos = idle
		t.fn()
		n++
	}
	q.firing = false
	for _, s := range q.late {
		s.t.late = false
		q.heap.push(s)
	}
	clear(q.late)
	q.late = q.late[:0]
	return n
}

// Set makes the timer due at the given moment, whether it is pending or not.
// A timer set to Never is not pending: it would never be called.
func (t *Timer) Set(at Time) {
	q := t.q
	if at == Never {
		t.Stop()
		return
	}
	q.seq++
	s := slot{at: at, seq: q.seq, t: t}
	late := q.firing && at <= q.now
	if t.pos != idle {
		if t.late == late {
			t.heap().fix(int(t.pos), s)
			return
		}
		t.heap().remove(int(t.pos))
	}
	t.late = late
	t.heap().push(s)
}

// Stop takes the timer out of the queue and reports whether it was pending.
func (t *Timer) Stop() bool {
	if t.pos == idle {
		return false
	}
	t.heap().remove(int(t.pos))
	t.pos = idle
	t.late = false
	return true
}

// Pending reports whether the timer is waiting for its deadline.
func (t *Timer) Pending() bool { return t.pos != idle }

// At returns the deadline, or Never if the timer is not pending.
func (t *Timer) At() Time {
	if t.pos == idle {
		return Never
	}
	return (*t.heap())[t.pos].at
}

// Name returns the name given to Queue.Timer.
func (t *Timer) Name() string { return t.name }

func (t *Timer) heap() *heap {
	if t.late {
		return &t.q.late
	}
	return &t.q.heap
}
