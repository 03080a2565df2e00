package event

import (
	"log/slog"
	"reflect"
	"runtime"
	"time"
)

// slowLimit is how long a callback may take before it is logged. Everything
// else the process does waits for as long.
const slowLimit = 50 * time.Millisecond

// measure logs the callback that just returned if it was slow. The next one
// is measured from here, so each costs one reading of the clock.
func (l *Loop) measure(kind, name string) {
	now := l.mono()
	if took := now - l.lap; took > slowLimit {
		l.log().Warn("slow callback", kind, name, "took", took)
	}
	l.lap = now
}

// measurePost is measure for a function that has no name of its own.
func (l *Loop) measurePost(fn func()) {
	now := l.mono()
	if took := now - l.lap; took > slowLimit {
		name := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).Name()
		l.log().Warn("slow callback", "post", name, "took", took)
	}
	l.lap = now
}

func (l *Loop) log() *slog.Logger {
	if l.logger == nil {
		return slog.Default()
	}
	return l.logger
}
