package log

import (
	"time"

	"daemonbox/core/timer"
)

const (
	defaultInterval = 10 * time.Second
	// maxKeys bounds the memory of a Limiter; further keys share one entry.
	maxKeys = 64
)

// Limiter lets one line per interval and key through and counts the others.
// The zero value allows one line in 10 s. It belongs to one goroutine.
type Limiter struct {
	// Interval between two lines of one key; 0 means 10 s.
	Interval time.Duration

	seen  map[string]*limit
	other limit
}

type limit struct {
	used       bool
	next       timer.Time
	suppressed int
}

// Allow reports whether a line of that key may be written now, and how many
// were suppressed since the last one that was.
func (l *Limiter) Allow(now timer.Time, key string) (ok bool, suppressed int) {
	e := l.entry(now, key)
	if e.used && now < e.next {
		e.suppressed++
		return false, e.suppressed
	}
	n := e.suppressed
	*e = limit{used: true, next: now.Add(l.interval())}
	return true, n
}

func (l *Limiter) interval() time.Duration {
	if l.Interval == 0 {
		return defaultInterval
	}
	return l.Interval
}

func (l *Limiter) entry(now timer.Time, key string) *limit {
	if e, ok := l.seen[key]; ok {
		return e
	}
	if len(l.seen) >= maxKeys {
		l.forget(now)
	}
	if len(l.seen) >= maxKeys {
		return &l.other
	}
	if l.seen == nil {
		l.seen = make(map[string]*limit)
	}
	e := &limit{}
	l.seen[key] = e
	return e
}

// forget drops the keys that limit nothing any more. A count that nobody saw
// moves to the shared entry.
func (l *Limiter) forget(now timer.Time) {
	for k, e := range l.seen {
		if now >= e.next {
			l.other.suppressed += e.suppressed
			delete(l.seen, k)
		}
	}
}
