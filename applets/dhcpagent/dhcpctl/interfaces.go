package dhcpctl

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// hostInterfaces returns the interfaces of this network namespace except for
// the loopback. The list in /proc is that of the process's own namespace,
// which /sys need not be. (Package net would do, for 20 KiB of binary.)
func hostInterfaces() ([]string, error) {
	b, err := os.ReadFile("/proc/self/net/dev")
	if err != nil {
		return nil, systemError{fmt.Errorf("list the interfaces: %w", err)}
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, systemError{fmt.Errorf("list the interfaces: %w", err)}
	}
	defer unix.Close(fd)
	var names []string
	for line := range strings.SplitSeq(string(b), "\n") {
		// "  eth0: 1234 …"; names hold no colon, and the heading has none.
		name, _, ok := strings.Cut(strings.TrimSpace(line), ":")
		if ok && !loopback(fd, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

func loopback(fd int, name string) bool {
	r, err := unix.NewIfreq(name)
	if err != nil {
		return true // no name of an interface
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
		return false // it has just gone; the agent will say so
	}
	return r.Uint16()&unix.IFF_LOOPBACK != 0
}
