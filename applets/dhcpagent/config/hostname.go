package config

import (
	"strings"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/file"
)

// maxHostFile bounds the files below; their one line has at most 253
// characters of interest.
const maxHostFile = 64 << 10

// ifHostname returns the name in the line "inet NAME" of the interface's
// hostname file, "" if there is none that could be sent.
func ifHostname(etc, ifname string) string {
	return hostLine(etc+"/hostname."+ifname, func(fields []string) string {
		if len(fields) >= 2 && fields[0] == "inet" {
			return fields[1]
		}
		return ""
	})
}

// nodeName returns the host's name as hostname(5) has it: the first line that
// is not a comment.
func nodeName(etc string) string {
	return hostLine(etc+"/hostname", func(fields []string) string { return fields[0] })
}

// hostLine returns the first non-empty result of pick over the fields of the
// lines of a file, if it is a valid host name.
func hostLine(path string, pick func(fields []string) string) string {
	b, _, err := file.Read(path, maxHostFile)
	if err != nil {
		return ""
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0][0] == '#' {
			continue
		}
		if name := pick(fields); name != "" {
			if !dhcp4.ValidHost(name) {
				return ""
			}
			return name
		}
	}
	return ""
}
