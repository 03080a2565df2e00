package dhcpagent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

func testStore(t *testing.T, w io.Writer) *leaseStore {
	t.Helper()
	return newLeaseStore(t.TempDir(), slog.New(slog.NewTextHandler(w, nil)), func() timer.Time { return timer.Time(time.Hour) })
}

func testSaved(t *testing.T) *dhcp4.Saved {
	t.Helper()
	l := &dhcp4.BootLease{Address: netip.MustParsePrefix("10.1.2.3/24"), Server: netip.MustParseAddr("10.1.2.1")}
	return &dhcp4.Saved{
		Current: l.AppendACK(nil), Start: timer.Time(time.Hour - time.Minute),
		HWType: 1, HWAddr: []byte{2, 0, 0, 0, 0, 1},
	}
}

func TestLeaseStoreKeeps(t *testing.T) {
	s := testStore(t, io.Discard)
	want := testSaved(t)
	s.save("eth0", want)
	s.flush()
	got, err := s.load("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Current, want.Current) || got.Start != want.Start {
		t.Errorf("loaded start %v and %d octets, want %v and %d", got.Start, len(got.Current), want.Start, len(want.Current))
	}
	s.forget("eth0")
	s.flush()
	if got, err := s.load("eth0"); got != nil || err != nil {
		t.Errorf("after forgetting: %v, %v", got, err)
	}
}

// What was asked for last is what is on disk, however fast it was asked for.
func TestLeaseStoreOrder(t *testing.T) {
	s := testStore(t, io.Discard)
	path := filepath.Join(s.dir, "f")
	for i := range 200 {
		s.put(path, []byte(fmt.Sprint(i)))
		if i%3 == 0 {
			s.put(path, nil)
		}
	}
	s.put(path, []byte("last"))
	s.flush()
	if b, err := os.ReadFile(path); string(b) != "last" {
		t.Errorf("%q, %v; want the last one", b, err)
	}
	left, _ := os.ReadDir(s.dir)
	if len(left) != 1 {
		t.Errorf("the directory holds %v", left)
	}
}

func TestLeaseStoreMakesItsDirectory(t *testing.T) {
	s := testStore(t, io.Discard)
	s.dir = filepath.Join(s.dir, "a", "b")
	s.save("eth0", testSaved(t))
	s.flush()
	if got, err := s.load("eth0"); got == nil || err != nil {
		t.Errorf("%v, %v", got, err)
	}
}

func TestLeaseStoreRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(t *testing.T, path string)
	}{
		{"a symbolic link", func(t *testing.T, path string) {
			must(t, os.WriteFile(path+".real", nil, 0o600))
			must(t, os.Symlink(path+".real", path))
		}},
		{"a file others may write", func(t *testing.T, path string) {
			must(t, os.WriteFile(path, nil, 0o600))
			must(t, os.Chmod(path, 0o622))
		}},
		{"a directory", func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) }},
		{"a large file", func(t *testing.T, path string) {
			must(t, os.WriteFile(path, make([]byte, leaseFileLimit+1), 0o600))
		}},
		{"rubbish", func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("rubbish"), 0o600)) }},
		{"an empty file", func(t *testing.T, path string) { must(t, os.WriteFile(path, nil, 0o600)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testStore(t, io.Discard)
			tc.make(t, s.path("eth0"))
			if l, err := s.load("eth0"); l != nil || err == nil {
				t.Errorf("%v, %v; want an error", l, err)
			}
		})
	}
}

// A disk that takes nothing costs the next start its lease, not this one.
func TestLeaseStoreReportsFailure(t *testing.T) {
	var log bytes.Buffer
	s := testStore(t, &log)
	s.dir = "/proc/nowhere"
	s.save("eth0", testSaved(t))
	s.flush()
	if !strings.Contains(log.String(), "cannot keep the lease") {
		t.Errorf("log: %s", log.String())
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLeaseStoreWhenIdle(t *testing.T) {
	s := testStore(t, io.Discard)
	called := make(chan bool, 2)
	s.whenIdle(func() { called <- true })
	<-called
	path := filepath.Join(s.dir, "f")
	for i := range 50 {
		s.put(path+fmt.Sprint(i), []byte("x"))
	}
	s.whenIdle(func() {
		_, err := os.Stat(path + "49")
		called <- err == nil
	})
	if !<-called {
		t.Error("called before the last file was there")
	}
}

// What is read is what was asked for last, whether the disk has it or not.
func TestLeaseStoreReadsAhead(t *testing.T) {
	s := testStore(t, io.Discard)
	from, to := s.path("eth0"), s.path("lan0")
	for i := range 100 {
		want := fmt.Sprint(i)
		s.put(from, []byte(want))
		s.rename("eth0", "lan0")
		if b, err := s.read(to); string(b) != want {
			t.Fatalf("renamed: %q, %v; want %q", b, err, want)
		}
		if b, err := s.read(from); b != nil || !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("the former name still holds %q, %v", b, err)
		}
	}
	s.flush()
	if b, err := s.read(to); string(b) != "99" {
		t.Errorf("on disk: %q, %v", b, err)
	}
	if _, err := os.Stat(from); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the former file: %v", err)
	}
}
