// Peers fetches the foreign DHCP servers and clients that tests and
// benchmarks run against, and unpacks them into a folder without installing
// anything: no service is started, no user is made, no file of the host is
// touched.
//
// Synopsis:
//
//	go run ./core/netlab/peers [-dir .peers] [set...]
//
// A set is one of dnsmasq, kea, isc-server, busybox, dhclient, dhcpcd; none
// named means all. Packages come by apt-get download from the sources that
// this Debian is set up with; their shared libraries come along. DIR/root then
// looks like the root of a small system whose usr core/netlab lays over the
// /usr of a lab's hosts. A second run with everything there only reads one
// file.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sets names the packages of each peer. iproute2 stands in for the ip command
// that the scripts of dhclient and udhcpc call.
var sets = []struct {
	name     string
	packages []string
}{
	{"dnsmasq", []string{"dnsmasq-base"}},
	{"kea", []string{"kea-dhcp4-server"}},
	{"isc-server", []string{"isc-dhcp-server"}},
	{"busybox", []string{"busybox", "udhcpc", "iproute2"}},
	{"dhclient", []string{"isc-dhcp-client", "iproute2"}},
	{"dhcpcd", []string{"dhcpcd-base"}},
}

// stamp is what DIR/peers.json says about the folder.
type stamp struct {
	// Sets are complete; Packages maps each unpacked package to its version.
	Sets     []string          `json:"sets"`
	Packages map[string]string `json:"packages"`
}

func main() {
	dir := flag.String("dir", ".peers", "folder for the packages")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: peers [-dir DIR] [dnsmasq|kea|isc-server|busybox|dhclient|dhcpcd]...")
	}
	flag.Parse()
	if err := run(*dir, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// run makes the named sets (all if none) present in dir.
func run(dir string, names []string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	names, err = wanted(names)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	st := readStamp(dir)
	var missing []string
	for _, n := range names {
		if !slices.Contains(st.Sets, n) {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if err := fetch(dir, packagesOf(missing), &st); err != nil {
		return err
	}
	st.Sets = append(st.Sets, missing...)
	slices.Sort(st.Sets)
	if err := writeStamp(dir, st); err != nil {
		return err
	}
	fmt.Printf("peers: %s in %s\n", strings.Join(st.Sets, ", "), filepath.Join(dir, "root"))
	return nil
}

// wanted checks the names of sets; none means all.
func wanted(names []string) ([]string, error) {
	var all []string
	for _, s := range sets {
		all = append(all, s.name)
	}
	if len(names) == 0 {
		return all, nil
	}
	for _, n := range names {
		if !slices.Contains(all, n) {
			return nil, fmt.Errorf("no set %q; there are %s", n, strings.Join(all, ", "))
		}
	}
	return names, nil
}

// packagesOf lists the packages of some sets, each once.
func packagesOf(names []string) []string {
	var out []string
	for _, s := range sets {
		if slices.Contains(names, s.name) {
			out = append(out, s.packages...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// lock keeps two runs from unpacking into one folder at the same time.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}

// readStamp returns what is already there; a missing or broken stamp means
// nothing is, and everything is unpacked anew.
func readStamp(dir string) stamp {
	st := stamp{Packages: map[string]string{}}
	b, err := os.ReadFile(filepath.Join(dir, "peers.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return st
	}
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil || st.Packages == nil {
		return stamp{Packages: map[string]string{}}
	}
	return st
}

// writeStamp replaces the stamp in one step.
func writeStamp(dir string, st stamp) error {
	b, err := json.MarshalIndent(st, "", "\t")
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, "peers.json.new")
	if err := os.WriteFile(tmp, append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, "peers.json"))
}
