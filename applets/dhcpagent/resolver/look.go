package resolver

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/file"
)

// toolDirs are where tools are looked for, whatever PATH the agent was given.
var toolDirs = [...]string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// resolvedDir is where systemd-resolved keeps the files that resolv.conf links
// to when it is in charge (systemd-resolved.service(8)).
const resolvedDir = "/run/systemd/resolve"

// look finds out what the host has, as far as the entries ask for it.
func look(root string, entries []*Entry) world {
	var w world
	var auto, conf, ctl bool
	for _, e := range entries {
		auto = auto || e.Mode == Auto
		conf = conf || e.Mode == Resolvconf
		ctl = ctl || e.Mode == Resolved
	}
	if auto && linksTo(root, resolvedDir) {
		w.auto, ctl = Resolved, true
	}
	if conf || auto && w.auto == Auto {
		w.resolvconf, w.bareNames = findResolvconf(root)
	}
	if ctl {
		w.resolvectl = findTool(root, "resolvectl")
	}
	if w.auto == Auto {
		w.auto = File
		// systemd's own resolvconf only reaches systemd-resolved, which is not
		// in charge here.
		if w.resolvconf != "" && !w.bareNames {
			w.auto = Resolvconf
		}
	}
	return w
}

// linksTo reports whether resolv.conf is a symbolic link into dir.
func linksTo(root, dir string) bool {
	path := root + confPath
	target, err := os.Readlink(path)
	if err != nil {
		return false
	}
	return within(strings.TrimPrefix(follow(root, path, target), root), dir)
}

// follow returns what a link at path means.
func follow(root, path, target string) string {
	if filepath.IsAbs(target) {
		return filepath.Clean(root + target)
	}
	return filepath.Join(filepath.Dir(path), target)
}

// within reports whether a clean path lies in dir; /var/run is an old name of
// /run.
func within(path, dir string) bool {
	path = strings.TrimPrefix(path, "/var")
	return strings.HasPrefix(path, dir+"/")
}

func findTool(root, name string) string {
	for _, d := range toolDirs {
		path := root + d + "/" + name
		if unix.Access(path, unix.X_OK) == nil {
			return path
		}
	}
	return ""
}

func findResolvconf(root string) (path string, systemd bool) {
	path = findTool(root, "resolvconf")
	if path == "" {
		return "", false
	}
	target, err := os.Readlink(path)
	return path, err == nil && filepath.Base(target) == "resolvectl"
}

// maxFile bounds resolv.conf files that are read.
const maxFile = 1 << 20

// Domain returns the local domain that a resolv.conf(5) names: the first name
// of its last domain or search line; "" if there is none or it is no name.
func Domain(path string) string {
	b, _, err := file.Read(path, maxFile)
	if err != nil {
		return ""
	}
	var domain string
	for line := range strings.SplitSeq(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) >= 2 && (f[0] == "domain" || f[0] == "search") {
			domain = f[1]
		}
	}
	domain = strings.TrimSuffix(domain, ".")
	if !dhcp4.ValidHost(domain) {
		return ""
	}
	return domain
}
