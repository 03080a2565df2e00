// Package hook runs the event script, /etc/dhcp/eventhook INTERFACE EVENT: it
// builds the script's environment of checked values only, sees that nobody but
// root could have written the script, and runs at most one script a client and
// 32 in all.
//
// A Runner belongs to the event loop's goroutine.
package hook

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"daemonbox/core/event"
	"daemonbox/core/proc"
)

const (
	// timeout is how long a script may run before its process group gets
	// SIGTERM; killAfter later it gets SIGKILL.
	timeout   = 55 * time.Second
	killAfter = 3 * time.Second
	// maxRunning bounds the scripts that run at once.
	maxRunning = 32
)

// A Runner runs the event script.
type Runner struct {
	// Stderr takes the scripts' complaints, nil for /dev/null.
	Stderr *os.File
	// Idle, if set, is called when the last script has ended.
	Idle func()

	loop *event.Loop
	log  *slog.Logger
	path string

	timeout, killAfter time.Duration

	pool   proc.Pool
	latest map[string]*job // by key: the newest event's
	active int
	said   string // last complaint about the script's permissions
}

// A job is one event given to the script.
type job struct {
	r             *Runner
	key           string
	ifname, event string
	env           []string
	done          func() // nil once nobody waits

	ticket *proc.Ticket
	child  *proc.Child
	before *job // the script this one waits for
	after  *job // the event that waits for this one
	ended  bool
}

// NewRunner returns a Runner of the script at path.
func NewRunner(loop *event.Loop, log *slog.Logger, path string) *Runner {
	// Scripts run in the root directory, where a relative path means another file.
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &Runner{
		loop: loop, log: log, path: path,
		timeout: timeout, killAfter: killAfter,
		pool:   proc.Pool{Limit: maxRunning},
		latest: make(map[string]*job),
	}
}

// Active returns how many scripts run or wait, also those that were stopped and
// have not ended yet.
func (r *Runner) Active() int { return r.active }

// Run gives an event to the script and calls done when the script has ended,
// however it did, or when there is none to run; always in a later turn of the
// loop. A script that still runs for key is stopped as by Stop, and the new one
// starts when that one has gone.
func (r *Runner) Run(key, ifname, event string, env []string, done func()) {
	before := r.Stop(key)
	j := &job{r: r, key: key, ifname: ifname, event: event, env: env, done: done}
	r.latest[key] = j
	r.active++
	if !r.runnable() {
		r.loop.Post(j.end)
		return
	}
	if before != nil {
		j.before, before.after = before, j
		return
	}
	j.enter()
}

// Stop ends the script of key: its process group gets SIGTERM, SIGKILL follows.
// Its done is not called. The result is the job that is ending, if any.
func (r *Runner) Stop(key string) *job {
	j := r.latest[key]
	if j == nil {
		return nil
	}
	j.done = nil
	switch {
	case j.child != nil:
		j.child.Stop()
		return j
	case j.before != nil: // never started: what it waited for is still ending
		before := j.before
		before.after = nil
		j.finish() // not idle: before is still there
		r.latest[key] = before
		return before
	case j.ticket != nil:
		j.finish()
		r.loop.Post(r.idle)
		return nil
	}
	return nil // its end is posted already
}

// enter waits for one of the places. With room, start runs before Enter
// returns; whatever ends the job comes in a later turn.
func (j *job) enter() {
	j.ticket = j.r.pool.Enter(j.start)
}

func (j *job) start() {
	r := j.r
	r.log.Debug("running the event script", "ifname", j.ifname, "event", j.event)
	child, err := proc.Start(r.loop, proc.Spec{
		Path:   r.path,
		Args:   []string{r.path, j.ifname, j.event},
		Env:    j.env,
		Stderr: r.Stderr,
	}, proc.Method{Name: "hook " + j.key, Timeout: r.timeout, KillAfter: r.killAfter}, j.exited)
	if err != nil {
		r.log.Warn("cannot run the event script", "ifname", j.ifname, "event", j.event, "err", err)
		r.loop.Post(j.end)
		return
	}
	j.child = child
}

func (j *job) exited(e proc.Exit) {
	attrs := []any{"ifname", j.ifname, "event", j.event}
	switch {
	case e.Stuck:
		j.r.log.Error("the event script cannot be killed", attrs...)
	case e.TimedOut:
		j.r.log.Warn("the event script ran too long and was ended", append(attrs, "took", j.r.timeout)...)
	case e.Signal != 0 && j.done != nil:
		j.r.log.Info("the event script was killed", append(attrs, "signal", e.Signal.String())...)
	case e.Code > 0:
		j.r.log.Info("the event script failed", append(attrs, "status", e.Code)...)
	}
	j.end()
}

// end is the end of a job whose script has ended or never began.
func (j *job) end() {
	if j.ended {
		return
	}
	done, after := j.done, j.after
	j.finish()
	if after != nil {
		after.before = nil
		after.enter()
	}
	if done != nil {
		done()
	}
	j.r.idle()
}

func (r *Runner) idle() {
	if r.active == 0 && r.Idle != nil {
		r.Idle()
	}
}

// finish takes the job out of the books.
func (j *job) finish() {
	j.ended, j.done = true, nil
	j.r.active--
	if j.r.latest[j.key] == j {
		delete(j.r.latest, j.key)
	}
	if j.ticket != nil {
		j.ticket.Leave()
	}
}

// runnable reports whether there is a script that may be run. A script that
// anybody could have written is as good as none, and worth a warning.
func (r *Runner) runnable() bool {
	ok, err := check(r.path, uint32(os.Geteuid()))
	if err == nil {
		r.said = ""
		return ok
	}
	if text := err.Error(); r.said != text {
		r.said = text
		r.log.Warn("the event script is not run", "err", fmt.Errorf("%s: %w", r.path, err))
	}
	return false
}
