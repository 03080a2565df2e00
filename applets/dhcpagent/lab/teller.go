package lab

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"daemonbox/core/netlab"
	"daemonbox/core/rtnl"
)

// teller prints the story. Several goroutines use it.
type teller struct {
	w io.Writer

	mu      sync.Mutex
	began   time.Time
	address time.Time
}

func (t *teller) start() {
	t.mu.Lock()
	t.began = time.Now()
	t.mu.Unlock()
}

func (t *teller) bound(at time.Time) {
	t.mu.Lock()
	t.address = at
	t.mu.Unlock()
}

// toAddress is the time from the start to the address in milliseconds.
func (t *teller) toAddress() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(t.address.Sub(t.began).Microseconds()) / 1000
}

// say prints a sentence.
func (t *teller) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, format+"\n", args...)
}

// event prints what somebody did, with the time since the start.
func (t *teller) event(who, format string, args ...any) { t.eventAt(time.Now(), who, format, args...) }

func (t *teller) eventAt(at time.Time, who, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.w, "%10.1f ms  %-7s %s\n", float64(at.Sub(t.began).Microseconds())/1000, who, fmt.Sprintf(format, args...))
}

// block prints the output of a program, set in.
func (t *teller) block(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for line := range strings.Lines(text) {
		fmt.Fprintf(t.w, "    %s\n", strings.TrimRight(line, "\n"))
	}
}

// tellKernel prints what the client's kernel says about addresses and routes.
func (s *stage) tellKernel() {
	seen := 0
	for {
		_, err := s.watch.Await(time.Hour, func(netlab.Recorded) bool { return len(s.watch.Events()) > seen })
		if err != nil {
			return // the recorder was closed
		}
		events := s.watch.Events()
		for _, e := range events[seen:] {
			if text := kernelText(&e); text != "" {
				s.tell.eventAt(e.At, "kernel", "%s", text)
			}
			select {
			case s.kernel <- e:
			default: // the play waits for few of them
			}
		}
		seen = len(events)
	}
}

// kernelText describes what a viewer wants to know of an event.
func kernelText(e *netlab.Recorded) string {
	switch e.Kind {
	case rtnl.AddrNew, rtnl.AddrDel:
		if !e.Addr.Prefix.Addr().Is4() {
			return ""
		}
		if e.Kind == rtnl.AddrDel {
			return fmt.Sprintf("address %s removed", e.Addr.Prefix)
		}
		return fmt.Sprintf("address %s, valid for %d s", e.Addr.Prefix, e.Addr.Valid)
	case rtnl.RouteNew:
		if e.Route.Gateway.IsValid() {
			return "route " + routeText(&e.Route)
		}
	}
	return ""
}

func routeText(r *rtnl.Route) string {
	text := r.Dst.String()
	if r.Dst.Bits() == 0 {
		text = "default"
	}
	if r.Gateway.IsValid() {
		text += " via " + r.Gateway.String()
	}
	if r.PrefSrc.IsValid() {
		text += " src " + r.PrefSrc.String()
	}
	return text
}

// prefixer prints the agent's log line by line.
type prefixer struct{ t *teller }

// Write implements io.Writer; the agent writes whole lines.
func (p *prefixer) Write(b []byte) (int, error) {
	for line := range bytes.Lines(b) {
		p.t.event("agent", "%s", bytes.TrimRight(line, "\n"))
	}
	return len(b), nil
}
