// Package log makes the slog loggers of the daemons: to syslog, to standard
// error, and into a ring in memory that a status command can show.
//
// A logger costs little to make: nothing is opened before the first line. A
// line to syslog never blocks: what the syslog daemon does not take at once is
// counted and reported with the next line that gets through. Loggers and Rings
// may be used by any goroutine; a Limiter belongs to one.
package log

import (
	"io"
	"log/slog"
)

// Options says where lines go.
type Options struct {
	// Applet is the tag of each line.
	Applet string
	// Level is the lowest level that is written: a slog.Level, or a
	// *slog.LevelVar to change it later. Nil means LevelInfo.
	Level slog.Leveler
	// Stderr takes lines for people to read. Nil sends them to syslog.
	Stderr io.Writer
	// Ring, if not nil, keeps the last lines too.
	Ring *Ring
	// JSON writes Stderr as one JSON object a line.
	JSON bool
}

// New returns a logger. It opens nothing.
func New(o Options) *slog.Logger {
	level := o.Level
	if level == nil {
		level = LevelInfo
	}
	h := &handler{level: level}
	switch {
	case o.Stderr == nil:
		h.sinks = append(h.sinks, &syslogSink{tag: o.Applet, path: devLog})
	case o.JSON:
		h.json = newJSON(o, level)
	default:
		h.sinks = append(h.sinks, &textSink{tag: o.Applet, w: o.Stderr})
	}
	if o.Ring != nil {
		h.sinks = append(h.sinks, o.Ring)
	}
	return slog.New(h)
}

// newJSON is slog's own JSON handler with our names of levels.
func newJSON(o Options, level slog.Leveler) slog.Handler {
	h := slog.NewJSONHandler(o.Stderr, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.LevelKey {
				if l, ok := a.Value.Any().(slog.Level); ok {
					a.Value = slog.StringValue(levelName(l))
				}
			}
			return a
		},
	})
	if o.Applet == "" {
		return h
	}
	return h.WithAttrs([]slog.Attr{slog.String("applet", o.Applet)})
}
