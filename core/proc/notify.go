package proc

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Notify tells the service manager about the daemon's state, as in "READY=1"
// (sd_notify(3)). Without NOTIFY_SOCKET it does nothing. It never blocks.
func Notify(state string) error { return notify(os.Getenv("NOTIFY_SOCKET"), state) }

func notify(path, state string) error {
	if path == "" {
		return nil
	}
	if path[0] != '/' && path[0] != '@' {
		return fmt.Errorf("notify: unsupported address %q", path)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("notify: %w", err)
	}
	defer unix.Close(fd)
	// x/sys reads a leading '@' as the abstract name space, like systemd.
	err = unix.Sendto(fd, []byte(state), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: path})
	if err != nil {
		return fmt.Errorf("notify %s: %w", path, err)
	}
	return nil
}
