package hook

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/event"
)

// patience ends a test that would wait for ever.
const patience = 30 * time.Second

type fixture struct {
	t    *testing.T
	loop *event.Loop
	r    *Runner
	dir  string
	log  bytes.Buffer
	ends []string // what was done, in order
}

// newFixture makes a Runner of the shell script text; "" makes none.
func newFixture(t *testing.T, text string) *fixture {
	t.Helper()
	loop, err := event.New(event.Parked)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loop.Close() })
	f := &fixture{t: t, loop: loop, dir: t.TempDir()}
	path := filepath.Join(f.dir, "eventhook")
	if text != "" {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.r = NewRunner(loop, slog.New(slog.NewTextHandler(&f.log, nil)), path)
	return f
}

func (f *fixture) hook(key, event string) {
	f.r.Run(key, key, event, []string{"PATH=/usr/bin:/bin", "DIR=" + f.dir}, func() {
		f.ends = append(f.ends, key+" "+event)
	})
}

// until runs the loop until cond holds, looked at every millisecond.
func (f *fixture) until(what string, cond func() bool) {
	f.t.Helper()
	deadline := f.loop.Now().Add(patience)
	ok := false
	var tick func()
	timer := f.loop.Timer("test", func() { tick() })
	tick = func() {
		if ok = cond(); ok || f.loop.Now().After(deadline) {
			f.loop.Stop()
			return
		}
		timer.Set(f.loop.Now().Add(time.Millisecond))
	}
	f.loop.Post(tick)
	if err := f.loop.Run(); err != nil {
		f.t.Fatal(err)
	}
	if !ok {
		f.t.Fatalf("waited in vain for %s; ends %q, log:\n%s", what, f.ends, &f.log)
	}
}

func (f *fixture) quiet() { f.until("the last script", func() bool { return f.r.Active() == 0 }) }

func (f *fixture) file(name string) string {
	b, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func (f *fixture) wantEnds(want ...string) {
	f.t.Helper()
	if !slices.Equal(f.ends, want) {
		f.t.Errorf("ended %q, want %q", f.ends, want)
	}
}

func TestRun(t *testing.T) {
	t.Setenv("SECRET", "of the agent")
	f := newFixture(t, `{ echo "$# $1 $2"; pwd; env | grep -v '^_=\|^PWD=\|^SHLVL=\|^DIR=' ; readlink /proc/self/fd/0 /proc/self/fd/2; } >$DIR/out; exit 3`)
	f.hook("eth0", "BOUND")
	if len(f.ends) != 0 {
		t.Fatal("done inside of Run")
	}
	f.quiet()
	f.wantEnds("eth0 BOUND")
	if got, want := f.file("out"), "2 eth0 BOUND\n/\nPATH=/usr/bin:/bin\n/dev/null\n/dev/null\n"; got != want {
		t.Errorf("script saw\n%s\nwant\n%s", got, want)
	}
	if !strings.Contains(f.log.String(), "status=3") {
		t.Errorf("log tells no status:\n%s", &f.log)
	}
}

// Without a script everything goes on, but the machine must never be called
// back while it is still handing out its effects.
func TestNoScript(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"absent":         func(string) error { return nil },
		"not executable": func(p string) error { return os.WriteFile(p, []byte("#!/bin/sh\n"), 0o644) },
		"directory":      func(p string) error { return os.Mkdir(p, 0o755) },
		"no interpreter": func(p string) error { return os.WriteFile(p, []byte("#!/nonexistent\n"), 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, "")
			if err := prepare(f.r.path); err != nil {
				t.Fatal(err)
			}
			f.hook("eth0", "BOUND")
			if len(f.ends) != 0 {
				t.Fatal("done inside of Run")
			}
			f.quiet()
			f.wantEnds("eth0 BOUND")
		})
	}
}

func TestUnsafeScriptIsNotRun(t *testing.T) {
	f := newFixture(t, `echo >>$DIR/ran`)
	if err := os.Chmod(f.r.path, 0o777); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		f.hook("eth0", "BOUND")
		f.quiet()
	}
	f.wantEnds("eth0 BOUND", "eth0 BOUND", "eth0 BOUND")
	if f.file("ran") != "" {
		t.Error("a script that everybody may write was run")
	}
	if n := strings.Count(f.log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want 1:\n%s", n, &f.log)
	}
}

