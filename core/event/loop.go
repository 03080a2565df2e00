package event

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/timer"
)

// Mode is how a Loop waits.
type Mode uint8

const (
	Parked Mode = iota // in the poller of the Go runtime
	Direct             // in epoll_wait(2)
)

// String returns the mode's name.
func (m Mode) String() string {
	if m == Direct {
		return "direct"
	}
	return "parked"
}

// maxEvents is how many ready descriptors one turn takes. The kernel moves
// what it has reported to the end of its list, so all get their share.
const maxEvents = 256

// Loop is an event loop. Make it with New.
type Loop struct {
	epfd   int
	waiter waiter
	slots  []slot // by descriptor
	events [maxEvents]unix.EpollEvent

	queue   timer.Queue
	timerfd int
	armed   timer.Time // what timerfd is set to
	due     timer.Time // when it should wake the loop: armed, but never before it was armed
	rearm   bool       // timerfd has expired and must be set, if only to nothing
	boot    func() timer.Time

	base   time.Time     // zero point of mono
	lap    time.Duration // mono when the callback under way began
	late   time.Duration // of the first timer of this pass, until it is logged
	logger *slog.Logger

	signals signals
	resume  resume
	step    clockStep

	// mu guards what other goroutines touch. It is never held while a
	// callback runs.
	mu     sync.Mutex
	posts  []func()
	spare  []func() // the other buffer, in turn; loop goroutine only
	asleep bool     // the loop waits or is about to; whoever clears it wakes it
	stop   bool
	closed bool
}

// waiter is what differs between the modes.
type waiter interface {
	// wait fills l.events and returns how many are ready. It sleeps only if
	// l.mayWait allows it.
	wait() (int, error)
	// wake ends a wait that has begun or is about to. It is called with l.mu
	// held, once for each time that the loop went to sleep at most.
	wake()
	close() error
}

// New makes a loop. It starts no goroutine.
func New(mode Mode) (*Loop, error) {
	l := &Loop{epfd: -1, timerfd: -1, armed: timer.Never, boot: boottime, base: time.Now()}
	if err := l.open(mode); err != nil {
		l.Close()
		return nil, fmt.Errorf("event loop: %w", err)
	}
	return l, nil
}

func (l *Loop) open(mode Mode) (err error) {
	if l.epfd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if mode == Direct {
		l.waiter, err = newDirect(l)
	} else {
		l.waiter, err = newParked(l)
	}
	if err != nil {
		return err
	}
	return l.openTimer()
}

// SetLogger names the logger for slow callbacks and late timers. Without one
// they go to slog.Default.
func (l *Loop) SetLogger(logger *slog.Logger) { l.logger = logger }

// Run serves events until Stop. The error is that of a poller that does not
// work any more. Run may be called again after it has returned nil.
func (l *Loop) Run() error {
	for {
		if err := l.arm(); err != nil {
			return err
		}
		n, err := l.waiter.wait()
		if err != nil {
			return fmt.Errorf("event loop: %w", err)
		}
		if l.turn(n) {
			return nil
		}
	}
}

// turn serves n descriptors, the due timers and the posts, and reports
// whether the loop was told to stop.
func (l *Loop) turn(n int) (stop bool) {
	l.lap = l.mono()
	asleep := l.resume.check(l)
	for i := range l.events[:n] {
		l.dispatch(&l.events[i])
	}
	l.fire(asleep > 0)
	if asleep > 0 {
		l.resume.report(l, asleep)
	}
	return l.runPosts()
}

// Stop makes Run return at the end of the turn that is under way, or of the
// next one if the loop sleeps or has not begun.
func (l *Loop) Stop() {
	l.mu.Lock()
	l.stop = true
	l.wakeLocked()
	l.mu.Unlock()
}

// Close gives back what the loop holds; registered descriptors stay open, as
// they belong to their owners. It must not be called before Run has returned.
// What is posted afterwards is dropped.
func (l *Loop) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed, l.posts, l.asleep = true, nil, false
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.signals.close()
	l.step.close()
	var errs []error
	if l.waiter != nil {
		errs = append(errs, l.waiter.close())
	}
	if l.timerfd >= 0 {
		errs = append(errs, unix.Close(l.timerfd))
	}
	if l.epfd >= 0 {
		errs = append(errs, unix.Close(l.epfd))
	}
	l.timerfd, l.epfd = -1, -1
	l.slots = nil
	return errors.Join(errs...)
}

// mono is a cheap clock for measuring callbacks. It stands still while the
// host sleeps, so that a suspend does not look like a slow callback.
func (l *Loop) mono() time.Duration { return time.Since(l.base) }
