package event

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Ready says what a descriptor is ready for, or what to wait for.
type Ready uint32

const (
	Read  Ready = 1 << iota // reading will not block
	Write                   // writing will not block
	// Hangup is an error or an end: EPOLLERR, EPOLLHUP or, while Read is
	// asked for, EPOLLRDHUP. It is reported without being asked for, together
	// with what was asked for, since reads and writes will not block but
	// return the error or what is left. As long as the condition lasts it is
	// reported in every turn, so the owner must act on it.
	Hangup
)

// Descriptors of the loop itself carry one of these where others carry theirs.
const (
	tagWake  = -1
	tagTimer = -2
)

// maxHangups is how many turns in a row may report Hangup to an owner who
// does nothing about it. Draining even the largest socket buffer after an end
// takes fewer.
const maxHangups = 1 << 14

var (
	errRemoved = errors.New("source was removed")
	errBadFd   = errors.New("negative descriptor")
)

// slot is what the loop knows of a descriptor number. The generation tells
// readiness collected before a removal from that of a later registration.
type slot struct {
	src *Source
	gen uint32
}

// Source is a registered descriptor.
type Source struct {
	l       *Loop
	fn      func(Ready)
	name    string
	fd      int32
	ev      Ready
	hangups int32 // reported in a row
}

// Add calls fn whenever fd is ready for what ev names, until Source.Remove.
// The descriptor should not block, stays the caller's and must be removed
// before it is closed. The name is for logs. A descriptor that is registered
// already is refused.
func (l *Loop) Add(name string, fd int, ev Ready, fn func(Ready)) (*Source, error) {
	if fd < 0 {
		return nil, fmt.Errorf("watch %s: %w", name, errBadFd)
	}
	if fd < len(l.slots) && l.slots[fd].src != nil {
		return nil, fmt.Errorf("watch %s: descriptor %d is %s already", name, fd, l.slots[fd].src.name)
	}
	if fd >= len(l.slots) {
		l.slots = append(l.slots, make([]slot, fd+1-len(l.slots))...)
	}
	s := &Source{l: l, fn: fn, name: name, fd: int32(fd), ev: ev & (Read | Write)}
	if err := s.ctl(unix.EPOLL_CTL_ADD); err != nil {
		return nil, err
	}
	l.slots[fd].src = s
	return s, nil
}

// Modify changes what the source waits for. Nothing at all is allowed: then
// only errors and ends are reported.
func (s *Source) Modify(ev Ready) error {
	if !s.registered() {
		return fmt.Errorf("watch %s: %w", s.name, errRemoved)
	}
	ev &= Read | Write
	s.hangups = 0
	if ev == s.ev {
		return nil
	}
	old := s.ev
	s.ev = ev
	if err := s.ctl(unix.EPOLL_CTL_MOD); err != nil {
		s.ev = old
		return err
	}
	return nil
}

// Remove ends the registration. Readiness that this turn has collected already
// is not reported. Removing twice is harmless.
func (s *Source) Remove() {
	if !s.registered() {
		return
	}
	sl := &s.l.slots[s.fd]
	sl.src = nil
	sl.gen++
	if err := s.ctl(unix.EPOLL_CTL_DEL); err != nil {
		// Closed before it was removed. If a copy of it is open somewhere the
		// set goes on reporting it and nobody can take it out any more.
		s.l.log().Error("descriptor was closed while watched", "source", s.name, "err", err)
	}
}

func (s *Source) registered() bool {
	return int(s.fd) < len(s.l.slots) && s.l.slots[s.fd].src == s
}

func (s *Source) ctl(op int) error {
	ev := unix.EpollEvent{Fd: s.fd, Pad: int32(s.l.slots[s.fd].gen)}
	if s.ev&Read != 0 {
		ev.Events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if s.ev&Write != 0 {
		ev.Events |= unix.EPOLLOUT
	}
	if err := unix.EpollCtl(s.l.epfd, op, int(s.fd), &ev); err != nil {
		return fmt.Errorf("watch %s: %w", s.name, os.NewSyscallError("epoll_ctl", err))
	}
	return nil
}

// dispatch reports one event to its owner, if that is still the one it was
// collected for.
func (l *Loop) dispatch(e *unix.EpollEvent) {
	if e.Fd < 0 {
		if e.Fd == tagTimer {
			l.rearm = true
		}
		return
	}
	sl := &l.slots[e.Fd]
	s := sl.src
	if s == nil || sl.gen != uint32(e.Pad) {
		return
	}
	var r Ready
	if e.Events&unix.EPOLLIN != 0 {
		r |= Read
	}
	if e.Events&unix.EPOLLOUT != 0 {
		r |= Write
	}
	if e.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		r |= Read | Write
	}
	r &= s.ev // an earlier callback of this turn may have changed it
	if e.Events&(unix.EPOLLERR|unix.EPOLLHUP|unix.EPOLLRDHUP) != 0 {
		r |= Hangup
		s.hangups++
	} else {
		s.hangups = 0
	}
	if r == 0 {
		return
	}
	s.fn(r)
	l.measure("source", s.name)
	if s.hangups > maxHangups && s.registered() {
		l.log().Error("descriptor has failed and its owner does nothing: no longer watched", "source", s.name)
		s.Remove()
	}
}
