package event

import (
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"daemonbox/core/timer"
)

// lateLimit is how late a timer may be before that is worth a line in the log.
const lateLimit = time.Second

// boottime reads CLOCK_BOOTTIME, which unlike CLOCK_MONOTONIC goes on while
// the host sleeps: leases must run out then, too.
func boottime() timer.Time {
	var ts unix.Timespec
	// Raw, because the call never blocks.
	_, _, errno := unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_BOOTTIME, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 { // only before Linux 2.6.39
		panic("event: CLOCK_BOOTTIME: " + errno.Error())
	}
	return timer.Time(ts.Nano())
}

// Now reads the clock of the loop's timers, CLOCK_BOOTTIME.
func (l *Loop) Now() timer.Time { return l.boot() }

// Timer makes a timer whose function is called by the loop. It is made once
// and set as often as needed.
func (l *Loop) Timer(name string, fn func()) *timer.Timer {
	return l.queue.Timer(name, func() {
		if l.late != 0 {
			l.log().Warn("timer is late", "timer", name, "late", l.late)
			l.late = 0
		}
		fn()
		l.measure("timer", name)
	})
}

// openTimer puts a timerfd into the set. The poller's own timeouts are rounded
// to a millisecond and run on the wrong clock.
func (l *Loop) openTimer() (err error) {
	l.timerfd, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: tagTimer}
	if err := unix.EpollCtl(l.epfd, unix.EPOLL_CTL_ADD, l.timerfd, &ev); err != nil {
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// arm sets the timerfd if the earliest deadline has come nearer or the last
// one has passed. One that moved away or was cancelled costs an idle wake-up
// later instead of a system call now: most timers are adjusted or cancelled
// long before they are due. Setting it also makes it unreadable again, so it
// is never read.
func (l *Loop) arm() error {
	next, _ := l.queue.Next()
	if !l.rearm && next >= l.armed {
		return nil
	}
	var spec unix.ItimerSpec
	if next != timer.Never {
		// Zero would disarm.
		spec.Value = unix.NsecToTimespec(int64(max(next, 1)))
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(l.timerfd), unix.TFD_TIMER_ABSTIME,
		uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("event loop: %w", os.NewSyscallError("timerfd_settime", errno))
	}
	l.armed, l.rearm = next, false
	l.due = max(next, l.Now()) // one set into the past is not late yet
	return nil
}

// fire calls the due timers. Those set by one of them wait for the next turn.
func (l *Loop) fire(resumed bool) {
	next, ok := l.queue.Next()
	if !ok {
		return
	}
	now := l.Now()
	if now >= l.armed {
		l.rearm = true // expired since, though not reported yet
	}
	if next > now {
		return
	}
	// After a suspend they are all late, and nobody is to blame.
	if late := now.Sub(l.due); l.rearm && late > lateLimit && !resumed {
		l.late = late
	}
	l.queue.FireUntil(now)
	l.late = 0
}
