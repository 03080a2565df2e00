package proc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/event"
	"daemonbox/core/timer"
)

const (
	// killAfter is the default time between SIGTERM and SIGKILL.
	killAfter = 3 * time.Second
	// giveUp is how long after SIGKILL an unkillable child (waiting for a
	// device, say) holds up its owner.
	giveUp = 5 * time.Second
)

// ErrRunning means that an owner already has a method running.
var ErrRunning = errors.New("a method is running already")

// Spec is a program to run. Nil files mean /dev/null.
type Spec struct {
	Path string
	// Args begins with argument 0; nil means Path alone.
	Args []string
	// Env is the whole environment; nil means an empty one.
	Env []string
	// Dir is the working directory; "" means /.
	Dir                   string
	Stdin, Stdout, Stderr *os.File
}

// Method says how a child is supervised. It is copied.
type Method struct {
	// Name is used for the loop's registrations.
	Name string
	// Timeout, if positive, is how long the child may run. Then its process
	// group gets SIGTERM.
	Timeout time.Duration
	// KillAfter is the time from SIGTERM to SIGKILL; 0 means 3 s.
	KillAfter time.Duration
}

// Exit is how a child ended.
type Exit struct {
	// Code is the exit status; -1 if a signal ended the child.
	Code int
	// Signal ended the child; 0 if it exited.
	Signal syscall.Signal
	// TimedOut: the child ran longer than its method allows.
	TimedOut bool
	// Lost: somebody else reaped the child, so its status is unknown. It
	// counts as success and is worth a warning.
	Lost bool
	// Stuck: not even SIGKILL ended the child within 5 s.
	Stuck bool
}

// Success reports whether the method did its work.
func (e Exit) Success() bool { return e.Code == 0 && e.Signal == 0 && !e.TimedOut && !e.Stuck }

// Child is a supervised process: its end is an event of the loop, by pidfd.
type Child struct {
	loop   *event.Loop
	m      Method
	pid    int
	pidfd  int
	source *event.Source
	timer  *timer.Timer
	done   func(Exit)
	stage  stage
	late   bool // the method's time ran out
	reaped bool
}

type stage uint8

const (
	running stage = iota
	terminated
	killed
)

// Start runs a program in a process group of its own. done is called once, in
// a later turn of the loop, when it has ended; the child is reaped and
// unregistered by then, so done may start the next one. On an error nothing is
// left behind.
func Start(loop *event.Loop, s Spec, m Method, done func(Exit)) (*Child, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Path, err)
	}
	defer null.Close()
	args := s.Args
	if args == nil {
		args = []string{s.Path}
	}
	dir := s.Dir
	if dir == "" {
		dir = "/"
	}
	env := s.Env
	if env == nil {
		env = []string{}
	}
	fd := func(f *os.File) uintptr {
		if f == nil {
			f = null
		}
		return f.Fd()
	}
	closeOnExec() // what came to us by execve(2) is not the child's
	pidfd := -1
	pid, err := syscall.ForkExec(s.Path, args, &syscall.ProcAttr{
		Dir: dir, Env: env,
		Files: []uintptr{fd(s.Stdin), fd(s.Stdout), fd(s.Stderr)},
		Sys:   &syscall.SysProcAttr{Setpgid: true, PidFD: &pidfd},
	})
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", s.Path, err)
	}
	claim(pid)
	if pidfd < 0 { // clone(2) without CLONE_PIDFD, before Linux 5.2
		pidfd, err = unix.PidfdOpen(pid, 0)
	}
	var c *Child
	if err == nil {
		c, err = watch(loop, pid, pidfd, m, done)
	}
	if err != nil {
		// All or nothing: nobody would see this child end.
		_ = unix.Kill(-pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		disclaim(pid)
		return nil, fmt.Errorf("watch %s: %w", s.Path, err)
	}
	return c, nil
}

