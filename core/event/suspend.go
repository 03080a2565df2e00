package event

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/timer"
)

const (
	// resumeTick bounds how long a resume stays unnoticed if nothing else
	// wakes the loop.
	resumeTick = 10 * time.Second
	// resumeJump is the shortest sleep that is reported.
	resumeJump = time.Second
	// readGap is how long reading two clocks one after the other may take for
	// the pair to be taken together. A process that is stopped in between
	// would see a jump that did not happen.
	readGap = time.Millisecond
)

// resume notices that the host slept: CLOCK_BOOTTIME has then run ahead of
// CLOCK_MONOTONIC.
type resume struct {
	fns    []func(time.Duration)
	tick   *timer.Timer
	offset time.Duration // CLOCK_BOOTTIME less mono
}

// OnResume calls fn after the host has slept for more than a second. It is
// called after the timers that came due meanwhile.
func (l *Loop) OnResume(fn func(asleep time.Duration)) {
	r := &l.resume
	r.fns = append(r.fns, fn)
	if r.tick != nil {
		return
	}
	r.offset = l.clockOffset()
	r.tick = l.Timer("resume tick", func() { r.tick.Set(l.Now().Add(resumeTick)) })
	r.tick.Set(l.Now().Add(resumeTick))
}

// check returns how long the host slept since the last check, or zero.
func (r *resume) check(l *Loop) time.Duration {
	if r.tick == nil {
		return 0
	}
	offset := time.Duration(l.Now()) - l.lap
	if d := offset - r.offset; -resumeJump <= d && d <= resumeJump {
		return 0
	}
	offset = l.clockOffset() // with more care
	d := offset - r.offset
	r.offset = offset
	if d <= resumeJump {
		return 0
	}
	return d
}

func (r *resume) report(l *Loop, asleep time.Duration) {
	for _, fn := range r.fns {
		fn(asleep)
		l.measure("handler", "resume")
	}
}

// clockOffset returns CLOCK_BOOTTIME less mono, both read at one moment.
func (l *Loop) clockOffset() time.Duration {
	for {
		before := l.mono()
		boot := l.Now()
		if after := l.mono(); after-before < readGap {
			return time.Duration(boot) - after
		}
	}
}

// clockStep notices that somebody set the wall clock.
type clockStep struct {
	fns []func()
	fd  int
	src *Source
}

// OnClockStep calls fn after the wall clock was set. Slewing it is not a step.
func (l *Loop) OnClockStep(fn func()) {
	c := &l.step
	c.fns = append(c.fns, fn)
	if c.src != nil {
		return
	}
	if err := c.open(l); err != nil {
		l.log().Warn("steps of the wall clock will go unnoticed", "err", err)
	}
}

// open makes a timer on CLOCK_REALTIME that never expires but is cancelled
// when that clock is set: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET.
func (c *clockStep) open(l *Loop) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	if err = armCancel(fd); err == nil {
		c.src, err = l.Add("wall clock", fd, Read, func(Ready) { c.ready(l) })
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	c.fd = fd
	return nil
}

func armCancel(fd int) error {
	far, err := unix.TimeToTimespec(time.Unix(1<<33, 0)) // the year 2242
	if err != nil {                                      // 32 bits
		far = unix.Timespec{Sec: math.MaxInt32}
	}
	err = unix.TimerfdSettime(fd, unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &unix.ItimerSpec{Value: far}, nil)
	if err != nil {
		return fmt.Errorf("watch wall clock: %w", os.NewSyscallError("timerfd_settime", err))
	}
	return nil
}

func (c *clockStep) ready(l *Loop) {
	var buf [8]byte
	_, err := unix.Read(c.fd, buf[:])
	switch err {
	case unix.EAGAIN, unix.EINTR:
		return
	case unix.ECANCELED:
		err = armCancel(c.fd)
	case nil:
		err = errors.New("clock is beyond the end of time")
	}
	if err != nil {
		l.log().Warn("steps of the wall clock will go unnoticed", "err", err)
		c.close()
	}
	for _, fn := range c.fns {
		fn()
	}
}

func (c *clockStep) close() {
	if c.src != nil {
		c.src.Remove()
		unix.Close(c.fd)
		c.src = nil
	}
}
