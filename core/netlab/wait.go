package netlab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Wait asks done, more and more slowly, until it says yes or fails or the
// limit is over.
func Wait(limit time.Duration, done func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 20*time.Millisecond) {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v", limit)
		}
		time.Sleep(pause)
	}
}

// WaitUDP waits until some process has bound a UDP socket to the IPv4 port.
func (h *Host) WaitUDP(port uint16, limit time.Duration) error {
	err := Wait(limit, func() (bool, error) { return h.boundUDP(port) })
	if err != nil {
		return fmt.Errorf("port %d of %s is not bound: %w", port, h.name, err)
	}
	return nil
}

// boundUDP looks the port up in /proc/net/udp, proc(5).
func (h *Host) boundUDP(port uint16) (bool, error) {
	var b []byte
	err := h.Do(func() (err error) {
		b, err = os.ReadFile("/proc/thread-self/net/udp")
		return err
	})
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		_, hex, ok := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(hex, 16, 16); ok && err == nil && uint16(n) == port {
			return true, nil
		}
	}
	return false, nil
}
