// Package resolver makes the host's resolver use the name servers and domains
// of leases: by systemd-resolved (resolvectl(1)), by resolvconf(8), or by
// writing resolv.conf(5) itself.
//
// A Resolver holds what the leases say and what it has brought about so far. It
// belongs to one goroutine, the event loop's. Files are written in a goroutine
// of their own and tools run as children, one after the other, so that nothing
// waits for a disk or a tool; a lease never depends on the outcome.
package resolver

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// Mode says how the resolver is told.
type Mode uint8

// The modes.
const (
	// Auto is Resolved where resolv.conf is systemd-resolved's, Resolvconf
	// where that tool is installed, else File.
	Auto       Mode = iota
	Resolvconf      // resolvconf -a and -d
	Resolved        // resolvectl
	File            // write resolv.conf
	None            // nothing: the event script cares
)

// Modes are the words of the modes in the order of their values.
const Modes = "auto|resolvconf|resolved|file|none"

// String returns the word of the mode.
func (m Mode) String() string {
	i := 0
	for w := range strings.SplitSeq(Modes, "|") {
		if i == int(m) {
			return w
		}
		i++
	}
	return "unknown"
}

// An Entry is what one lease says about name resolution. The values must have
// passed their validators; what could break out of a line is left out here
// nevertheless.
type Entry struct {
	// Name is the logical interface, eth0 or eth0:1.
	Name string
	// Family is 4 or 6.
	Family  int
	Primary bool
	Mode    Mode
	DNS     []netip.Addr
	Domain  string
	Search  []string
}

// useful reports whether the entry has a server. Domains alone are of no use,
// and a file without servers would make the C library ask the local host.
func (e *Entry) useful() bool { return len(e.DNS) > 0 && e.Mode != None }

func (e *Entry) equal(x *Entry) bool {
	return e.Name == x.Name && e.Family == x.Family && e.Primary == x.Primary && e.Mode == x.Mode &&
		slices.Equal(e.DNS, x.DNS) && e.Domain == x.Domain && slices.Equal(e.Search, x.Search)
}

// Options of a Resolver.
type Options struct {
	// Post brings a function back to the owner's goroutine.
	Post func(func())
	// Run starts a tool and calls done in the owner's goroutine when it has
	// ended; an error tells that it did not do its work.
	Run func(argv []string, stdin string, done func(error))
	// Report is told of every failure that differs from the one before.
	Report func(error)
	// Root is put before every path; "" except in tests.
	Root string
}

// A Resolver keeps the host's resolver in step with the leases.
type Resolver struct {
	o       Options
	entries []*Entry
	have    applied
	running bool
	dirty   bool // something changed while running
	failed  bool // the last run left something undone
	errs    map[Mode]string
	idle    []func()
}

// New returns a Resolver without entries.
func New(o Options) *Resolver {
	if o.Report == nil {
		o.Report = func(error) {}
	}
	return &Resolver{o: o, errs: make(map[Mode]string)}
}

// Set says what a lease has to tell; it replaces what the same lease said
// before. After a failure, saying the same again is another try.
func (r *Resolver) Set(e Entry) {
	e.DNS, e.Search = slices.Clone(e.DNS), slices.Clone(e.Search)
	i := r.index(e.Name, e.Family)
	switch {
	case i < 0:
		r.entries = append(r.entries, &e)
	case r.entries[i].equal(&e) && !r.failed:
		return
	default:
		r.entries[i] = &e
	}
	// At most one entry is out of place, and there are few.
	for i := 1; i < len(r.entries); i++ {
		for j := i; j > 0 && before(r.entries[j], r.entries[j-1]); j-- {
			r.entries[j], r.entries[j-1] = r.entries[j-1], r.entries[j]
		}
	}
	r.kick()
}

// Remove forgets what a lease said.
func (r *Resolver) Remove(name string, family int) {
	if i := r.index(name, family); i >= 0 {
		r.entries = append(r.entries[:i], r.entries[i+1:]...)
		r.kick()
	}
}

func (r *Resolver) index(name string, family int) int {
	for i, e := range r.entries {
		if e.Name == name && e.Family == family {
			return i
		}
	}
	return -1
}

// before puts the primary interface first; the rest has an order that does not
// depend on which lease came first.
func before(a, b *Entry) bool {
	switch {
	case a.Primary != b.Primary:
		return a.Primary
	case a.Name != b.Name:
		return a.Name < b.Name
	}
	return a.Family < b.Family
}

// Busy reports whether work is under way.
func (r *Resolver) Busy() bool { return r.running }

// OnIdle calls fn once when no work is under way, which may be at once.
func (r *Resolver) OnIdle(fn func()) {
	if !r.running {
		fn()
		return
	}
	r.idle = append(r.idle, fn)
}

// kick starts bringing about what the entries say.
func (r *Resolver) kick() {
	if r.running {
		r.dirty = true
		return
	}
	r.failed = false
	steps, err := plan(r.entries, &r.have, look(r.o.Root, r.entries))
	if err != nil {
		r.report(Auto, err)
	} else {
		delete(r.errs, Auto)
	}
	r.running = true
	r.run(steps)
}

// run carries out steps one after the other.
func (r *Resolver) run(steps []step) {
	if len(steps) == 0 {
		r.end()
		return
	}
	s := &steps[0]
	done := func(err error) {
		switch {
		case err == nil || s.lenient:
			s.apply(&r.have)
			delete(r.errs, s.mode)
		default:
			r.report(s.mode, err)
		}
		r.run(steps[1:])
	}
	if s.mode != File {
		r.o.Run(s.argv, s.stdin, done)
		return
	}
	root, text := r.o.Root, s.stdin
	go func() {
		var err error
		if text == "" {
			err = restoreFile(root)
		} else {
			err = writeFile(root, text)
		}
		r.o.Post(func() { done(err) })
	}()
}

func (r *Resolver) end() {
	r.running = false
	if r.dirty {
		r.dirty = false
		r.kick()
		return
	}
	fns := r.idle
	r.idle = nil
	for _, fn := range fns {
		fn()
	}
}

func (r *Resolver) report(m Mode, err error) {
	r.failed = true
	text := err.Error()
	if no := syscall.Errno(0); errors.As(err, &no) {
		text = no.Error() // a temporary file has another name each time
	}
	if r.errs[m] != text {
		r.errs[m] = text
		r.o.Report(err)
	}
}