// alive reports whether the process whose id is in a file still runs.
func (f *fixture) alive(name string) bool {
	pid, err := strconv.Atoi(strings.TrimSpace(f.file(name)))
	if err != nil {
		f.t.Fatalf("no process id in %s: %v", name, err)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

func TestTimeout(t *testing.T) {
	f := newFixture(t, `trap '' TERM; (trap '' TERM; echo $BASHPID; sleep 1000) & echo $! >$DIR/child; echo $$ >$DIR/pid; wait; sleep 1000`)
	f.r.timeout, f.r.killAfter = 2*time.Second, 100*time.Millisecond
	f.hook("eth0", "BOUND")
	f.quiet()
	f.wantEnds("eth0 BOUND")
	for _, name := range []string{"pid", "child"} {
		f.until("the end of "+name, func() bool { return !f.alive(name) })
	}
	if !strings.Contains(f.log.String(), "ran too long") {
		t.Errorf("log:\n%s", &f.log)
	}
}

// A new event ends the script of the one before: nobody hears of that end, and
// the scripts of one client never overlap.
func TestNewEventWhileOneRuns(t *testing.T) {
	f := newFixture(t, `
echo "begin $2" >>$DIR/out
case $2 in
BOUND) trap 'echo "end $2" >>$DIR/out; exit' TERM; while :; do sleep 0.01; done ;;
esac
echo "end $2" >>$DIR/out`)
	f.hook("eth0", "BOUND")
	f.until("the first script", func() bool { return strings.Contains(f.file("out"), "begin BOUND") })
	f.hook("eth0", "EXTEND") // overtaken before it starts
	f.hook("eth0", "DROP")
	if f.r.Active() != 2 {
		t.Errorf("%d active, want 2", f.r.Active())
	}
	f.quiet()
	f.wantEnds("eth0 DROP")
	if got, want := f.file("out"), "begin BOUND\nend BOUND\nbegin DROP\nend DROP\n"; got != want {
		t.Errorf("scripts said\n%s\nwant\n%s", got, want)
	}
}

func TestStop(t *testing.T) {
	f := newFixture(t, `echo $$ >$DIR/pid; exec sleep 1000`)
	idle := 0
	f.r.Idle = func() { idle++ }
	f.r.Stop("eth0") // nothing runs
	f.hook("eth0", "BOUND")
	f.until("the script", func() bool { return f.file("pid") != "" })
	f.r.Stop("eth0")
	f.r.Stop("eth0")
	f.quiet()
	f.wantEnds()
	if f.alive("pid") {
		t.Error("the script still runs")
	}
	if idle != 1 || f.r.Active() != 0 {
		t.Errorf("idle %d times, %d active", idle, f.r.Active())
	}
}

// Stopped in the turn it was run in: with a script, and without one, where the
// end is on its way already.
func TestStopAtOnce(t *testing.T) {
	for _, text := range []string{"exec sleep 1000", ""} {
		f := newFixture(t, text)
		f.hook("eth0", "BOUND")
		f.r.Stop("eth0")
		f.quiet()
		f.wantEnds()
		f.hook("eth0", "BOUND")
		f.hook("eth0", "DROP")
		f.until("an end or nothing to end", func() bool { return text != "" || f.r.Active() == 0 })
		if text == "" {
			f.wantEnds("eth0 DROP")
			continue
		}
		f.r.Stop("eth0")
		f.quiet()
		f.wantEnds()
	}
}

func TestAtMost32(t *testing.T) {
	f := newFixture(t, `echo $1 >>$DIR/started; read x <$DIR/gate`)
	gate := filepath.Join(f.dir, "gate")
	if err := unix.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	const n = 40
	for i := range n {
		f.hook(fmt.Sprintf("eth%02d", i), "BOUND")
	}
	f.r.Stop("eth35") // one of those that wait
	started := func() int { return strings.Count(f.file("started"), "\n") }
	f.until("32 scripts", func() bool { return started() == maxRunning })
	if f.r.Active() != n-1 || f.r.pool.Running() != maxRunning {
		t.Errorf("%d active, %d running; want %d, %d", f.r.Active(), f.r.pool.Running(), n-1, maxRunning)
	}
	if s := f.file("started"); strings.Contains(s, "eth32") {
		t.Errorf("overtaken: %q", s)
	}
	w, err := os.OpenFile(gate, os.O_RDWR, 0) // lets scripts go, one a line
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.WriteString(strings.Repeat("go\n", n)); err != nil {
		t.Fatal(err)
	}
	f.quiet()
	if len(f.ends) != n-1 || slices.Contains(f.ends, "eth35 BOUND") {
		t.Errorf("%d ended: %q", len(f.ends), f.ends)
	}
	if len(f.r.latest) != 0 || f.r.pool.Running() != 0 {
		t.Errorf("left over: %d jobs, %d places", len(f.r.latest), f.r.pool.Running())
	}
}

func TestCheck(t *testing.T) {
	uid := uint32(os.Geteuid())
	dir := t.TempDir()
	mk := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	chmod := func(path string, mode uint32) string {
		if err := unix.Chmod(filepath.Dir(path), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := func(name, target string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, open := mk("good", 0o755), chmod(mk("open/hook", 0o755), 0o777)
	for _, c := range []struct {
		name, path string
		ok, bad    bool
	}{
		{"good", good, true, false},
		{"sticky directory", chmod(mk("sticky/hook", 0o755), 0o1777), true, false},
		{"link", link("link", "good"), true, false},
		{"link through a link", link("link2", filepath.Join(dir, "link")), true, false},
		{"absent", filepath.Join(dir, "no"), false, false},
		{"below a file", filepath.Join(good, "no"), false, false},
		{"not executable", mk("data", 0o644), false, false},
		{"writable by the group", mk("group", 0o775), false, true},
		{"writable by others", mk("others", 0o757), false, true},
		{"in a directory of everybody", open, false, true},
		{"link into a directory of everybody", link("link3", open), false, true},
		{"in a directory of a group", chmod(mk("grp/hook", 0o755), 0o775), false, true},
	} {
		ok, err := check(c.path, uid)
		if ok != c.ok || (err != nil) != c.bad {
			t.Errorf("%s: %v, %v; want %v, an error: %v", c.name, ok, err, c.ok, c.bad)
		}
	}
	if uid != 0 {
		uid++ // the file is that of another user then
	} else if err := os.Chown(good, 4711, 0); err != nil {
		t.Fatal(err)
	}
	if ok, err := check(good, uid); ok || err == nil {
		t.Errorf("of another user: %v, %v", ok, err)
	}
}
