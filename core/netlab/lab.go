package netlab

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Lab is a set of hosts and cables that end together.
type Lab struct {
	mu     sync.Mutex
	hosts  []*Host
	closed bool
}

// New returns an empty lab. Close takes it down.
func New() (*Lab, error) {
	if err := mayUnshare(); err != nil {
		return nil, err
	}
	return &Lab{}, nil
}

// Host adds a host.
func (l *Lab) Host(name string, opts ...Option) (*Host, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.New("the lab is closed")
	}
	h, err := newHost(name, opts)
	if err != nil {
		return nil, fmt.Errorf("make host %s: %w", name, err)
	}
	l.hosts = append(l.hosts, h)
	return h, nil
}

// Switch adds a host that bridges every cable plugged into it. Its bridge
// interface is called br0 and is up.
func (l *Lab) Switch(name string, opts ...Option) (*Host, error) {
	h, err := l.Host(name, opts...)
	if err != nil {
		return nil, err
	}
	if err := h.addBridge(Bridge); err != nil {
		return nil, fmt.Errorf("make switch %s: %w", name, err)
	}
	h.bridge = true
	return h, nil
}

// Bridge is the name of the bridge interface of a switch.
const Bridge = "br0"

// Close ends every process that was started in the lab and whatever these
// left behind, and takes the hosts down. The kernel destroys the namespaces
// in the background.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, h := range l.hosts {
		h.killProcs()
	}
	err := killInside(l.hosts, 5*time.Second)
	for _, h := range l.hosts {
		h.end()
	}
	l.hosts = nil
	return err
}

// TB is what T needs of a test. *testing.T, *testing.B and *testing.F have it.
// Naming it here keeps package testing out of programs that offer a lab.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
	Fatal(args ...any)
}

// TestLab is a Lab for tests: what goes wrong ends the test.
type TestLab struct {
	*Lab
	t TB
}

// T returns a lab that ends with the test.
func T(t TB) *TestLab {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	return &TestLab{l, t}
}

// Host adds a host.
func (l *TestLab) Host(name string, opts ...Option) *Host {
	l.t.Helper()
	h, err := l.Lab.Host(name, opts...)
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

// Switch adds a switch.
func (l *TestLab) Switch(name string, opts ...Option) *Host {
	l.t.Helper()
	h, err := l.Lab.Switch(name, opts...)
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

// Link joins two hosts with a cable.
func (l *TestLab) Link(a *Host, aif string, b *Host, bif string) *Cable {
	l.t.Helper()
	c, err := l.Lab.Link(a, aif, b, bif)
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}
