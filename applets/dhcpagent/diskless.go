package dhcpagent

import (
	"strings"

	"daemonbox/applets/dhcpagent/file"
)

// rootOnNetwork reports whether the root file system needs the network: the
// addresses then have to outlive the agent.
func rootOnNetwork() bool {
	b, _, err := file.Read("/proc/self/mounts", 1<<20)
	if err != nil && len(b) == 0 {
		return false
	}
	root := false
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) >= 3 && f[1] == "/" {
			// The last mount on / is the one in use.
			root = strings.HasPrefix(f[2], "nfs") || f[2] == "cifs" || strings.HasPrefix(f[0], "/dev/nbd")
		}
	}
	return root
}
