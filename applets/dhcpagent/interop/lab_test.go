//go:build interop

package interop

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// The lab tells its story to the end, as root and as an ordinary user, and
// leaves the network it was started from as it was.
func TestLab(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		cred *syscall.Credential
	}{
		{"root", nil},
		{"ordinary user", &syscall.Credential{Uid: 65534, Gid: 65534}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before, err := os.ReadFile("/proc/net/dev_mcast")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "lab", "dhcp", "--lease", "10")
			cmd.Args[0] = "daemonbox" // whatever the file is called
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: tc.cred}
			b, err := cmd.CombinedOutput()
			out := string(b)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			rest := out
			for _, step := range []string{
				"DISCOVER to all", "OFFER", "REQUEST to all", "ACK", "kernel  address 10.77.0.",
				"route default via 10.77.0.1", "BOUND", "nameserver 10.77.0.1",
				"REQUEST to the server alone", "ACK", "RELEASE to the server alone", "removed", "Time to address",
			} {
				_, after, ok := strings.Cut(rest, step)
				if !ok {
					t.Fatalf("%q does not come in its turn:\n%s", step, out)
				}
				rest = after
			}
			if after, err := os.ReadFile("/proc/net/dev_mcast"); err != nil || string(after) != string(before) {
				t.Errorf("the network outside changed: %v\n%s\n%s", err, before, after)
			}
		})
	}
}
