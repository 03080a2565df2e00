package timer

import (
	"math"
	"time"
)

// Time is a moment in nanoseconds of the clock that drives a Queue:
// CLOCK_BOOTTIME on the event loop, virtual time in the simulator.
// Its zero point means nothing outside of one run.
type Time int64

// Never is later than every other Time.
const Never Time = math.MaxInt64

// Add returns t+d and stops at Never instead of overflowing. Never plus
// anything is Never.
func (t Time) Add(d time.Duration) Time {
	if t == Never {
		return Never
	}
	s := t + Time(d)
	if d > 0 && s < t {
		return Never
	}
	if d < 0 && s > t {
		return math.MinInt64
	}
	return s
}

// Sub returns t-u. If t is Never the result is the largest Duration.
func (t Time) Sub(u Time) time.Duration {
	if t == Never {
		return math.MaxInt64
	}
	return time.Duration(t - u)
}

// Before reports whether t is earlier than u.
func (t Time) Before(u Time) bool { return t < u }

// After reports whether t is later than u.
func (t Time) After(u Time) bool { return t > u }
