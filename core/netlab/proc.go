package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Proc is a process that was started in a host.
type Proc struct {
	cmd  *exec.Cmd
	out  *os.File
	done chan struct{}
	err  error // of Wait; valid when done is closed
}

// searchPath is where programs are looked for in a host.
const searchPath = "/usr/sbin:/usr/bin:/sbin:/bin"

// Start starts a program with its output captured. Its environment has PATH,
// HOME and LC_ALL only.
func (h *Host) Start(name string, args ...string) (*Proc, error) {
	return h.StartCmd(&exec.Cmd{Path: name, Args: append([]string{name}, args...)})
}

// StartCmd starts a command of which Path, Args, Env, Dir, Stdin and
// SysProcAttr count; a Path without slash is looked up in the host. Output
// goes where cmd says, else it is captured. The process leads a process group
// of its own and is killed if this process dies.
func (h *Host) StartCmd(cmd *exec.Cmd) (*Proc, error) {
	p := &Proc{cmd: cmd, done: make(chan struct{})}
	if err := p.capture(); err != nil {
		return nil, err
	}
	if cmd.Env == nil {
		cmd.Env = []string{"PATH=" + searchPath, "HOME=/", "LC_ALL=C"}
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	// The host's thread is the parent that prctl(2) speaks of; it lives as long
	// as the host.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	err := h.Do(func() error {
		path, err := look(cmd.Path)
		if err != nil {
			return err
		}
		cmd.Path = path
		return cmd.Start()
	})
	if err != nil {
		p.out.Close()
		return nil, fmt.Errorf("start in %s: %w", h.name, err)
	}
	h.mu.Lock()
	h.procs = append(h.procs, p)
	h.mu.Unlock()
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// capture sends the output to an unlinked file: unlike a pipe that never
// fills up, and descendants that keep it open hold nobody up.
func (p *Proc) capture() error {
	f, err := os.CreateTemp("", "netlab-output")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	// Appending keeps standard output and error in order.
	w, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	p.out = w
	if p.cmd.Stdout == nil {
		p.cmd.Stdout = w
	}
	if p.cmd.Stderr == nil {
		p.cmd.Stderr = w
	}
	return nil
}

// look finds a program from inside the host.
func look(name string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for dir := range strings.SplitSeq(searchPath, ":") {
		path := filepath.Join(dir, name)
		if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0 {
			return path, nil
		}
	}
	return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
}

// Run runs a program to its end and returns what it wrote. The error of a
// program that failed carries its output.
func (h *Host) Run(name string, args ...string) (string, error) {
	return h.RunCmd(&exec.Cmd{Path: name, Args: append([]string{name}, args...)})
}

// RunCmd is Run for a command as StartCmd takes it.
func (h *Host) RunCmd(cmd *exec.Cmd) (string, error) {
	p, err := h.StartCmd(cmd)
	if err != nil {
		return "", err
	}
	err = p.Wait()
	out := p.Output()
	h.forget(p)
	if err != nil {
		return out, fmt.Errorf("%s in %s: %w: %s", strings.Join(cmd.Args, " "), h.name, err, strings.TrimSpace(out))
	}
	return out, nil
}

// forget drops a process that has ended and whose output was read.
func (h *Host) forget(p *Proc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, q := range h.procs {
		if p == q {
			h.procs = append(h.procs[:i], h.procs[i+1:]...)
			break
		}
	}
	p.out.Close()
}

// Pid returns the process id, as this process sees it.
func (p *Proc) Pid() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended and been waited for.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Running reports whether the process has not ended yet.
func (p *Proc) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Wait waits for the end of the process. Its error is that of exec.Cmd.Wait.
func (p *Proc) Wait() error {
	<-p.done
	return p.err
}

// WaitFor is Wait with a limit.
func (p *Proc) WaitFor(d time.Duration) error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(d):
		return fmt.Errorf("%s still runs after %v", p.cmd.Args[0], d)
	}
}

// ExitCode returns the exit status, and -1 while the process runs or if a
// signal ended it.
func (p *Proc) ExitCode() int {
	if p.Running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// State returns what is known of the ended process, nil while it runs.
func (p *Proc) State() *os.ProcessState {
	if p.Running() {
		return nil
	}
	return p.cmd.ProcessState
}

// Signal sends a signal to the process alone.
func (p *Proc) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// Stop ends the process group: SIGTERM, and SIGKILL when the process has not
// ended after the grace time. It returns the error of Wait.
func (p *Proc) Stop(grace time.Duration) error {
	if p.Running() && grace > 0 {
		p.signalGroup(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(grace):
		}
	}
	return p.Kill()
}

// Kill ends the process group at once and waits for the process.
func (p *Proc) Kill() error {
	p.signalGroup(syscall.SIGKILL)
	return p.Wait()
}

// signalGroup signals the process's group while the process itself has not
// been waited for: its id, and with it the group's, cannot belong to anybody
// else then. Members that outlive their leader are found by killInside.
func (p *Proc) signalGroup(sig syscall.Signal) {
	if p.Running() {
		_ = syscall.Kill(-p.Pid(), sig)
	}
}

// Output returns what the process wrote so far.
func (p *Proc) Output() string {
	fi, err := p.out.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, fi.Size())
	n, _ := p.out.ReadAt(b, 0)
	return string(b[:n])
}

// WaitOutput waits until the process has written text. That it ends without
// having done so is an error at once.
func (p *Proc) WaitOutput(text string, limit time.Duration) error {
	err := Wait(limit, func() (bool, error) {
		running := p.Running()
		if strings.Contains(p.Output(), text) {
			return true, nil
		}
		if !running {
			return false, errors.New("the process ended")
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("%s has not written %q: %w; output: %s", p.cmd.Args[0], text, err, p.Output())
	}
	return nil
}
