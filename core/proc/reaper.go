package proc

import (
	"errors"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"daemonbox/core/event"
)

// claimed are the pids of supervised children: the reaper leaves them to their
// pidfd. The set belongs to the process, as children do.
var (
	claimedMu sync.Mutex
	claimed   map[int]bool
)

func claim(pid int) {
	claimedMu.Lock()
	defer claimedMu.Unlock()
	if claimed == nil {
		claimed = make(map[int]bool)
	}
	claimed[pid] = true
}

func disclaim(pid int) {
	claimedMu.Lock()
	delete(claimed, pid)
	claimedMu.Unlock()
}

func isClaimed(pid int) bool {
	claimedMu.Lock()
	defer claimedMu.Unlock()
	return claimed[pid]
}

// reapBudget is how many orphans are reaped in one turn.
const reapBudget = 64

// ReapOrphans makes the loop reap the children that process 1 (or a subreaper,
// prctl(2)) inherits. In such a process every child of our own must be started
// by this package, or it would be taken for an orphan. reaped, if not nil, is
// told each pid.
func ReapOrphans(loop *event.Loop, reaped func(pid int)) {
	r := &reaper{loop: loop, reaped: reaped}
	loop.Signal(func(os.Signal) { r.reap() }, unix.SIGCHLD)
	r.reap() // who died before
}

type reaper struct {
	loop   *event.Loop
	reaped func(int)
	posted bool
}

// reap looks at dead children without taking them, and takes the orphans. The
// kernel shows the same one again and again until it is taken, so at one of
// our own it stops: that one's pidfd is readable in this very turn.
func (r *reaper) reap() {
	for range reapBudget {
		pid := peekDead()
		if pid == 0 {
			return
		}
		if isClaimed(pid) {
			break
		}
		if _, err := unix.Wait4(pid, nil, unix.WNOHANG, nil); err == nil && r.reaped != nil {
			r.reaped(pid)
		}
	}
	if !r.posted {
		r.posted = true
		r.loop.Post(func() {
			r.posted = false
			r.reap()
		})
	}
}

// peekDead returns the pid of a child that has ended and was not waited for; 0
// if there is none.
func peekDead() int {
	for {
		var si unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &si, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0
		}
		// struct siginfo: three ints, padding to a word, then si_pid.
		const at = (3*unsafe.Sizeof(int32(0)) + unsafe.Sizeof(uintptr(0)) - 1) &^ (unsafe.Sizeof(uintptr(0)) - 1)
		return int(*(*int32)(unsafe.Pointer(uintptr(unsafe.Pointer(&si)) + at)))
	}
}
