package event

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// eachMode runs a test on a fresh loop of either kind.
func eachMode(t *testing.T, test func(t *testing.T, l *Loop)) {
	for _, mode := range []Mode{Parked, Direct} {
		t.Run(mode.String(), func(t *testing.T) {
			l := newLoop(t, mode)
			test(t, l)
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func newLoop(t testing.TB, mode Mode) *Loop {
	t.Helper()
	l, err := New(mode)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// run runs the loop and fails if nothing stops it.
func run(t testing.TB, l *Loop) {
	t.Helper()
	hung := false
	guard := time.AfterFunc(20*time.Second, func() {
		l.Post(func() { hung = true }) // does not help if wake-ups get lost
		l.Stop()
		time.Sleep(5 * time.Second)
		panic("loop neither does its work nor stops")
	})
	defer guard.Stop()
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
	if hung {
		t.Fatal("loop did not do its work")
	}
}

// pair returns both ends of a stream that does not block.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(fds[0])
		unix.Close(fds[1])
	})
	return fds[0], fds[1]
}

func add(t testing.TB, l *Loop, name string, fd int, ev Ready, fn func(Ready)) *Source {
	t.Helper()
	s, err := l.Add(name, fd, ev, fn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(t testing.TB, fd int) {
	t.Helper()
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		t.Fatal(err)
	}
}

func drain(fd int) (total int) {
	var buf [64]byte
	for {
		n, err := unix.Read(fd, buf[:])
		if n <= 0 || err != nil {
			return total
		}
		total += n
	}
}

// Descriptors come before timers and timers before posts, each kind in its
// order; what a post posts comes in the next turn.
func TestOrderInTurn(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		var got []string
		note := func(s string) { got = append(got, s) }
		l.Post(func() {
			note("post 1")
			l.Post(func() { note("post 3"); l.Stop() })
		})
		l.Post(func() { note("post 2") })
		now := l.Now()
		l.Timer("2", func() { note("timer 2") }).Set(now)
		l.Timer("1", func() {
			note("timer 1")
			l.Timer("3", func() { note("timer 3") }).Set(0)
		}).Set(now - 1)
		for i := range 3 {
			a, b := pair(t)
			add(t, l, "", a, Read, func(Ready) { note(fmt.Sprint("fd ", i)); drain(a) })
			write(t, b)
		}
		run(t, l)
		want := []string{"fd 0", "fd 1", "fd 2", "timer 1", "timer 2", "post 1", "post 2", "timer 3", "post 3"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
	})
}

// No kind of event starves another, however busy it is.
func TestNoStarvation(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		a, b := pair(t)
		write(t, b) // never read
		c, d := pair(t)
		write(t, d)
		var turns, others, timers, posts int
		finish := func() {
			if min(turns, others, timers, posts) > 100 {
				l.Stop()
			}
		}
		add(t, l, "busy", a, Read, func(Ready) { turns++; finish() })
		add(t, l, "also busy", c, Read|Write, func(Ready) { others++ })
		tm := l.Timer("busy", nil)
		tm = l.Timer("busy", func() { timers++; tm.Set(0) })
		tm.Set(0)
		var post func()
		post = func() { posts++; l.Post(post) }
		l.Post(post)
		run(t, l)
		if timers > turns+1 || posts > turns+1 || others > turns+1 {
			t.Errorf("%d turns, but %d timers, %d posts, %d of another descriptor", turns, timers, posts, others)
		}
	})
}

// More descriptors than one turn takes are all served, and none twice before
// the others.
func TestManyDescriptors(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		const n = 2*maxEvents + 10
		served := make([]int, n)
		total := 0
		for i := range n {
			a, b := pair(t)
			add(t, l, "", a, Read, func(Ready) {
				served[i]++
				if total++; total == 3*n {
					l.Stop()
				}
			})
			write(t, b)
		}
		run(t, l)
		if slices.Min(served) < 2 {
			t.Errorf("a ready descriptor was served %d times while all were served 3 times on average", slices.Min(served))
		}
	})
}

func TestStop(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		l.Stop() // before Run: ends it after one turn
		posted := false
		l.Post(func() { posted = true })
		run(t, l)
		if !posted {
			t.Error("turn was not finished")
		}
		for range 3 { // Run can be called again
			go l.Stop()
			run(t, l)
		}
		l.Timer("", l.Stop).Set(0)
		run(t, l)
		a, b := pair(t)
		write(t, b)
		add(t, l, "", a, Read, func(Ready) { l.Stop() })
		run(t, l)
	})
}

func TestCloseEndsEverything(t *testing.T) {
	for _, mode := range []Mode{Parked, Direct} {
		fds := openFds(t)
		l := newLoop(t, mode)
		l.OnClockStep(func() {})
		l.OnResume(func(time.Duration) {})
		var wg sync.WaitGroup
		for range 4 { // posters do not know that the loop ends
			wg.Go(func() {
				for range 1000 {
					l.Post(func() {})
				}
			})
		}
		go l.Stop()
		run(t, l)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		l.Stop()
		if err := l.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if _, err := l.Add("x", 0, Read, nil); !errors.Is(err, unix.EBADF) {
			t.Errorf("Add after Close: %v", err)
		}
		if l.posts != nil {
			t.Error("posts are kept after Close")
		}
		if left := openFds(t); left != fds {
			t.Errorf("%v: %d descriptors open before, %d afterwards", mode, fds, left)
		}
	}
}

// openFds counts descriptors. Those of the runtime's poller exist already
// when anything was read through it.
func openFds(t *testing.T) int {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestNewStartsNothing(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		before := runtime.NumGoroutine()
		other := newLoop(t, l.mode())
		other.Timer("", other.Stop).Set(other.Now().Add(time.Millisecond))
		run(t, other)
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines before, %d with a loop", before, n)
		}
	})
}

func (l *Loop) mode() Mode {
	if _, ok := l.waiter.(*direct); ok {
		return Direct
	}
	return Parked
}

func TestAddRefuses(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		a, _ := pair(t)
		if _, err := l.Add("negative", -1, Read, nil); !errors.Is(err, errBadFd) {
			t.Errorf("negative descriptor: %v", err)
		}
		s := add(t, l, "first", a, Read, nil)
		if _, err := l.Add("second", a, Write, nil); err == nil {
			t.Error("second Add of a descriptor is accepted")
		}
		s.Remove()
		s.Remove()
		if err := s.Modify(Read); !errors.Is(err, errRemoved) {
			t.Errorf("Modify after Remove: %v", err)
		}
		add(t, l, "third", a, Write, nil).Remove()

		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range 2 { // the failure leaves no trace
			if _, err := l.Add("file", int(f.Fd()), Read, nil); !errors.Is(err, unix.EPERM) {
				t.Errorf("regular file: %v", err)
			}
		}
	})
}
