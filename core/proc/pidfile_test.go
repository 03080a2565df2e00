package proc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// playHolder holds a pid file until its input ends.
func playHolder() int {
	if _, err := WritePid(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("held")
	io.Copy(io.Discard, os.Stdin)
	return 0 // without release, as if killed
}

func TestWritePid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	if err := os.WriteFile(path, []byte("123456789012345678901234567890\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	release, err := WritePid(path)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(path)
	if string(b) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("%q", b)
	}
	if _, err := WritePid(path); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("second: %v", err)
	}
	release()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// The lock ends with its process, however that ends.
func TestWritePidAfterDeath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	cmd := as("holder", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("%q %v", line, err)
	}
	if _, err := WritePid(path); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("while it runs: %v", err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	release, err := WritePid(path)
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestWritePidFailures(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	fifo := filepath.Join(dir, "fifo")
	if err := errors.Join(os.Symlink(target, link), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, fifo, dir, filepath.Join(dir, "no", "x.pid")} {
		if _, err := WritePid(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, _ := os.ReadFile(target); string(b) != "precious" {
		t.Error("written through a symbolic link")
	}
}

func TestNotify(t *testing.T) {
	abstract := "@daemonbox-test-" + strconv.Itoa(os.Getpid())
	for _, addr := range []string{filepath.Join(t.TempDir(), "n"), abstract} {
		c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		t.Setenv("NOTIFY_SOCKET", addr)
		if err := Notify("READY=1"); err != nil {
			t.Fatal(err)
		}
		var b [64]byte
		if n, err := c.Read(b[:]); err != nil || string(b[:n]) != "READY=1" {
			t.Errorf("%q %v", b[:n], err)
		}
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify("READY=1"); err != nil {
		t.Error(err)
	}
	for _, addr := range []string{"vsock:2:1", filepath.Join(t.TempDir(), "none")} {
		t.Setenv("NOTIFY_SOCKET", addr)
		if err := Notify("READY=1"); err == nil {
			t.Errorf("%s: no error", addr)
		}
	}
}

func TestMissingCaps(t *testing.T) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	var eff uint64
	for l := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(l, "CapEff:"); ok {
			eff, err = strconv.ParseUint(strings.TrimSpace(v), 16, 64)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	const last = Cap(63) // beyond all that exist
	missing, err := MissingCaps(CapNetBindService, CapNetAdmin, CapNetRaw, CapSysAdmin, last)
	if err != nil {
		t.Fatal(err)
	}
	var want []Cap
	for _, c := range []Cap{CapNetBindService, CapNetAdmin, CapNetRaw, CapSysAdmin, last} {
		if eff&(1<<c) == 0 {
			want = append(want, c)
		}
	}
	if fmt.Sprint(missing) != fmt.Sprint(want) || len(missing) == 0 {
		t.Errorf("%v, not %v", missing, want)
	}
	if CapNetRaw.String() != "CAP_NET_RAW" || last.String() != "capability 63" {
		t.Error(CapNetRaw, last)
	}
}
