package netlab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"daemonbox/core/rtnl"
)

// Host is a machine of the lab: a thread in namespaces of its own.
type Host struct {
	name   string
	bridge bool
	opts   options
	netns  *os.File
	calls  chan func()
	ended  chan struct{}
	rt     *rtnl.Conn // of the host's thread

	mu    sync.Mutex
	procs []*Proc
	gone  bool
}

// Option is a property of a host.
type Option func(*options)

type options struct {
	overlay string
}

// Overlay lays DIR/usr over the host's /usr and DIR/etc over its private /etc,
// so that programs unpacked into DIR run at the paths they were built for.
func Overlay(dir string) Option { return func(o *options) { o.overlay = dir } }

// errHostGone is returned by calls on a host of a closed lab.
var errHostGone = errors.New("the host's lab is closed")

// mayUnshare tells early and clearly that namespaces cannot be made.
func mayUnshare() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root or a user namespace")
	}
	return nil
}

func newHost(name string, opts []Option) (*Host, error) {
	h := &Host{name: name, calls: make(chan func()), ended: make(chan struct{})}
	for _, o := range opts {
		o(&h.opts)
	}
	ready := make(chan error, 1)
	onOwnThread(func() { h.live(ready) })
	if err := <-ready; err != nil {
		return nil, err
	}
	return h, nil
}

// onOwnThread runs fn on a thread that ends when fn returns. The first thread
// of a process is no good for that: it cannot end, and would keep the
// namespaces of a host alive.
func onOwnThread(fn func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			fn() // still locked at the end: the runtime ends the thread
			return
		}
		// While this goroutine holds the first thread the next one gets another.
		started := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(started)
			fn()
		}()
		<-started
		runtime.UnlockOSThread()
	}()
}

// live is the host's thread from beginning to end.
func (h *Host) live(ready chan<- error) {
	defer close(h.ended)
	if err := h.enter(); err != nil {
		ready <- err
		return
	}
	defer func() {
		if h.rt != nil {
			h.rt.Close()
		}
		h.netns.Close()
	}()
	ready <- nil
	for fn := range h.calls {
		fn() // until one ends the goroutine, and with it the thread
	}
}

// enter leaves the namespaces of the process and furnishes the new ones.
func (h *Host) enter() error {
	// CLONE_NEWNS includes CLONE_FS, unshare(2): the other threads keep their
	// working directory and root.
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	h.netns = f
	if err := unix.Sethostname([]byte(h.name)); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if err := furnish(h.name, h.opts.overlay); err != nil {
		f.Close()
		return err
	}
	return loopbackUp()
}

// loopbackUp sets IFF_UP on lo in the caller's network namespace,
// netdevice(7).
func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, ifr)
}

// Name returns the host's name.
func (h *Host) Name() string { return h.name }

// Do runs fn on the host's thread, inside its namespaces. Sockets and files
// that fn opens stay in them and may be used from anywhere afterwards;
// goroutines that fn starts run outside. fn must neither end the goroutine
// (as t.Fatal does) nor call the same host again.
func (h *Host) Do(fn func() error) error {
	var err error
	done := make(chan struct{})
	h.mu.Lock()
	if h.gone {
		h.mu.Unlock()
		return errHostGone
	}
	h.mu.Unlock()
	select {
	case h.calls <- func() { defer close(done); err = fn() }:
	case <-h.ended:
		return errHostGone
	}
	<-done
	return err
}

// end lets the thread end. Calls that are under way finish first.
func (h *Host) end() {
	h.mu.Lock()
	if h.gone {
		h.mu.Unlock()
		return
	}
	h.gone = true
	h.mu.Unlock()
	select {
	case h.calls <- runtime.Goexit:
	case <-h.ended:
	}
	<-h.ended
}
