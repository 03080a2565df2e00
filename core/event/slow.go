package event

import (
	"log/slog"
	"reflect"
	"runtime"
	"slices"
	"strings"
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

// measuredPosts is how many posts in a row are measured together. They come in
// bursts and do little, so that reading the clock for each would cost more
// than all the rest.
const measuredPosts = 16

// measurePosts is measure for functions that have no names of their own.
func (l *Loop) measurePosts(fns []func()) {
	now := l.mono()
	if took := now - l.lap; took > slowLimit {
		var names []string
		for _, fn := range fns {
			names = append(names, runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).Name())
		}
		l.log().Warn("slow callback", "post", strings.Join(slices.Compact(names), " or "), "took", took)
	}
	l.lap = now
}

func (l *Loop) log() *slog.Logger {
	if l.logger == nil {
		return slog.Default()
	}
	return l.logger
}
