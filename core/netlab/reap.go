package netlab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// killProcs ends the processes that were started through the host.
func (h *Host) killProcs() {
	h.mu.Lock()
	procs := h.procs
	h.procs = nil
	h.mu.Unlock()
	for _, p := range procs {
		p.Kill()
		p.out.Close()
	}
}

// killInside ends what is left in the network namespaces of some hosts:
// daemons that went into the background, members of a group that outlived its
// leader. A process is known by its namespace, so no other can be hit.
func killInside(hosts []*Host, limit time.Duration) error {
	inside := make(map[string]bool)
	for _, h := range hosts {
		if link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", h.netns.Fd())); err == nil {
			inside[link] = true
		}
	}
	return Wait(limit, func() (bool, error) {
		left, err := processes(inside)
		for _, pid := range left {
			killIn(pid, inside)
		}
		return len(left) == 0, err
	})
}

// processes lists the processes in one of the network namespaces, given as
// "net:[inode]", without this process and zombies.
func processes(inside map[string]bool) ([]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err == nil && pid != os.Getpid() && isInside(pid, inside) {
			out = append(out, pid)
		}
	}
	return out, nil
}

// isInside also fails for a zombie, whose namespaces are gone.
func isInside(pid int, inside map[string]bool) bool {
	link, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/net")
	return err == nil && inside[strings.TrimSpace(link)]
}

// killIn kills a process by descriptor, after having looked again with the
// descriptor held: the id cannot have passed to another process in between.
func killIn(pid int, inside map[string]bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if !isInside(pid, inside) {
		return
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return
	}
}
