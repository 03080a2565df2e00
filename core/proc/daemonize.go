package proc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Go process cannot fork: its other threads would be missing in the child.
// So the program starts itself a second time, in a new session, with a marker
// in the environment and a pipe. The second process does its start-up work and
// reports over the pipe; the first waits for that and gives its caller the
// verdict. Whatever the second writes to standard error before its report (a
// crash, say) comes through the same pipe and reaches the caller too.

// marker is the environment variable that tells the second process the
// descriptor of its pipe.
const marker = "DAEMONBOX_READY_FD"

const (
	readyFD = 3
	// reportMark begins a report on the pipe; text before it is standard error.
	reportMark = 0
	// maxReport bounds the octets that are kept of what comes over the pipe.
	maxReport = 64 << 10
)

// Verdict is how the start of the second process went.
type Verdict struct {
	// Code is the exit status for the caller.
	Code int
	// Text is for standard error; may be empty.
	Text string
	// Pid of the daemon; it runs unless it ended without a report.
	Pid int
}

// Ready is the daemon's side of the readiness pipe. Its methods may be called
// by any goroutine; the first report counts.
type Ready struct {
	once sync.Once
	pipe *os.File
}

// Daemonize detaches the program from its caller. In the first process it
// returns a Verdict when the daemon has reported: the process should write
// Text to standard error and exit with Code. In the second process it returns
// a Ready, with a new session, working directory /, umask 022, standard input
// and output on /dev/null and no other inherited descriptor. Relative paths in
// the arguments must be made absolute before.
func Daemonize() (*Ready, *Verdict, error) {
	if pipe := inheritedPipe(); pipe != nil {
		r := &Ready{pipe: pipe}
		if err := settleDown(); err != nil {
			return r, nil, err
		}
		return r, nil, nil
	}
	v, err := startSecond()
	return nil, v, err
}

// inheritedPipe returns the pipe to the first process; nil in that process.
func inheritedPipe() *os.File {
	s := os.Getenv(marker)
	if s == "" {
		return nil
	}
	os.Unsetenv(marker)
	fd, err := strconv.Atoi(s)
	if err != nil || fd != readyFD {
		return nil
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil
	}
	unix.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "readiness pipe")
}

// settleDown does in the second process what cannot be done before execve(2).
func settleDown() error {
	unix.Umask(0o022)
	if err := os.Chdir("/"); err != nil {
		return err
	}
	// ps(1) shows the name the program was called by, not "exe". Without
	// /proc there is no ps either.
	name := filepath.Base(os.Args[0])
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
	return nil
}

func startSecond() (*Verdict, error) {
	exe, err := executable()
	if err != nil {
		return nil, fmt.Errorf("start in the background: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start in the background: %w", err)
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("start in the background: %w", err)
	}
	closeOnExec()
	p, err := os.StartProcess(exe, os.Args, &os.ProcAttr{
		Env:   append(withoutMarker(os.Environ()), marker+"="+strconv.Itoa(readyFD)),
		Files: []*os.File{null, null, w, w},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	null.Close()
	w.Close()
	if err != nil {
		return nil, fmt.Errorf("start in the background: %w", err)
	}
	return await(r, p), nil
}

// executable prefers the file's own path, so that the process has a telling
// name; a file that was replaced meanwhile is reached through /proc.
func executable() (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(exe); err != nil {
		return "/proc/self/exe", nil
	}
	return exe, nil
}

func withoutMarker(env []string) []string {
	out := make([]string, 0, len(env)+1)
	for _, e := range env {
		if !strings.HasPrefix(e, marker+"=") {
			out = append(out, e)
		}
	}
	return out
}

// closeOnExec keeps our caller's descriptors out of processes that we start.
// Go marks its own; these came by execve(2).
func closeOnExec() {
	const first = 3
	if unix.CloseRange(first, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	// Before Linux 5.11.
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range list {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= first {
			unix.CloseOnExec(fd)
		}
	}
}

// await reads the pipe until the report or the end of the second process.
func await(r io.Reader, p *os.Process) *Verdict {
	raw, err := io.ReadAll(io.LimitReader(r, maxReport))
	if v, ok := parseReport(raw); ok && err == nil {
		v.Pid = p.Pid
		p.Release()
		return &v
	}
	v := &Verdict{Code: ExitFailure, Text: string(raw), Pid: p.Pid}
	if st, err := p.Wait(); err == nil {
		v.Text += "ended before it was ready: " + st.String()
		if st.Exited() && st.ExitCode() != 0 {
			v.Code = st.ExitCode()
		}
	}
	return v
}

// appendReport makes a report: the mark, the status, a u16 length, the text.
func appendReport(b []byte, code int, text string) []byte {
	const maxText = 4 << 10
	if len(text) > maxText {
		text = text[:maxText]
	}
	b = append(b, reportMark, byte(code))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

// parseReport finds the report at the end of what came over the pipe. What was
// written to standard error before it stands before its text.
func parseReport(raw []byte) (Verdict, bool) {
	const head = 4
	at := strings.IndexByte(string(raw), reportMark)
	if at < 0 || len(raw)-at < head {
		return Verdict{}, false
	}
	rest := raw[at:]
	n := int(binary.LittleEndian.Uint16(rest[2:]))
	if len(rest) != head+n {
		return Verdict{}, false
	}
	return Verdict{Code: int(rest[1]), Text: string(raw[:at]) + string(rest[head:])}, true
}

// Report ends the caller's wait with an exit status and a text for its
// standard error. From then on the daemon's standard error is /dev/null.
func (r *Ready) Report(code int, text string) {
	r.once.Do(func() {
		if null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
			// Standard error is the same pipe: it must end here too, or the
			// first process would wait for its end.
			_ = unix.Dup3(null, 2, 0)
			unix.Close(null)
		}
		// A caller that did not wait is no trouble of ours.
		_, _ = r.pipe.Write(appendReport(nil, code, text))
		r.pipe.Close()
	})
}

// Done reports success, or err as the reason of a failed start.
func (r *Ready) Done(err error) {
	if err != nil {
		r.Report(ExitFailure, err.Error())
		return
	}
	r.Report(ExitOK, "")
}

// ErrHeld means that a pid file belongs to a running process.
var ErrHeld = errors.New("held by a running process")
