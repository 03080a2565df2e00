package proc

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/event"
)

func sh(script string) Spec {
	return Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Env: []string{"PATH=/usr/bin:/bin"}}
}

// method runs one method to its end.
func method(t *testing.T, s Spec, m Method, after func(*event.Loop, *Child)) (e Exit) {
	t.Helper()
	onLoop(t, func(loop *event.Loop, stop func()) {
		c, err := Start(loop, s, m, func(got Exit) {
			e = got
			stop()
		})
		if err != nil {
			t.Error(err)
			stop()
			return
		}
		if after != nil {
			after(loop, c)
		}
	})
	return e
}

func alive(pid int) bool { return unix.Kill(pid, 0) == nil }

func TestExits(t *testing.T) {
	for _, tc := range []struct {
		script string
		want   Exit
	}{
		{"exit 0", Exit{}},
		{"exit 3", Exit{Code: 3}},
		{"kill -9 $$", Exit{Code: -1, Signal: syscall.SIGKILL}},
	} {
		if got := method(t, sh(tc.script), Method{Name: "t"}, nil); got != tc.want || got.Success() != (tc.script == "exit 0") {
			t.Errorf("%s: %+v", tc.script, got)
		}
	}
}

func TestSurroundings(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	s := sh(`pwd; env | grep -v -e ^_= -e ^PWD= -e ^SHLVL= | sort; readlink /proc/$$/fd/0 /proc/$$/fd/2; cut -d" " -f5 /proc/$$/stat; echo $$; ls -m /proc/$$/fd`)
	s.Env = []string{"PATH=/usr/bin:/bin", "A=b c"}
	s.Stdout = out
	if e := method(t, s, Method{Name: "t"}, nil); !e.Success() {
		t.Fatalf("%+v", e)
	}
	b, _ := os.ReadFile(out.Name())
	f := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(f) != 8 || f[5] != f[6] { // leader of its own process group
		t.Fatalf("%q", f)
	}
	f[5], f[6] = "", ""
	if got := strings.Join(f, ","); got != "/,A=b c,PATH=/usr/bin:/bin,/dev/null,/dev/null,,,0, 1, 2" {
		t.Errorf("%s", got)
	}
}

func TestMethodTimeout(t *testing.T) {
	start := time.Now()
	e := method(t, sh("sleep 60 & wait"), Method{Name: "t", Timeout: 50 * time.Millisecond}, nil)
	if want := (Exit{Code: -1, Signal: syscall.SIGTERM, TimedOut: true}); e != want || time.Since(start) < 50*time.Millisecond {
		t.Errorf("%+v after %v", e, time.Since(start))
	}
}

// SIGTERM goes to the whole group, SIGKILL follows, and nothing of the group
// is left.
func TestKillGroup(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	s := sh(`trap "" TERM; sleep 60 & echo $! > ` + file + `.tmp; mv ` + file + `.tmp ` + file + `; while :; do wait; done`)
	m := Method{Name: "t", KillAfter: 100 * time.Millisecond}
	var kid int
	e := method(t, s, m, func(loop *event.Loop, c *Child) {
		go func() {
			kid, _ = strconv.Atoi(strings.TrimSpace(string(awaitFile(t, file))))
			loop.Post(c.Stop)
			loop.Post(c.Stop) // no more than once
		}()
	})
	if want := (Exit{Code: -1, Signal: syscall.SIGKILL}); e != want {
		t.Errorf("%+v", e)
	}
	for end := time.Now().Add(patience); kid > 0 && alive(kid) && !isZombie(kid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d of the group lives on", kid)
		}
	}
}

// isZombie: somebody else has to reap what was our grandchild.
func isZombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestStartFailures(t *testing.T) {
	before := openFiles(t)
	onLoop(t, func(loop *event.Loop, stop func()) {
		defer stop()
		done := func(Exit) { t.Error("done was called") }
		for _, s := range []Spec{{Path: "/no/such/program"}, {Path: "/etc/passwd"}, {Path: "/bin/true", Dir: "/no/such/dir"}} {
			if c, err := Start(loop, s, Method{Name: "t", Timeout: time.Millisecond}, done); err == nil || c != nil {
				t.Errorf("%+v: %v", s, err)
			}
		}
	})
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

// When the loop cannot watch the child, the child does not stay.
func TestAllOrNothing(t *testing.T) {
	loop, err := event.New(event.Parked)
	if err != nil {
		t.Fatal(err)
	}
	loop.Close()
	before := openFiles(t)
	c, err := Start(loop, sh("sleep 60"), Method{Name: "t"}, func(Exit) { t.Error("done was called") })
	if err == nil || c != nil {
		t.Errorf("%v", err)
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %d %v", pid, err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// Somebody else takes the status: success, marked as lost.
func TestLost(t *testing.T) {
	e := method(t, sh("exit 3"), Method{Name: "t"}, func(_ *event.Loop, c *Child) {
		if _, err := unix.Wait4(c.Pid(), nil, 0, nil); err != nil {
			t.Error(err)
		}
	})
	if e != (Exit{Lost: true}) || !e.Success() {
		t.Errorf("%+v", e)
	}
}

func TestAdopt(t *testing.T) {
	p, err := os.StartProcess("/bin/sh", []string{"sh", "-c", "exit 5"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	pid := p.Pid
	p.Release()
	var first, second Exit
	onLoop(t, func(loop *event.Loop, stop func()) {
		again := func(e Exit) {
			first = e
			// By now nobody has that pid any more.
			_, err := Adopt(loop, pid, Method{Name: "t"}, func(e Exit) {
				second = e
				stop()
			})
			if err != nil {
				t.Error(err)
			}
		}
		if _, err := Adopt(loop, pid, Method{Name: "t"}, again); err != nil {
			t.Error(err)
		}
	})
	if first != (Exit{Code: 5}) || second != (Exit{Lost: true}) {
		t.Errorf("%+v %+v", first, second)
	}
}

// One method at a time; the next may start from the end of the one before.
func TestOwner(t *testing.T) {
	var o Owner
	var codes []int
	onLoop(t, func(loop *event.Loop, stop func()) {
		var next func(Exit)
		next = func(e Exit) {
			codes = append(codes, e.Code)
			if o.Running() || o.Child() != nil {
				t.Error("still running")
			}
			if len(codes) == 3 {
				stop()
				return
			}
			if _, err := o.Start(loop, sh(fmt.Sprint("exit ", len(codes))), Method{Name: "t"}, next); err != nil {
				t.Error(err)
			}
		}
		if _, err := o.Start(loop, sh("exit 0"), Method{Name: "t"}, next); err != nil {
			t.Error(err)
		}
		if _, err := o.Start(loop, sh("exit 9"), Method{Name: "t"}, next); !errors.Is(err, ErrRunning) {
			t.Errorf("%v", err)
		}
	})
	if fmt.Sprint(codes) != "[0 1 2]" {
		t.Errorf("%v", codes)
	}
}

// The end of an unregistered method is reaped and not reported.
func TestUnregister(t *testing.T) {
	var o Owner
	onLoop(t, func(loop *event.Loop, stop func()) {
		c, err := o.Start(loop, sh("sleep 60"), Method{Name: "t"}, func(Exit) { t.Error("reported") })
		if err != nil {
			t.Error(err)
			return
		}
		o.Unregister()
		if o.Running() {
			t.Error("running")
		}
		c.Stop()
		var poll func()
		poll = func() {
			if c.Running() {
				loop.Post(poll)
				return
			}
			stop()
		}
		poll()
	})
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: %d %v", pid, err)
	}
}
