package proc

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// facts are what a daemon sees of itself.
type facts struct {
	Pid, Sid   int
	Dir        string
	Umask      int
	Fds        []string
	Comm       string
	Marker     bool
	Args       []string
	ChildFails bool
}

// playDaemon detaches and does what its argument says.
func playDaemon() int {
	ready, verdict, err := Daemonize()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 98
	}
	if verdict != nil {
		fmt.Fprint(os.Stderr, verdict.Text)
		return verdict.Code
	}
	switch os.Args[1] {
	case "fail":
		ready.Done(errors.New("no such interface"))
		return 1
	case "code":
		ready.Report(4, "eth0 is not bound")
		ready.Report(0, "never seen")
		return 0
	case "crash":
		panic("on purpose")
	case "exit":
		return 7
	case "silent":
		return 0
	case "look":
		return look(ready, os.Args[2])
	}
	return 97
}

func look(ready *Ready, out string) int {
	old := unix.Umask(0)
	unix.Umask(old)
	dir, _ := os.Getwd()
	sid, _ := unix.Getsid(0)
	comm, _ := os.ReadFile("/proc/self/comm")
	f := facts{
		Pid: os.Getpid(), Sid: sid, Dir: dir, Umask: old, Comm: strings.TrimSpace(string(comm)),
		Marker: os.Getenv(marker) != "", Args: os.Args[1:2],
		ChildFails: exec.Command("/bin/false").Run() != nil,
	}
	ready.Done(nil)
	for fd := range 64 {
		to, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		// The Go runtime has descriptors of its own: its poller, and files
		// that tell the share of the processors.
		if err == nil && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/sys/fs/cgroup/") {
			f.Fds = append(f.Fds, strconv.Itoa(fd)+" "+to)
		}
	}
	b, _ := json.Marshal(f)
	os.WriteFile(out+".tmp", b, 0o600)
	os.Rename(out+".tmp", out)
	return 0
}

// await reads a file that another process will have written.
func awaitFile(t *testing.T, path string) []byte {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		b, err := os.ReadFile(path)
		if err == nil {
			return b
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

func TestDaemonize(t *testing.T) {
	out := filepath.Join(t.TempDir(), "facts")
	cmd := as("daemon", "look", out)
	cmd.Args[0] = "/somewhere/mydaemon"
	cmd.Dir = t.TempDir()
	stray, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer stray.Close()
	cmd.ExtraFiles = []*os.File{stray, stray}
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if r := run(t, cmd); r != (result{0, "", ""}) {
		t.Fatalf("%+v", r)
	}
	var f facts
	if err := json.Unmarshal(awaitFile(t, out), &f); err != nil {
		t.Fatal(err)
	}
	if f.Pid == cmd.Process.Pid || f.Sid != f.Pid || f.Dir != "/" || f.Umask != 0o022 || f.Comm != "mydaemon" || f.Marker {
		t.Errorf("%+v", f)
	}
	if got := strings.Join(f.Fds, ","); got != "0 /dev/null,1 /dev/null,2 /dev/null" {
		t.Errorf("descriptors %s", got)
	}
	if !f.ChildFails {
		t.Error("the status of a child is lost")
	}
}

// SIGCHLD ignored by the caller must not make the kernel reap our children.
func TestDaemonizeIgnoredSIGCHLD(t *testing.T) {
	out := filepath.Join(t.TempDir(), "facts")
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `trap "" CHLD; exec "$0" look "$1"`, self, out)
	cmd.Env = append(os.Environ(), roleVar+"=daemon")
	if r := run(t, cmd); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	var f facts
	if err := json.Unmarshal(awaitFile(t, out), &f); err != nil {
		t.Fatal(err)
	}
	if !f.ChildFails {
		t.Error("the status of a child is lost")
	}
}

func TestDaemonizeVerdicts(t *testing.T) {
	for _, tc := range []struct {
		role string
		code int
		text string
	}{
		{"fail", 1, "no such interface"},
		{"code", 4, "eth0 is not bound"},
		{"crash", 2, "panic: on purpose"},
		{"exit", 7, "ended before it was ready: exit status 7"},
		{"silent", 1, "ended before it was ready: exit status 0"},
	} {
		r := run(t, as("daemon", tc.role))
		if r.code != tc.code || !strings.Contains(r.stderr, tc.text) {
			t.Errorf("%s: %+v", tc.role, r)
		}
	}
}

// A marker that is not ours is no reason to believe to be the second process.
func TestForeignMarker(t *testing.T) {
	for _, v := range []string{"3", "0", "x", "99"} {
		cmd := as("daemon", "fail")
		cmd.Env = append(cmd.Env, marker+"="+v)
		null, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer null.Close()
		cmd.ExtraFiles = []*os.File{null}
		if r := run(t, cmd); r.code != 1 || !strings.HasPrefix(r.stderr, "no such interface") {
			t.Errorf("%s: %+v", v, r)
		}
	}
}

func FuzzReport(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendReport(nil, 4, "text"))
	f.Add(appendReport([]byte("warning\n"), 0, ""))
	f.Add([]byte{0, 1, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, ok := parseReport(b)
		if ok && (v.Code < 0 || v.Code > 255 || len(v.Text) > len(b)) {
			t.Fatalf("%+v", v)
		}
		code, text := 0, strings.ReplaceAll(string(b), "\x00", "")
		if len(b) > 0 {
			code = int(b[0])
		}
		if len(text) > 4<<10 {
			return
		}
		got, ok := parseReport(appendReport([]byte("before "), code, text))
		if !ok || got.Code != code || got.Text != "before "+text {
			t.Fatalf("%v %+v", ok, got)
		}
	})
}
