//go:build interop

package event

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The wall clock is set forward by one nanosecond and back again, which is
// less than any reader of it can notice.
func TestClockStep(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		steps := 0
		l.OnClockStep(func() {
			steps++
			l.Stop()
		})
		nudge := func(d time.Duration) {
			tx := unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO}
			if d < 0 { // the fraction must not be negative
				tx.Time.Sec, d = -1, d+time.Second
			}
			tx.Time.Usec = int64(d)
			if _, err := unix.ClockAdjtime(unix.CLOCK_REALTIME, &tx); err != nil {
				t.Fatal(err)
			}
		}
		nudge(1)
		run(t, l)
		nudge(-1)
		run(t, l)
		if steps != 2 {
			t.Errorf("%d steps reported, want 2", steps)
		}
	})
}
