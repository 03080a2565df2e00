package file

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	for _, size := range []int{0, 1, 511, 512, 513, 4096, 10000} {
		want := bytes.Repeat([]byte{'x'}, size)
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{size, size + 1, size + 5000} {
			got, id, err := Read(path, limit)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("size %d limit %d: %d octets, %v", size, limit, len(got), err)
			}
			if st, _ := Stat(path); st != id {
				t.Errorf("Stat %+v, Read %+v", st, id)
			}
		}
		if size == 0 {
			continue
		}
		got, _, err := Read(path, size-1)
		if !errors.Is(err, ErrTooLarge) || len(got) != size-1 {
			t.Errorf("size %d limit %d: %d octets, %v; want ErrTooLarge", size, size-1, len(got), err)
		}
	}
}

// Files of the kernel say that they have no size.
func TestReadProc(t *testing.T) {
	b, _, err := Read("/proc/self/status", 1<<16)
	if err != nil || len(b) == 0 {
		t.Fatalf("%d octets, %v", len(b), err)
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path string
		read       func(string, int) ([]byte, ID, error)
		want       error
	}{
		{"directory", dir, Read, ErrNotRegular},
		{"FIFO", fifo, Read, ErrNotRegular},
		{"device", "/dev/zero", Read, ErrNotRegular},
		{"absent", filepath.Join(dir, "no"), Read, fs.ErrNotExist},
		{"below a file", filepath.Join(target, "no"), Read, unix.ENOTDIR},
		{"link", link, ReadNoFollow, unix.ELOOP},
	} {
		done := make(chan error, 1)
		go func() {
			_, _, err := c.read(c.path, 100)
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: reading hangs", c.name)
		}
	}
	if _, _, err := Read(link, 100); err != nil {
		t.Errorf("a link to a file: %v", err)
	}
}

func TestStatTellsVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if id, err := Stat(path); err != nil || id != (ID{}) {
		t.Fatalf("absent: %+v, %v", id, err)
	}
	write := func(s string) ID {
		t.Helper()
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		id, err := Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	a := write("one")
	if b := write("three"); a == b {
		t.Error("another size, the same ID")
	}
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	c, _ := Stat(path)
	if err := os.Chtimes(path, time.Time{}, time.Unix(1, 1)); err != nil {
		t.Fatal(err)
	}
	if d, _ := Stat(path); c == d {
		t.Error("another time, the same ID")
	}
}
