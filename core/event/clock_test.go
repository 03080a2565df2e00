package event

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"daemonbox/core/timer"
)

func TestTimers(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		var got []string
		start := l.Now()
		timer := func(name string, after time.Duration) *timer.Timer {
			due := start.Add(after)
			tm := l.Timer(name, func() {
				if l.Now() < due {
					t.Errorf("%s runs %v early", name, due.Sub(l.Now()))
				}
				got = append(got, name)
			})
			tm.Set(due)
			return tm
		}
		timer("far", time.Hour)
		timer("3", 3*time.Millisecond)
		timer("1", time.Millisecond)
		cancelled := timer("cancelled", 2*time.Millisecond)
		moved := timer("moved", 0)
		moved.Set(start.Add(4 * time.Millisecond))
		timer("5", 5*time.Millisecond)
		last := l.Timer("last", l.Stop)
		l.Post(func() {
			cancelled.Stop()
			last.Set(start.Add(6 * time.Millisecond)) // while another is armed
		})
		run(t, l)
		if d := cmp.Diff([]string{"1", "3", "moved", "5"}, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if next, _ := l.queue.Next(); next != start.Add(time.Hour) {
			t.Errorf("%v is left", next)
		}
	})
}

// The timerfd is set when the earliest deadline comes nearer and after it has
// expired, and at no other time; without a deadline the loop sleeps for good.
func TestArm(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		armed := func() (d time.Duration) {
			t.Helper()
			if err := l.arm(); err != nil {
				t.Fatal(err)
			}
			var spec unix.ItimerSpec
			if err := unix.TimerfdGettime(l.timerfd, &spec); err != nil {
				t.Fatal(err)
			}
			return time.Duration(spec.Value.Nano())
		}
		within := func(what string, got, lo, hi time.Duration) {
			t.Helper()
			if got <= lo || got > hi {
				t.Errorf("%s: armed for %v, want %v to %v", what, got, lo, hi)
			}
		}
		if d := armed(); d != 0 {
			t.Errorf("new loop is armed for %v", d)
		}
		x := l.Timer("x", l.Stop)
		x.Set(l.Now().Add(2 * time.Hour))
		within("set", armed(), time.Hour, 2*time.Hour)
		y := l.Timer("y", l.Stop)
		y.Set(l.Now().Add(time.Hour))
		within("nearer", armed(), 30*time.Minute, time.Hour)
		y.Set(l.Now().Add(3 * time.Hour))
		within("away", armed(), 30*time.Minute, time.Hour)
		y.Set(l.Now().Add(time.Millisecond))
		run(t, l)
		within("expired", armed(), time.Hour, 2*time.Hour)
		x.Set(-1)
		run(t, l)
		if d := armed(); d != 0 {
			t.Errorf("armed for %v without a timer", d)
		}
		if n, err := epollNow(l.epfd, l.events[:]); n != 0 || err != nil {
			t.Errorf("%d ready, %v, without a timer", n, err)
		}
	})
}

func TestSlowCallbacks(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		log := logTo(l)
		slow := func() { l.base = l.base.Add(-slowLimit - time.Millisecond) }
		a, b := pair(t)
		write(t, b)
		add(t, l, "quick fd", a, Write, func(Ready) {})
		c, d := pair(t)
		write(t, d)
		add(t, l, "slow fd", c, Read, func(Ready) { drain(c); slow() })
		l.Timer("slow timer", slow).Set(0)
		l.Timer("quick timer", func() {}).Set(0)
		l.Post(slow)
		l.Post(slow)
		l.Post(l.Stop)
		run(t, l)
		var got []string
		for line := range strings.Lines(log.String()) {
			if _, rest, ok := strings.Cut(line, `msg="slow callback" `); ok {
				got = append(got, rest[:strings.LastIndex(rest, " took=")])
			}
		}
		post := `post="daemonbox/core/event.TestSlowCallbacks.func1.1 or daemonbox/core/event.(*Loop).Stop-fm"`
		if d := cmp.Diff([]string{`source="slow fd"`, `timer="slow timer"`, post}, got); d != "" {
			t.Errorf("-want +got\n%s\n%s", d, log)
		}
	})
}

func TestLateTimers(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		var host sleeper // nobody watches for resumes, so it is the loop that is late
		l.boot = host.now
		log := logTo(l)
		now := l.Now()
		l.Timer("late", func() {}).Set(now.Add(time.Second))
		l.Timer("less late", func() {}).Set(now.Add(2 * time.Second))
		turns(t, l, 1)
		host.slept += time.Minute
		turns(t, l, 1)
		l.Timer("set into the past", func() {}).Set(now)
		turns(t, l, 2)
		l.Post(func() { l.Timer("set into the past", func() {}).Set(now) })
		turns(t, l, 2)
		l.Timer("in time", func() {}).Set(l.Now())
		turns(t, l, 2)
		if s := log.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "timer=late") {
			t.Errorf("log says %q", s)
		}
	})
}

// sleeper is a boot clock on a host that can be made to sleep.
type sleeper struct{ slept time.Duration }

func (s *sleeper) now() timer.Time { return boottime().Add(s.slept) }

func TestResume(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		var host sleeper
		l.boot = host.now
		log := logTo(l)
		if l.queue.Len() != 0 {
			t.Error("a timer exists though nobody asked for resumes")
		}
		var got []string
		for _, name := range []string{"a", "b"} {
			l.OnResume(func(d time.Duration) { got = append(got, name+" "+d.Round(time.Second).String()) })
		}
		if l.queue.Len() != 1 {
			t.Errorf("%d timers, want the tick alone", l.queue.Len())
		}
		l.Timer("lease", func() { got = append(got, "expired") }).Set(l.Now().Add(time.Minute))
		turns(t, l, 2)
		host.slept += resumeJump / 2
		turns(t, l, 2)
		host.slept += 5 * time.Second
		turns(t, l, 2)
		host.slept += time.Hour
		turns(t, l, 2)
		if d := cmp.Diff([]string{"a 6s", "b 6s", "expired", "a 1h0m0s", "b 1h0m0s"}, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if log.Len() != 0 {
			t.Errorf("log says %q", log)
		}
	})
}

// A process that is stopped between reading the two clocks has not slept.
func TestStoppedBetweenClocks(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		logTo(l)
		var stop, total time.Duration
		l.boot = func() timer.Time { // when both clocks have jumped
			l.base = l.base.Add(-stop)
			total += stop
			stop = 0
			return boottime().Add(total)
		}
		l.OnResume(func(d time.Duration) { t.Errorf("resume after %v", d) })
		for range 3 {
			l.turn(0)
			stop = time.Hour
			l.turn(0)
			if stop != 0 {
				t.Error("clocks were not compared")
			}
		}
	})
}

func TestClockStepQuiet(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		log := logTo(l)
		l.OnClockStep(func() { t.Error("step reported though nobody set the clock") })
		l.OnClockStep(func() {})
		turns(t, l, 3)
		if l.step.src == nil || log.Len() != 0 {
			t.Errorf("not watching: %q", log)
		}
		l.step.ready(l) // a spurious call
	})
}
