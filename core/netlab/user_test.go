//go:build interop

package netlab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// outerEnv makes the test binary a program that makes a lab as whoever runs
// it.
const outerEnv = "NETLAB_TEST_OUTER"

func TestMain(m *testing.M) {
	if os.Getenv(outerEnv) == "" {
		os.Exit(m.Run())
	}
	if !Entered() {
		status, err := EnterUser()
		if errors.Is(err, ErrNoUser) {
			fmt.Println("no user namespaces")
		} else if err != nil {
			fmt.Println(err)
			status = 1
		}
		os.Exit(status)
	}
	if err := userLab(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(17)
}

// userLab is what an ordinary user does with a lab.
func userLab() error {
	lab, err := New()
	if err != nil {
		return err
	}
	defer lab.Close()
	sw, err := lab.Switch("sw")
	if err != nil {
		return err
	}
	h, err := lab.Host("h")
	if err != nil {
		return err
	}
	if _, err := lab.Link(h, "eth0", sw, "p0"); err != nil {
		return err
	}
	out, err := h.Run("sh", "-c", "echo nameserver 192.0.2.1 > /etc/resolv.conf && cat /etc/resolv.conf")
	if err != nil {
		return err
	}
	fmt.Print(out)
	return nil
}

// TestOrdinaryUser makes a lab as nobody.
func TestOrdinaryUser(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "netlab-user")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	prog := filepath.Join(dir, "prog")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := copyProgram(prog); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(prog)
	cmd.Env = append(os.Environ(), outerEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if forbidden() {
		if string(out) != "no user namespaces\n" {
			t.Errorf("where user namespaces are forbidden: %q, %v", out, err)
		}
		return
	}
	if cmd.ProcessState.ExitCode() != 17 || string(out) != "nameserver 192.0.2.1\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// forbidden reports whether this system says that ordinary users get no user
// namespace.
func forbidden() bool {
	for _, f := range []string{"user/max_user_namespaces", "kernel/unprivileged_userns_clone"} {
		if b, err := os.ReadFile("/proc/sys/" + f); err == nil && strings.TrimSpace(string(b)) == "0" {
			return true
		}
	}
	return false
}

func copyProgram(to string) error {
	src, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}
