package sim

import (
	"cmp"
	"slices"
	"time"

	"daemonbox/core/timer"
)

// maxBacklog bounds the frames that wait for a paused node, as a socket's
// receive buffer does.
const maxBacklog = 64

// Node is a host or a process. It has its own boot-time clock, wall clock,
// timers and ports. A crash stops its timers and deafens its ports.
type Node struct {
	// Crashed is called when the node crashes, after its timers were stopped.
	Crashed func()
	// Restarted is called when the node runs again.
	Restarted func()
	// Resumed is called at the end of a suspend with the time slept. Whether
	// overdue timers fire before or after it is left to chance: a loop may
	// notice either first.
	Resumed func(asleep time.Duration)
	// ClockStepped is called when the wall clock was set.
	ClockStepped func()

	world    *World
	id       int
	name     string
	boot     timer.Time    // the world's time at which this node's clock was 0
	wall     time.Duration // error of the wall clock
	state    nodeState
	since    timer.Time // when it fell asleep, world time
	woke     timer.Time // when it woke up last, world time
	asleep   time.Duration
	stepped  bool // the wall clock was set meanwhile
	wake     *timer.Timer
	timers   []*Timer
	ports    []*Port
	overdue  []*Timer
	deferred []*flight
}

type nodeState uint8

const (
	running nodeState = iota
	dead
	suspended // frames are lost; Resumed is called
	paused    // frames wait; nobody tells the process that time passed
)

// Node adds a running node. Its clock starts at 0 now.
func (w *World) Node(name string) *Node {
	n := &Node{world: w, id: len(w.nodes), name: name, boot: w.now, woke: w.now}
	n.wake = w.queue.Timer("wake "+name, n.awake)
	w.nodes = append(w.nodes, n)
	return n
}

// Name returns the node's name.
func (n *Node) Name() string { return n.name }

// World returns the world the node is in.
func (n *Node) World() *World { return n.world }

// Now returns the node's CLOCK_BOOTTIME: it runs on during a suspend and begins
// anew with Reboot.
func (n *Node) Now() timer.Time { return n.world.now - n.boot }

// Asleep returns how long the node was suspended since its boot, the distance
// from CLOCK_MONOTONIC to CLOCK_BOOTTIME.
func (n *Node) Asleep() time.Duration {
	if n.state == suspended {
		return n.asleep + n.world.now.Sub(n.since)
	}
	return n.asleep
}

// Wall returns the node's wall clock in nanoseconds since 1970.
func (n *Node) Wall() int64 {
	return Epoch*int64(time.Second) + int64(n.world.now) + int64(n.wall)
}

// Woke returns the world's time at which the node last woke up or was started.
func (n *Node) Woke() timer.Time { return n.woke }

// Alive reports whether the node runs, asleep or not.
func (n *Node) Alive() bool { return n.state != dead }

// Awake reports whether the node runs and executes.
func (n *Node) Awake() bool { return n.state == running }

// SetBootAge pretends that the node booted d ago, so that the clocks of two
// nodes do not begin together.
func (n *Node) SetBootAge(d time.Duration) { n.boot = n.world.now.Add(-d) }

// StepWall sets the wall clock forward or back and tells the node.
func (n *Node) StepWall(d time.Duration) {
	n.wall += d
	n.world.trace.Add(n, "clock step", "", int64(d), 0)
	if n.state != running {
		n.stepped = true
	} else if n.ClockStepped != nil {
		n.ClockStepped()
	}
}

// Crash stops the node: all its timers are stopped, frames for it are lost.
func (n *Node) Crash() {
	if n.state == dead {
		return
	}
	n.world.trace.Add(n, "crash", "", 0, 0)
	n.state = dead
	n.wake.Stop()
	for _, t := range n.timers {
		t.Stop()
	}
	n.overdue = n.overdue[:0]
	n.dropDeferred()
	n.stepped = false
	for _, p := range n.ports {
		p.missed = false
	}
	if n.Crashed != nil {
		n.Crashed()
	}
}

// Restart lets a crashed node run again with its clock going on, as a process
// that is started anew on a running host.
func (n *Node) Restart() {
	if n.state != dead {
		return
	}
	n.world.trace.Add(n, "restart", "", 0, 0)
	n.state, n.woke = running, n.world.now
	if n.Restarted != nil {
		n.Restarted()
	}
}

