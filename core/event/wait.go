package event

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollNow looks at the set without waiting. It does not tell the scheduler:
// the call cannot block and lasts less than telling would.
func epollNow(epfd int, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	return epollResult(n, errno)
}

// epollBlock waits without limit.
func epollBlock(epfd int, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), ^uintptr(0), 0, 0)
	return epollResult(n, errno)
}

func epollResult(n uintptr, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EINTR: // the runtime interrupts its threads with signals
		return 0, nil
	}
	return 0, os.NewSyscallError("epoll_pwait", errno)
}

// parked waits in the runtime's poller, which watches the epoll set like any
// other descriptor, edge-triggered. An edge is never missed, since the
// goroutine parks only after it has found the set empty.
type parked struct {
	l    *Loop
	file *os.File
	raw  syscall.RawConn
	poll func(fd uintptr) bool // the look method, made a value once

	n     int
	err   error
	slept bool // mayWait was granted during this wait
}

func newParked(l *Loop) (waiter, error) {
	// os.NewFile hands over to the poller only what does not block.
	if err := unix.SetNonblock(l.epfd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	p := &parked{l: l, file: os.NewFile(uintptr(l.epfd), "epoll")}
	p.poll = p.look
	err := p.file.SetReadDeadline(time.Time{})
	if err == nil {
		p.raw, err = p.file.SyscallConn()
	}
	if err != nil {
		_ = p.close()
		return nil, fmt.Errorf("hand epoll set to the runtime poller: %w", err)
	}
	return p, nil
}

// look is called by the runtime before the goroutine parks and after each
// edge; it parks as long as the answer is false.
func (p *parked) look(uintptr) bool {
	p.n, p.err = epollNow(p.l.epfd, p.l.events[:])
	if p.n > 0 || p.err != nil || !p.l.mayWait() {
		return true
	}
	p.slept = true
	return false
}

func (p *parked) wait() (int, error) {
	p.slept = false
	err := p.raw.Read(p.poll)
	if p.slept && p.l.awake() {
		// A deadline in the past ended the wait or would end the next one.
		// Only posters set it, with the mutex held and for a loop that has
		// declared itself asleep: until it does so again nobody will, so
		// clearing it here loses no wake-up.
		if err := p.file.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
	}
	switch {
	case err == nil:
		return p.n, p.err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return 0, nil
	}
	return 0, err
}

// past is any moment that is over.
var past = time.Unix(1, 0)

func (p *parked) wake() {
	// The error is that of a closed file; then nobody waits.
	_ = p.file.SetReadDeadline(past)
}

func (p *parked) close() error {
	p.l.epfd = -1 // belongs to the file
	return p.file.Close()
}

// direct blocks the thread in epoll_pwait(2).
type direct struct {
	l       *Loop
	eventfd int
}

func newDirect(l *Loop) (waiter, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	// Edge-triggered, each write is reported once and nobody has to read.
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: tagWake}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return &direct{l: l, eventfd: fd}, nil
}

func (d *direct) wait() (int, error) {
	if !d.l.mayWait() {
		return epollNow(d.l.epfd, d.l.events[:])
	}
	n, err := epollBlock(d.l.epfd, d.l.events[:])
	d.l.awake()
	return n, err
}

func (d *direct) wake() {
	// Nobody reads, so the writes add up: eventfd(2) holds 2^64-2 of them.
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(d.eventfd, one[:])
}

func (d *direct) close() error { return unix.Close(d.eventfd) }
