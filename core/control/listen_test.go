package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daemonbox/core/event"
)

func newLoop(t *testing.T) *event.Loop {
	t.Helper()
	loop, err := event.New(event.Parked)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loop.Close() })
	return loop
}

func TestSecondServer(t *testing.T) {
	f := serve(t, quick(nil), echo, nil)
	_, err := Listen(newLoop(t), ServerOptions{Path: f.path, Handler: echo})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), f.path) {
		t.Errorf("second server: %v", err)
	}
	f.works()
}

// A daemon that holds no lock but answers counts too.
func TestForeignServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(newLoop(t), ServerOptions{Path: path, Handler: echo}); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the foreign socket is gone: %v", err)
	} else {
		c.Close()
	}
}

func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "c.sock")
	loop := newLoop(t)
	s, err := Listen(loop, ServerOptions{Path: path, Handler: echo})
	if err != nil {
		t.Fatal(err)
	}
	// What a killed daemon leaves: the socket file and the lock file, without
	// anybody behind them.
	s.source.Remove()
	s.place.ino = 0
	if err := os.NewFile(uintptr(s.place.fd), "").Close(); err != nil {
		t.Fatal(err)
	}
	s.place.lock.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal(err)
	}

	s, err = Listen(loop, ServerOptions{Path: path, Handler: echo})
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o666 {
		t.Errorf("mode %v", fi.Mode())
	}
	if fi, _ := os.Stat(filepath.Dir(path)); fi.Mode().Perm() != 0o755 {
		t.Errorf("directory mode %v", fi.Mode())
	}
	s.Close()
	s.Close()
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestListenFailures(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		file,                          // not a socket
		filepath.Join(file, "c.sock"), // no directory
		dir,                           // a directory
		filepath.Join(dir, strings.Repeat("x", 120)), // longer than sun_path
	} {
		_, err := Listen(newLoop(t), ServerOptions{Path: path, Handler: echo})
		if err == nil || errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, _ := os.ReadFile(file); string(b) != "precious" {
		t.Error("a file that is no socket was touched")
	}
}

// Closing does not remove a socket that somebody else has put there.
func TestCloseLeavesOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	s, err := Listen(newLoop(t), ServerOptions{Path: path, Handler: echo})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}
