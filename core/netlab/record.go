package netlab

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/rtnl"
)

// Recorder notes what the kernel says about a host's interfaces, IPv4
// addresses and routes, and when.
type Recorder struct {
	w    *rtnl.Watcher
	wake int // eventfd; written to end the reading
	done chan struct{}

	mu     sync.Mutex
	events []Recorded
	err    error
	news   chan struct{} // closed and replaced at each event
}

// Recorded is one event. At is when it was read, some tens of microseconds
// after the kernel sent it.
type Recorded struct {
	At time.Time
	rtnl.Event
}

// Record starts to record. Events from before are not seen.
func (h *Host) Record() (*Recorder, error) {
	r := &Recorder{done: make(chan struct{}), news: make(chan struct{})}
	err := h.Do(func() (err error) {
		r.w, err = rtnl.Watch(rtnl.GroupLink, rtnl.GroupAddr4, rtnl.GroupRoute4)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("record in %s: %w", h.name, err)
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
		r.w.Close()
		return nil, err
	}
	go r.run()
	return r, nil
}

// run reads events until Close.
func (r *Recorder) run() {
	defer close(r.done)
	fds := []unix.PollFd{{Fd: int32(r.w.Fd()), Events: unix.POLLIN}, {Fd: int32(r.wake), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			r.fail(err)
			return
		}
		if fds[1].Revents != 0 {
			return
		}
		now := time.Now()
		if err := r.w.Drain(64, func(e rtnl.Event) { r.add(Recorded{now, e}) }); err != nil {
			r.fail(err)
			return
		}
	}
}

func (r *Recorder) add(e Recorded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
	close(r.news)
	r.news = make(chan struct{})
}

func (r *Recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
	close(r.news)
	r.news = make(chan struct{})
}

// Close ends the recording; what was recorded stays readable.
func (r *Recorder) Close() {
	select {
	case <-r.done:
	default:
		_, _ = unix.Write(r.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		<-r.done
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.wake >= 0 {
		unix.Close(r.wake)
		r.w.Close()
		r.wake = -1
	}
}

// Events returns what has been recorded so far.
func (r *Recorder) Events() []Recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[:len(r.events):len(r.events)]
}

// Reset forgets what has been recorded.
func (r *Recorder) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = nil
}

// Await waits for the first event, recorded already or to come, that ok
// accepts.
func (r *Recorder) Await(limit time.Duration, ok func(Recorded) bool) (Recorded, error) {
	timeout := time.After(limit)
	for seen := 0; ; {
		r.mu.Lock()
		events, news, err := r.events, r.news, r.err
		r.mu.Unlock()
		for ; seen < len(events); seen++ {
			if ok(events[seen]) {
				return events[seen], nil
			}
		}
		if err != nil {
			return Recorded{}, err
		}
		select {
		case <-news:
		case <-timeout:
			return Recorded{}, fmt.Errorf("no such event within %v; there were %d others", limit, seen)
		}
	}
}

// AwaitAddr waits for a new address in a network.
func (r *Recorder) AwaitAddr(network netip.Prefix, limit time.Duration) (Recorded, error) {
	return r.Await(limit, func(e Recorded) bool {
		return e.Kind == rtnl.AddrNew && network.Contains(e.Addr.Prefix.Addr())
	})
}

// Removed lists the addresses whose end has been recorded.
func (r *Recorder) Removed() []netip.Prefix {
	var out []netip.Prefix
	for _, e := range r.Events() {
		if e.Kind == rtnl.AddrDel {
			out = append(out, e.Addr.Prefix)
		}
	}
	return out
}
