package log

import (
	"log/slog"
	"sync"
	"time"
)

const (
	defaultRing = 128
	maxRingLine = 512 // octets of one kept line
)

// Line is one kept record.
type Line struct {
	Time  time.Time `json:"time"`
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

// Ring keeps the last lines in memory. Its zero value keeps 128.
type Ring struct {
	mu    sync.Mutex
	size  int
	next  int
	lines []Line
}

// NewRing returns a ring of n lines.
func NewRing(n int) *Ring {
	if n < 1 {
		panic("log: ring without room")
	}
	return &Ring{size: n}
}

// Lines returns the kept lines, oldest first.
func (r *Ring) Lines() []Line {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Line, 0, len(r.lines))
	out = append(out, r.lines[r.next:]...)
	return append(out, r.lines[:r.next]...)
}

func (r *Ring) write(at time.Time, level slog.Level, text []byte) error {
	if len(text) > maxRingLine {
		text = text[:maxRingLine]
	}
	l := Line{at, levelName(level), string(text)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.size == 0 {
		r.size = defaultRing
	}
	if len(r.lines) < r.size {
		r.lines = append(r.lines, l)
		return nil
	}
	r.lines[r.next] = l
	r.next = (r.next + 1) % r.size
	return nil
}
