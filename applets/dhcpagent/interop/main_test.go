//go:build interop

package interop

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"daemonbox/core/netlab"
)

// Set by TestMain.
var (
	peers   string // folder with the foreign programs
	program string // the binary under test
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

// run builds the binary once for all tests.
func run(m *testing.M) int {
	// The tests spend their time waiting for timers, so there can be many at
	// once on few processors.
	if f := flag.Lookup("test.parallel"); f != nil && f.Value.String() == fmt.Sprint(gomaxprocs()) {
		f.Value.Set("24")
	}
	var err error
	if peers, err = netlab.Peers(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "dhcpagent-interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // some tests run tools as nobody
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = os.Getenv("DAEMONBOX")
	if program == "" {
		program = filepath.Join(dir, "daemonbox")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "daemonbox")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "build the program:", err)
			return 1
		}
	}
	return m.Run()
}
