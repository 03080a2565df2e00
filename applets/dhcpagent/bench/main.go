// Bench compares dhcpagent with the DHCP clients of Debian 12 in networks of
// its own, all in one run and interleaved, and prints medians.
//
// Synopsis:
//
//	go run ./applets/dhcpagent/bench [-n ROUNDS] [-run TEXT] [-bin FILE] [-v]
//
// It is run in the root of the module; make bench-dhcp does. It needs root and
// the programs that core/netlab/peers unpacks. Times are taken from just before
// execve(2) to the moment at which a netlink listener in the client's namespace
// reads RTM_NEWADDR; the server is dnsmasq without its ping check, or a
// scripted one where dnsmasq cannot do what is measured. Each client begins
// every round without state but for what a row says.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"daemonbox/core/netlab"
)

// bench is the state of a run.
type bench struct {
	rounds  int
	verbose bool
	bin     string // the program under test
	self    string // this program, as launcher
	peers   string
	table   table
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == launchWord {
		launch(os.Args[2:])
	}
	b := &bench{}
	only := flag.String("run", "", "only rows whose name contains this text")
	flag.IntVar(&b.rounds, "n", 20, "rounds")
	flag.StringVar(&b.bin, "bin", "", "measure this program instead of the one that make builds")
	flag.BoolVar(&b.verbose, "v", false, "print each measurement")
	flag.Parse()
	if err := b.run(*only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run does the rows one after the other.
func (b *bench) run(only string) error {
	if b.rounds < 1 {
		return fmt.Errorf("-n %d: at least one round", b.rounds)
	}
	var err error
	if b.peers, err = netlab.Peers(); err != nil {
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "dhcpagent-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.build(dir); err != nil {
		return err
	}
	for _, r := range []struct {
		name string
		fn   func() error
	}{
		{"exec to address", b.execToAddress},
		{"resident start", b.resident},
		{"duplicate detection", b.duplicateDetection},
		{"restart", b.restart},
		{"nak", b.nak},
		{"carrier", b.carrier},
		{"absence", b.absence},
		{"interfaces", b.interfaces},
		{"size", b.size},
	} {
		if !strings.Contains(r.name, only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s\n", r.name)
		if err := r.fn(); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	b.table.print(os.Stdout)
	return nil
}

// build makes the program under test as it is delivered.
func (b *bench) build(dir string) error {
	if b.bin != "" {
		abs, err := filepath.Abs(b.bin)
		b.bin = abs
		return err
	}
	b.bin = filepath.Join(dir, "daemonbox")
	cmd := exec.Command("make", "-s", "build", "BINARY="+b.bin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}

// note prints a measurement with -v.
func (b *bench) note(format string, args ...any) {
	if b.verbose {
		fmt.Fprintf(os.Stderr, "  "+format+"\n", args...)
	}
}
