package rtnl

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Group is a kind of events to subscribe to (rtnetlink(7)).
type Group uint8

// The groups. GroupInet6Info tells about router advertisement flags.
const (
	GroupLink      Group = unix.RTNLGRP_LINK
	GroupNeigh     Group = unix.RTNLGRP_NEIGH
	GroupAddr4     Group = unix.RTNLGRP_IPV4_IFADDR
	GroupRoute4    Group = unix.RTNLGRP_IPV4_ROUTE
	GroupRule4     Group = unix.RTNLGRP_IPV4_RULE
	GroupAddr6     Group = unix.RTNLGRP_IPV6_IFADDR
	GroupRoute6    Group = unix.RTNLGRP_IPV6_ROUTE
	GroupInet6Info Group = unix.RTNLGRP_IPV6_IFINFO
	GroupRule6     Group = unix.RTNLGRP_IPV6_RULE
)

const (
	// watchBuffer is the first receive buffer in octets; most events have less
	// than 2 KiB, and it grows when one is larger.
	watchBuffer = 16 << 10
	// watchSocketBuffer is what the kernel may queue for us, in octets. Going
	// beyond is noticed and repaired, but costs a dump.
	watchSocketBuffer = 8 << 20
	// discardTurn is how many datagrams are thrown away in one call after an
	// overrun.
	discardTurn = 4096
)

// WatchStats counts what a Watcher met.
type WatchStats struct {
	Events   uint64 // passed on
	Bad      uint64 // messages that could not be decoded
	Overruns uint64
}

// Watcher receives events. It never blocks; put its descriptor into an event
// loop and call Drain when it is readable.
type Watcher struct {
	s          *socket
	discarding bool // lost events: throw away what is older than the loss
	stats      WatchStats
}

// Watch subscribes to groups in the network namespace of the calling thread.
func Watch(groups ...Group) (*Watcher, error) {
	var mask uint32
	for _, g := range groups {
		if g == 0 || g > 32 {
			return nil, fmt.Errorf("watch rtnetlink: no such group: %d", g)
		}
		mask |= 1 << (g - 1)
	}
	s, err := openSocket(mask, watchBuffer)
	if err != nil {
		return nil, fmt.Errorf("watch rtnetlink: %w", err)
	}
	// SO_RCVBUFFORCE needs CAP_NET_ADMIN; without it the system's limit holds.
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, watchSocketBuffer) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, watchSocketBuffer)
	}
	return &Watcher{s: s}, nil
}

// Fd returns the descriptor, for an event loop only.
func (w *Watcher) Fd() int { return w.s.fd }

// Stats returns the counters.
func (w *Watcher) Stats() WatchStats { return w.stats }

// Close closes the socket.
func (w *Watcher) Close() error { return w.s.nl.Close() }

// Drain reads up to budget datagrams and calls fn for their events, in order.
// What is left makes the descriptor readable again. When the kernel had to drop
// events, fn gets one Overrun after everything older has been thrown away:
// a dump made from then on plus the events that follow it are complete. Events
// that were queued before the loss must not be applied after such a dump, they
// would undo what it says. An error means a broken socket.
func (w *Watcher) Drain(budget int, fn func(Event)) error {
	for range budget {
		if w.discarding {
			if done, err := w.discard(); err != nil || !done {
				return err
			}
			fn(Event{Kind: Overrun})
		}
		b, err := w.s.receive(w.s.tryFn)
		switch {
		case err == nil:
			w.decode(b, fn)
		case errors.Is(err, unix.EAGAIN):
			return nil
		case errors.Is(err, unix.ENOBUFS), err == errTruncated:
			w.stats.Overruns++
			w.discarding = true
		default:
			return fmt.Errorf("read rtnetlink events: %w", err)
		}
	}
	return nil
}

// discard empties the socket; done is false when there is still more.
func (w *Watcher) discard() (done bool, err error) {
	for range discardTurn {
		_, err := w.s.receive(w.s.tryFn)
		switch {
		case err == nil, err == errTruncated, errors.Is(err, unix.ENOBUFS):
		case errors.Is(err, unix.EAGAIN):
			w.discarding = false
			return true, nil
		default:
			return false, fmt.Errorf("read rtnetlink events: %w", err)
		}
	}
	return false, nil
}

func (w *Watcher) decode(b []byte, fn func(Event)) {
	eachMessage(b, func(m *netlink.Message) bool {
		ev, err := decodeEvent(m)
		switch err {
		case nil:
			w.stats.Events++
			fn(ev)
		case errIgnored:
		default:
			w.stats.Bad++
		}
		return true
	})
}
