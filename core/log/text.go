package log

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// textSink writes lines for people:
//
//	15:04:05.000 dhcpagent: warning: eth0: message key=value
type textSink struct {
	tag string
	mu  sync.Mutex
	w   io.Writer
	buf []byte
}

func (s *textSink) write(at time.Time, level slog.Level, text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buf[:0]
	if !at.IsZero() {
		b = at.AppendFormat(b, "15:04:05.000 ")
	}
	if s.tag != "" {
		b = append(b, s.tag...)
		b = append(b, ": "...)
	}
	if level < LevelInfo || level >= LevelWarning {
		b = append(b, levelName(level)...)
		b = append(b, ": "...)
	}
	b = append(b, text...)
	b = append(b, '\n')
	s.buf = b
	_, err := s.w.Write(b)
	return err
}
