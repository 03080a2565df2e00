package inittab

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"daemonbox/applets/dhcpagent/api"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "inittab")
	if err := os.WriteFile(file, []byte("nonsense\nMine SITE, 225, IP, 1, 0, i\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tab, bad, err := Open(4, file)
	if _, ok := tab.Lookup("mine", api.Site); !ok || len(bad) != 1 || err != nil {
		t.Errorf("Open: %v, %v, %v", ok, bad, err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte("#\n"), maxFile), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, big, dir, filepath.Join(dir, "missing")} {
		tab, _, err := Open(4, path)
		if err == nil {
			t.Errorf("Open(%s): no error", path)
		}
		if _, ok := tab.Lookup("router", api.Standard); !ok {
			t.Errorf("Open(%s): no built-in table", path)
		}
	}
}
