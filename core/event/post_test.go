package event

import (
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Each poster waits for the answer before it goes on, so that the loop sleeps
// between posts: one lost wake-up and the test hangs.
func TestNoLostWakeup(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		const posters, each = 3, 5000
		a, b := pair(t)
		add(t, l, "noise", a, Read, func(Ready) { drain(a) })
		var wg sync.WaitGroup
		for p := range posters {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(1, uint64(p)))
				reply := make(chan int, 1)
				for i := range each {
					l.Post(func() { reply <- i })
					if rnd.IntN(4) == 0 { // another reason to wake up
						_, _ = unix.Write(b, []byte{1})
					}
					if rnd.IntN(4) == 0 {
						runtime.Gosched()
					}
					if got := <-reply; got != i {
						t.Errorf("reply %d, want %d", got, i)
					}
				}
			})
		}
		go func() {
			wg.Wait()
			l.Stop()
		}()
		run(t, l)
	})
}

func TestPostsInOrder(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		const posters, each = 4, 2 * maxSpare
		var next [posters]int
		var wg sync.WaitGroup
		for p := range posters {
			wg.Go(func() {
				for i := range each {
					l.Post(func() {
						if next[p] != i {
							t.Errorf("poster %d: %d came when %d was due", p, i, next[p])
						}
						next[p] = i + 1
					})
				}
			})
		}
		go func() {
			wg.Wait()
			l.Stop()
		}()
		run(t, l)
		for p, n := range next {
			if n != each {
				t.Errorf("poster %d: %d of %d came", p, n, each)
			}
		}
	})
}

// A post by a callback does not wait for anything else to wake the loop.
func TestPostFromCallback(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		left := 100
		var tm, post func()
		timer := l.Timer("", func() { tm() })
		tm = func() { l.Post(post) }
		post = func() {
			if left--; left == 0 {
				l.Stop()
			}
			timer.Set(l.Now().Add(10 * time.Microsecond))
		}
		l.Post(post)
		run(t, l)
	})
}

// The signals used here do nothing by default.
func TestSignal(t *testing.T) {
	// The first Notify starts a goroutine of package signal for good.
	warm := make(chan os.Signal, 1)
	signal.Notify(warm, unix.SIGWINCH)
	signal.Stop(warm)
	kill := func(sig unix.Signal) {
		if err := unix.Kill(unix.Getpid(), sig); err != nil {
			t.Fatal(err)
		}
	}
	eachMode(t, func(t *testing.T, l *Loop) {
		before := runtime.NumGoroutine()
		expect := func(want string) func(string) func(os.Signal) {
			return func(name string) func(os.Signal) {
				return func(sig os.Signal) {
					if got := name + " " + sig.String(); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
					l.Stop()
				}
			}
		}
		l.Signal(expect("a window changed")("a"), unix.SIGWINCH, unix.SIGCONT)
		kill(unix.SIGWINCH)
		run(t, l)

		l.Signal(expect("b continued")("b"), unix.SIGCONT)
		kill(unix.SIGCONT)
		run(t, l)

		l.Signal(nil, unix.SIGWINCH)
		kill(unix.SIGWINCH) // nobody hears it
		kill(unix.SIGCONT)
		run(t, l)

		l.Signal(nil, unix.SIGCONT)
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines before, %d after the last handler has gone", before, n)
		}
		l.Signal(expect("c window changed")("c"), unix.SIGWINCH)
		kill(unix.SIGWINCH)
		run(t, l)
		l.Close()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines before, %d after Close", before, n)
		}
	})
}

// Of each kind at least one arrives, however many others there are.
func TestSignalFlood(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		conts := 0
		l.Signal(func(sig os.Signal) {
			if sig == unix.SIGCONT {
				conts++
				return
			}
			l.Stop()
		}, unix.SIGWINCH, unix.SIGCONT)
		for range 1000 {
			_ = unix.Kill(unix.Getpid(), unix.SIGCONT)
		}
		_ = unix.Kill(unix.Getpid(), unix.SIGWINCH)
		run(t, l)
		if conts == 0 {
			t.Error("no SIGCONT arrived")
		}
	})
}
