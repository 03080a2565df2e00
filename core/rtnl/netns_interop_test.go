//go:build interop

package rtnl

import (
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// privateNet moves the goroutine, with its thread, into a network namespace of
// its own. The thread is never unlocked and so ends with the test.
func privateNet(tb testing.TB) {
	tb.Helper()
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		tb.Fatalf("unshare network namespace: %v", err)
	}
}

// otherNet makes one more namespace and returns its descriptor, and a function
// that runs another one inside.
func otherNet(tb testing.TB) (fd int, do func(fn func())) {
	tb.Helper()
	open := make(chan *os.File)
	calls := make(chan func())
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		var f *os.File
		if err := unix.Unshare(unix.CLONE_NEWNET); err == nil {
			f, _ = os.Open("/proc/thread-self/ns/net")
		}
		open <- f
		for fn := range calls {
			fn()
			done <- struct{}{}
		}
	}()
	f := <-open
	if f == nil {
		tb.Fatal("no second network namespace")
	}
	tb.Cleanup(func() { close(calls); f.Close() })
	return int(f.Fd()), func(fn func()) { calls <- fn; <-done }
}

func dial(tb testing.TB) *Conn {
	tb.Helper()
	c, err := Dial()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.Close() })
	return c
}

// must runs a batch in which everything has to succeed.
func must(tb testing.TB, c *Conn, fn func(b *Batch)) {
	tb.Helper()
	var b Batch
	fn(&b)
	if b.Len() == 0 {
		tb.Fatal("empty batch")
	}
	for _, err := range c.Do(&b) {
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func linkIndex(tb testing.TB, c *Conn, name string) int {
	tb.Helper()
	l, err := c.LinkByName(name)
	if err != nil {
		tb.Fatal(err)
	}
	return l.Index
}

// waitLink asks for a link until it is as wanted: the kernel follows carrier
// with its operational state in its own time.
func waitLink(tb testing.TB, c *Conn, name string, ok func(Link) bool) Link {
	tb.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		l, err := c.LinkByName(name)
		if err == nil && ok(l) {
			return l
		}
		if time.Now().After(end) {
			tb.Fatalf("link %s stays %+v, %v", name, l, err)
		}
	}
}

// vethPair makes v0 and v1, both up, and returns their indexes.
func vethPair(tb testing.TB, c *Conn) (int, int) {
	tb.Helper()
	must(tb, c, func(b *Batch) {
		b.AddVeth(VethEnd{"v0", SetLinkOptions{Up: Bool(true)}}, VethEnd{Name: "v1"})
	})
	must(tb, c, func(b *Batch) { b.SetLink(linkIndex(tb, c, "v1"), SetLinkOptions{Up: Bool(true)}) })
	return waitLink(tb, c, "v0", isUp).Index, waitLink(tb, c, "v1", isUp).Index
}

func isUp(l Link) bool { return l.Up() }
