package netlab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// userEnv marks the process that EnterUser started.
const userEnv = "DAEMONBOX_NETLAB_USER"

// ErrNoUser is wrapped by the errors of a kernel that lets no ordinary user
// make a user namespace.
var ErrNoUser = errors.New("this system allows no user namespaces to ordinary users")

// EnterUser lets a program that is not run by root make labs: it runs the
// program anew, with the same arguments and standard descriptors, as the root
// of a new user namespace, and returns the exit status. A program of several
// threads, as every Go program is, cannot enter one itself: unshare(2).
// Entered tells the inner run from the outer.
func EnterUser() (status int, err error) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), userEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EACCES), errors.Is(err, unix.EUSERS):
		return 0, fmt.Errorf("%w: %w", ErrNoUser, err)
	}
	return 0, fmt.Errorf("run in a user namespace: %w", err)
}

// Entered reports whether this process was started by EnterUser.
func Entered() bool { return os.Getenv(userEnv) == "1" }
