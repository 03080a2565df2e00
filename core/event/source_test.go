package event

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// turns runs the loop until n posts have passed, one a turn.
func turns(t *testing.T, l *Loop, n int) {
	t.Helper()
	var post func()
	post = func() {
		if n--; n > 0 {
			l.Post(post)
		} else {
			l.Stop()
		}
	}
	l.Post(post)
	run(t, l)
}

func TestModify(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		a, b := pair(t)
		var got Ready
		s := add(t, l, "x", a, Read, func(r Ready) { got |= r })
		step := func(ev, want Ready) {
			t.Helper()
			if err := s.Modify(ev); err != nil {
				t.Fatal(err)
			}
			got = 0
			turns(t, l, 2)
			if got != want {
				t.Errorf("waiting for %v: got %v", ev, got)
			}
		}
		step(Read, 0)
		step(Write, Write)
		step(0, 0)
		write(t, b)
		step(0, 0)
		step(Read, Read)
		step(Read|Write, Read|Write)
		drain(a)
		step(Read|Write, Write)
	})
}

// The first callback to run takes its neighbours away; their readiness was
// collected already.
func TestRemoveDuringTurn(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		var sources []*Source
		calls := 0
		for range 5 {
			a, b := pair(t)
			write(t, b)
			sources = append(sources, add(t, l, "", a, Read, func(Ready) {
				calls++
				for _, s := range sources {
					s.Remove()
				}
			}))
		}
		turns(t, l, 3)
		if calls != 1 {
			t.Errorf("%d calls, want 1", calls)
		}
	})
}

// A descriptor number that is closed and used again within a turn does not
// inherit the readiness of its predecessor.
func TestReuseDuringTurn(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		a, b := pair(t)
		c, d := pair(t)
		quiet, quietPeer := pair(t)
		write(t, b)
		write(t, d)
		var first, second *Source
		calls, stale := 0, 0
		take := func(mine, other **Source, fd, otherFd int) func(Ready) {
			return func(Ready) {
				calls++
				drain(fd)
				(*other).Remove()
				if err := unix.Dup3(quiet, otherFd, unix.O_CLOEXEC); err != nil {
					t.Error(err)
				}
				*other = add(t, l, "new", otherFd, Read, func(Ready) { stale++; drain(otherFd) })
			}
		}
		first = add(t, l, "first", a, Read, take(&first, &second, a, c))
		second = add(t, l, "second", c, Read, take(&second, &first, c, a))
		turns(t, l, 3)
		if calls != 1 || stale != 0 {
			t.Errorf("%d calls and %d stale ones, want 1 and 0", calls, stale)
		}
		write(t, quietPeer)
		turns(t, l, 2)
		if stale != 1 {
			t.Errorf("%d calls of the new owner, want 1", stale)
		}
	})
}

// An earlier callback that withdraws a neighbour's interest is obeyed at once.
func TestModifyDuringTurn(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		var sources [2]*Source
		calls := 0
		for i := range sources {
			a, b := pair(t)
			write(t, b)
			sources[i] = add(t, l, "", a, Read, func(Ready) {
				calls++
				for _, s := range sources {
					if err := s.Modify(0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		turns(t, l, 3)
		if calls != 1 {
			t.Errorf("%d calls, want 1", calls)
		}
	})
}

func TestHangup(t *testing.T) {
	closed := func(t *testing.T) int {
		a, b := pair(t)
		_ = unix.Shutdown(b, unix.SHUT_RDWR)
		return a
	}
	halfClosed := func(t *testing.T) int {
		a, b := pair(t)
		_ = unix.Shutdown(b, unix.SHUT_WR)
		return a
	}
	brokenPipe := func(t *testing.T) int {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		unix.Close(p[0])
		t.Cleanup(func() { unix.Close(p[1]) })
		return p[1]
	}
	refused := func(t *testing.T) int { // EPOLLERR without data
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		_ = unix.Connect(fd, &unix.SockaddrInet4{Port: 1, Addr: [4]byte{127, 0, 0, 1}})
		return fd
	}
	for _, tt := range []struct {
		name string
		open func(*testing.T) int
		ev   Ready
		want Ready
	}{
		{"end, reading", closed, Read, Read | Hangup},
		{"end, writing", closed, Write, Write | Hangup},
		{"end, waiting for nothing", closed, 0, Hangup},
		{"half an end, reading", halfClosed, Read, Read | Hangup},
		{"half an end, writing", halfClosed, Write, Write},
		{"no reader", brokenPipe, Write, Write | Hangup},
		{"no reader, waiting for nothing", brokenPipe, 0, Hangup},
		{"refused", refused, Write, Write | Hangup},
		{"refused, reading", refused, Read, Read | Hangup},
	} {
		t.Run(tt.name, func(t *testing.T) {
			eachMode(t, func(t *testing.T, l *Loop) {
				fd := tt.open(t)
				var got Ready
				var s *Source
				s = add(t, l, "x", fd, tt.ev, func(r Ready) {
					got = r
					s.Remove()
					l.Stop()
				})
				run(t, l)
				if got != tt.want {
					t.Errorf("got %03b, want %03b", got, tt.want)
				}
			})
		})
	}
}

// logTo collects what the loop logs.
func logTo(l *Loop) *bytes.Buffer {
	var buf bytes.Buffer
	l.SetLogger(slog.New(slog.NewTextHandler(&buf, nil)))
	return &buf
}

// An owner who ignores that its descriptor has failed does not keep the
// processor busy for ever, nor in silence.
func TestIgnoredHangup(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		a, b := pair(t)
		_ = unix.Shutdown(b, unix.SHUT_RDWR)
		log := logTo(l)
		calls := 0
		s := add(t, l, "sloth", a, Read, func(Ready) {
			if calls++; calls == maxHangups+1 {
				l.Post(l.Stop)
			}
		})
		run(t, l)
		turns(t, l, 3)
		if calls != maxHangups+1 || s.registered() {
			t.Errorf("%d calls, registered %v", calls, s.registered())
		}
		if !strings.Contains(log.String(), "source=sloth") {
			t.Errorf("log says %q", log)
		}
	})
}

func TestClosedWhileWatched(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		log := logTo(l)
		fd, err := unix.Eventfd(1, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		s := add(t, l, "hasty", fd, Read, func(Ready) {})
		unix.Close(fd)
		s.Remove()
		if !strings.Contains(log.String(), "source=hasty") {
			t.Errorf("log says %q", log)
		}
	})
}

func TestNoAllocation(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		a, b := pair(t)
		buf := []byte{1}
		add(t, l, "x", a, Read, func(Ready) {
			_, _ = unix.Read(a, buf)
			l.Stop()
		})
		tm := l.Timer("x", func() { _, _ = unix.Write(b, buf) })
		post := func() { tm.Set(0) }
		cycle := func() {
			l.Post(post)
			if err := l.Run(); err != nil {
				t.Error(err)
			}
		}
		for range 4 {
			cycle()
		}
		if n := testing.AllocsPerRun(100, cycle); n != 0 {
			t.Errorf("%v allocations for a post, a timer and a read", n)
		}
	})
}
