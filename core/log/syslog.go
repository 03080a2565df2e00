package log

import (
	"errors"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// devLog is where syslog(3) sends its datagrams.
const devLog = "/dev/log"

// facilityDaemon is LOG_DAEMON of syslog(3), already shifted.
const facilityDaemon = 3 << 3

// syslogSink sends lines to the local syslog daemon. The socket is made with
// the first line and made again when the daemon went away and came back. A
// full queue loses the line: the caller is never held up.
type syslogSink struct {
	tag  string
	path string

	mu   sync.Mutex
	open bool
	fd   int
	lost uint64
	buf  []byte
}

func (s *syslogSink) write(at time.Time, level slog.Level, text []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost > 0 {
		note := append([]byte("lines lost before this one: "), strconv.FormatUint(s.lost, 10)...)
		if s.send(at, LevelWarning, note) == nil {
			s.lost = 0
		}
	}
	if err := s.send(at, level, text); err != nil {
		s.lost++
		return err
	}
	return nil
}

// send makes the datagram "<PRI>Jan _2 15:04:05 tag[pid]: text".
func (s *syslogSink) send(at time.Time, level slog.Level, text []byte) error {
	if at.IsZero() {
		at = time.Now()
	}
	b := append(s.buf[:0], '<')
	b = strconv.AppendInt(b, int64(facilityDaemon|severity(level)), 10)
	b = append(b, '>')
	b = at.Local().AppendFormat(b, time.Stamp)
	b = append(b, ' ')
	b = append(b, s.tag...)
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(os.Getpid()), 10)
	b = append(b, "]: "...)
	b = append(b, text...)
	s.buf = b

	had := s.open
	err := s.put(b)
	if had && err != nil && !errors.Is(err, unix.EAGAIN) {
		// The daemon has restarted: its old socket is dead, the path may
		// lead to a new one.
		err = s.put(b)
	}
	return err
}

// put sends one datagram without blocking, connecting first where needed.
func (s *syslogSink) put(b []byte) error {
	if !s.open {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, &unix.SockaddrUnix{Name: s.path}); err != nil {
			unix.Close(fd)
			return err
		}
		s.fd, s.open = fd, true
	}
	_, err := unix.SendmsgN(s.fd, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		unix.Close(s.fd)
		s.open = false
	}
	return err
}
