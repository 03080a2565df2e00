package timer

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTimeSaturates(t *testing.T) {
	for _, tt := range []struct {
		t    Time
		d    time.Duration
		want Time
	}{
		{0, 5, 5},
		{5, -7, -2},
		{Never, -1, Never},
		{Never, 1, Never},
		{Never - 1, 1, Never},
		{Never - 1, 2, Never},
		{1, math.MaxInt64, Never},
		{math.MinInt64, -1, math.MinInt64},
		{-1, math.MinInt64, math.MinInt64},
	} {
		if got := tt.t.Add(tt.d); got != tt.want {
			t.Errorf("%d.Add(%d) = %d, want %d", tt.t, tt.d, got, tt.want)
		}
	}
	if d := Never.Sub(7); d != math.MaxInt64 {
		t.Errorf("Never.Sub(7) = %d", d)
	}
	if d := Time(9).Sub(7); d != 2 {
		t.Errorf("9.Sub(7) = %d", d)
	}
	if !Time(1).Before(2) || Time(2).Before(2) || !Time(3).After(2) || Time(2).After(2) {
		t.Error("Before or After is wrong")
	}
}

// bed is a queue whose timers write their names down.
type bed struct {
	q     Queue
	fired []string
}

func (b *bed) timer(name string, then func()) *Timer {
	return b.q.Timer(name, func() {
		b.fired = append(b.fired, name)
		if then != nil {
			then()
		}
	})
}

// fire runs a pass and compares what it called.
func (b *bed) fire(t *testing.T, now Time, want ...string) {
	t.Helper()
	b.fired = nil
	if n := b.q.FireUntil(now); n != len(want) {
		t.Errorf("FireUntil(%d) = %d, want %d", now, n, len(want))
	}
	if d := cmp.Diff(want, b.fired); d != "" {
		t.Errorf("FireUntil(%d): -want +got\n%s", now, d)
	}
}

func TestOrder(t *testing.T) {
	var b bed
	b.timer("late", nil).Set(30)
	b.timer("b", nil).Set(20)
	b.timer("c", nil).Set(20)
	b.timer("d", nil).Set(20)
	b.timer("early", nil).Set(-10)
	b.fire(t, -11)
	b.fire(t, 29, "early", "b", "c", "d")
	b.fire(t, 30, "late")
	b.fire(t, Never)
}

// Setting a timer again, even to the same moment, puts it behind its equals.
func TestSetAgainGoesLast(t *testing.T) {
	var b bed
	first := b.timer("first", nil)
	first.Set(5)
	b.timer("second", nil).Set(5)
	first.Set(5)
	b.fire(t, 5, "second", "first")
}

func TestAdjust(t *testing.T) {
	var b bed
	var ts []*Timer
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		tm := b.timer(name, nil)
		tm.Set(Time(10 * (len(ts) + 1)))
		ts = append(ts, tm)
	}
	ts[5].Set(1)  // to the front
	ts[0].Set(99) // to the back
	if at := ts[0].At(); at != 99 {
		t.Errorf("At() = %d after Set(99)", at)
	}
	if n := b.q.Len(); n != 6 {
		t.Errorf("Len() = %d, want 6", n)
	}
	b.fire(t, 100, "f", "b", "c", "d", "e", "a")
}

func TestState(t *testing.T) {
	var b bed
	tm := b.timer("x", nil)
	check := func(when string, pending bool, at Time, length int) {
		t.Helper()
		next, ok := b.q.Next()
		if tm.Pending() != pending || tm.At() != at || b.q.Len() != length || next != at || ok != pending {
			t.Errorf("%s: Pending %v, At %d, Len %d, Next %d %v", when, tm.Pending(), tm.At(), b.q.Len(), next, ok)
		}
	}
	check("new", false, Never, 0)
	if tm.Stop() {
		t.Error("Stop of a new timer = true")
	}
	tm.Set(7)
	check("set", true, 7, 1)
	if !tm.Stop() {
		t.Error("Stop of a pending timer = false")
	}
	check("stopped", false, Never, 0)
	tm.Set(7)
	tm.Set(Never)
	check("set to never", false, Never, 0)
	tm.Set(Never - 1)
	check("set to the last moment", true, Never-1, 1)
	b.fire(t, Never, "x")
	check("fired", false, Never, 0)
	if tm.Name() != "x" {
		t.Errorf("Name() = %q", tm.Name())
	}
}