// Adopt supervises a child that runs already, one that this process inherited
// through execve(2), say. One that has gone is reported to done as lost, in a
// later turn of the loop.
func Adopt(loop *event.Loop, pid int, m Method, done func(Exit)) (*Child, error) {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		c := &Child{loop: loop, m: m, pid: pid, pidfd: -1, done: done, reaped: true}
		loop.Post(func() { c.report(Exit{Lost: true}) })
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	claim(pid)
	c, err := watch(loop, pid, pidfd, m, done)
	if err != nil {
		disclaim(pid)
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	return c, nil
}

// watch registers a child; it closes pidfd when that fails.
func watch(loop *event.Loop, pid, pidfd int, m Method, done func(Exit)) (*Child, error) {
	c := &Child{loop: loop, m: m, pid: pid, pidfd: pidfd, done: done}
	if c.m.KillAfter <= 0 {
		c.m.KillAfter = killAfter
	}
	source, err := loop.Add("child "+m.Name, pidfd, event.Read, c.ended)
	if err != nil {
		unix.Close(pidfd)
		return nil, err
	}
	c.source = source
	c.timer = loop.Timer("child "+m.Name, c.expire)
	if m.Timeout > 0 {
		c.timer.Set(loop.Now().Add(m.Timeout))
	}
	return c, nil
}

// Pid returns the child's process id.
func (c *Child) Pid() int { return c.pid }

// Running reports whether the child has not been seen to end.
func (c *Child) Running() bool { return !c.reaped }

// Stop sends SIGTERM to the child's process group, and SIGKILL later if that
// does not end it. done is called as ever.
func (c *Child) Stop() {
	if c.reaped || c.stage != running {
		return
	}
	c.terminate()
}

// Unregister makes the child's end go unreported. It is still reaped.
func (c *Child) Unregister() { c.done = nil }

func (c *Child) terminate() {
	c.stage = terminated
	c.signal(unix.SIGTERM)
	c.timer.Set(c.loop.Now().Add(c.m.KillAfter))
}

// signal goes to the group. The child is not reaped yet, so its number cannot
// belong to anybody else.
func (c *Child) signal(s syscall.Signal) {
	if unix.Kill(-c.pid, s) != nil {
		// An adopted child may lead no group.
		_ = unix.PidfdSendSignal(c.pidfd, s, nil, 0)
	}
}

func (c *Child) expire() {
	switch c.stage {
	case running:
		c.late = true
		c.terminate()
	case terminated:
		c.stage = killed
		c.signal(unix.SIGKILL)
		c.timer.Set(c.loop.Now().Add(giveUp))
	case killed:
		// Still registered, so that it is reaped should it ever end.
		c.report(Exit{Code: -1, TimedOut: c.late, Stuck: true})
	}
}

// ended is called when the pidfd is readable: waitid(2) will not block.
func (c *Child) ended(event.Ready) {
	if c.stage != running {
		// What is left of the group ends with its leader; while the leader
		// is not reaped the group's number is certainly ours.
		_ = unix.Kill(-c.pid, unix.SIGKILL)
	}
	var ws unix.WaitStatus
	pid, err := unix.Wait4(c.pid, &ws, unix.WNOHANG, nil)
	for errors.Is(err, unix.EINTR) {
		pid, err = unix.Wait4(c.pid, &ws, unix.WNOHANG, nil)
	}
	if err == nil && pid == 0 {
		return // no result yet: stay registered
	}
	c.reaped = true
	c.timer.Stop()
	c.source.Remove()
	unix.Close(c.pidfd)
	disclaim(c.pid)
	e := Exit{TimedOut: c.late}
	switch {
	case err != nil:
		e.Lost = true // ECHILD
	case ws.Signaled():
		e.Code, e.Signal = -1, ws.Signal()
	default:
		e.Code = ws.ExitStatus()
	}
	c.report(e)
}

func (c *Child) report(e Exit) {
	if done := c.done; done != nil {
		c.done = nil
		done(e)
	}
}

// Owner is what methods are run for; it has at most one running at a time.
// The zero value is ready.
type Owner struct{ child *Child }

// Start is Start of the package with ErrRunning while a method runs.
func (o *Owner) Start(loop *event.Loop, s Spec, m Method, done func(Exit)) (*Child, error) {
	if o.Running() {
		return nil, ErrRunning
	}
	s.Args, s.Env = slices.Clone(s.Args), slices.Clone(s.Env)
	c, err := Start(loop, s, m, done)
	if err == nil {
		o.child = c
	}
	return c, err
}

// Running reports whether a method of the owner runs and will be reported.
func (o *Owner) Running() bool { return o.child != nil && !o.child.reaped && o.child.done != nil }

// Child returns the running method, or nil.
func (o *Owner) Child() *Child {
	if !o.Running() {
		return nil
	}
	return o.child
}

// Unregister drops the owner's method: its end is reaped and not reported.
func (o *Owner) Unregister() {
	if o.child != nil {
		o.child.Unregister()
		o.child = nil
	}
}