// Reboot lets a crashed node run again as a host that has booted: its clock
// begins at 0.
func (n *Node) Reboot() {
	if n.state != dead {
		return
	}
	n.boot = n.world.now
	n.asleep = 0
	n.Restart()
}

// Suspend puts the node to sleep for d: no timer fires, frames for it are
// lost, its boot-time clock runs on.
func (n *Node) Suspend(d time.Duration) { n.sleep(suspended, "suspend", d) }

// Pause stops the node for d as SIGSTOP stops a process: no timer fires,
// frames wait in a bounded buffer, and nobody tells the node about it.
func (n *Node) Pause(d time.Duration) { n.sleep(paused, "pause", d) }

func (n *Node) sleep(s nodeState, name string, d time.Duration) {
	if n.state != running {
		return
	}
	n.world.trace.Add(n, name, "", int64(d), 0)
	n.state = s
	n.since = n.world.now
	n.wake.Set(n.world.now.Add(d))
}

// awake ends a sleep. On a real loop frames come first, then timers by
// deadline; the news of the suspend may come before or after.
func (n *Node) awake() {
	w := n.world
	was := n.state
	if was != suspended && was != paused {
		return
	}
	d := w.now.Sub(n.since)
	n.state, n.woke = running, w.now
	late := n.overdue
	n.overdue = nil
	slices.SortStableFunc(late, func(a, b *Timer) int { return cmp.Compare(a.at, b.at) })
	if was == suspended {
		n.asleep += d
	}
	early := was == paused || w.Rand.Uint32()&1 == 0
	if early {
		n.tellAwake(was, d)
	}
	frames := n.deferred
	n.deferred = nil
	for _, f := range frames {
		f.arrive()
	}
	for _, t := range late {
		if t.late { // neither stopped nor set anew meanwhile
			t.late = false
			t.fire()
		}
	}
	if !early && n.state == running {
		n.tellAwake(was, d)
	}
}

// tellAwake tells the node what it slept through.
func (n *Node) tellAwake(was nodeState, d time.Duration) {
	w := n.world
	if !w.begin(n, "wake", "", int64(d), 0) {
		return
	}
	if was == suspended && n.Resumed != nil {
		n.Resumed(d)
	}
	if n.stepped && n.ClockStepped != nil {
		n.ClockStepped()
	}
	n.stepped = false
	for _, p := range n.ports {
		p.tellMissed()
	}
	w.end()
}

func (n *Node) dropDeferred() {
	for _, f := range n.deferred {
		f.to.seg.Stats.Dead++
		n.world.recycle(f)
	}
	n.deferred = n.deferred[:0]
}

// Timer is a timer of a node, set in the node's own time. It is stopped by a
// crash and can be set again after a restart.
type Timer struct {
	node *Node
	name string
	fn   func()
	at   timer.Time // node time
	t    *timer.Timer
	late bool // came due while the node slept
}

// Timer makes a timer that calls fn.
func (n *Node) Timer(name string, fn func()) *Timer {
	t := &Timer{node: n, name: name, fn: fn}
	t.t = n.world.queue.Timer(name, t.fire)
	n.timers = append(n.timers, t)
	return t
}

// Set schedules the timer, or moves it. A time that is over means at once.
func (t *Timer) Set(at timer.Time) {
	t.late = false
	t.at = at
	if at == timer.Never {
		t.t.Stop()
		return
	}
	world := at + t.node.boot
	if world < t.node.world.now {
		world = t.node.world.now
	}
	t.t.Set(world)
}

// Stop stops the timer and reports whether it was pending.
func (t *Timer) Stop() bool {
	was := t.late
	t.late = false
	return t.t.Stop() || was
}

// Pending reports whether the timer will fire.
func (t *Timer) Pending() bool { return t.late || t.t.Pending() }

// At returns the time the timer was last set to.
func (t *Timer) At() timer.Time { return t.at }

func (t *Timer) fire() {
	switch t.node.state {
	case running:
		t.run()
	case suspended, paused:
		t.late = true
		t.node.overdue = append(t.node.overdue, t)
	}
}

func (t *Timer) run() {
	w := t.node.world
	if w.begin(t.node, "timer", t.name, 0, 0) {
		t.fn()
		w.end()
	}
}