func TestOutOfQueueBeforeCall(t *testing.T) {
	var b bed
	var tm *Timer
	tm = b.timer("x", func() {
		if tm.Pending() || tm.Stop() || tm.At() != Never || b.q.Len() != 0 {
			t.Error("timer is in the queue while it runs")
		}
	})
	tm.Set(1)
	b.fire(t, 1, "x")
}

// What a callback sets waits for the next pass, due or not, and does not keep
// others from running that are due later than it.
func TestSetDuringPass(t *testing.T) {
	var b bed
	var again, other *Timer
	other = b.timer("other", nil)
	again = b.timer("again", func() {
		again.Set(0) // before everything else that is due
		other.Set(9)
		if b.q.Len() != 4 {
			t.Errorf("Len() = %d inside the pass, want 4", b.q.Len())
		}
		if at, ok := b.q.Next(); at != 0 || !ok {
			t.Errorf("Next() = %d %v inside the pass, want 0", at, ok)
		}
		if again.At() != 0 || !other.Pending() {
			t.Error("timer set during the pass is not pending")
		}
	})
	again.Set(1)
	b.timer("y", nil).Set(2)
	b.timer("z", nil).Set(20)
	b.fire(t, 10, "again", "y")
	if b.q.Len() != 3 {
		t.Errorf("Len() = %d after the pass, want 3", b.q.Len())
	}
	again.fn = func() { b.fired = append(b.fired, "again") }
	b.fire(t, 10, "again", "other")
}

// A timer that an earlier callback moves is not called in this pass, wherever
// it is moved to.
func TestMoveDuringPass(t *testing.T) {
	var b bed
	var past, future, back *Timer
	b.timer("mover", func() {
		past.Set(0)
		future.Set(100)
		back.Set(100)
		back.Set(3) // late, to the heap, late
	}).Set(1)
	past = b.timer("past", nil)
	future = b.timer("future", nil)
	back = b.timer("back", nil)
	for _, tm := range []*Timer{past, future, back} {
		tm.Set(2)
	}
	b.fire(t, 10, "mover")
	b.fire(t, 10, "past", "back")
	b.fire(t, 100, "future")
}

func TestStopDuringPass(t *testing.T) {
	var b bed
	var victim, late *Timer
	b.timer("killer", func() {
		late.Set(0)
		if !victim.Stop() || !late.Stop() || late.Stop() {
			t.Error("Stop inside the pass is wrong")
		}
	}).Set(1)
	victim = b.timer("victim", nil)
	victim.Set(1)
	late = b.timer("late", nil)
	b.fire(t, 1, "killer")
	b.fire(t, 1)
}

func TestNestedPassPanics(t *testing.T) {
	var q Queue
	q.Timer("x", func() {
		defer func() {
			if recover() == nil {
				t.Error("FireUntil inside a callback does not panic")
			}
		}()
		q.FireUntil(1)
	}).Set(1)
	q.FireUntil(1)
}

func TestManyInOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var q Queue
	var got, want []Time
	for range 5000 {
		at := Time(rnd.Int64N(1000))
		want = append(want, at)
		q.Timer("", func() { got = append(got, at) }).Set(at)
	}
	slices.Sort(want)
	q.FireUntil(1000)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

func TestNoAllocation(t *testing.T) {
	var q Queue
	var tms []*Timer
	for range 100 {
		tms = append(tms, q.Timer("", func() {}))
	}
	now := Time(0)
	cycle := func() {
		for i, tm := range tms {
			tm.Set(now + Time(i%7))
			tm.Set(now + Time(i%5))
			if i%3 == 0 {
				tm.Stop()
			}
		}
		now += 10
		q.FireUntil(now)
	}
	cycle()
	if n := testing.AllocsPerRun(100, cycle); n != 0 {
		t.Errorf("%v allocations in a cycle", n)
	}
}
