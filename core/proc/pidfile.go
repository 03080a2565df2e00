package proc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// WritePid writes this process's pid to a file and locks it for as long as the
// process lives. ErrHeld says that another process has it locked. release
// removes the file.
func WritePid(path string) (release func(), err error) {
	f, err := openLocked(path)
	if err != nil {
		return nil, fmt.Errorf("pid file %s: %w", path, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("pid file: %w", err)
	}
	return func() {
		os.Remove(path)
		f.Close()
	}, nil
}

// openLocked repeats when the file went away between open and flock.
func openLocked(path string) (*os.File, error) {
	const tries = 8
	for range tries {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o644)
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			holder := readPid(f)
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, fmt.Errorf("%w (%s)", ErrHeld, holder)
			}
			return nil, err
		}
		have, err1 := f.Stat()
		want, err2 := os.Stat(path)
		switch {
		case err1 != nil || err2 != nil || !os.SameFile(have, want):
			f.Close()
			continue
		case !have.Mode().IsRegular():
			f.Close()
			return nil, errors.New("not a regular file")
		}
		return f, nil
	}
	return nil, ErrHeld
}

func readPid(f *os.File) string {
	var b [32]byte
	n, _ := f.ReadAt(b[:], 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return "pid unknown"
	}
	return "pid " + strconv.Itoa(pid)
}
