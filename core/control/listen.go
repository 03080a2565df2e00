package control

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrInUse means that another daemon serves the socket.
var ErrInUse = errors.New("another daemon serves this socket")

// backlog of listen(2). When it is full a client waits; nothing else does.
const backlog = 1024

// place is the socket's path while this process owns it. The flock on a file
// beside it lasts as long as the process: two starts cannot both decide that
// the socket is stale, and the kernel gives the lock back when a daemon dies.
type place struct {
	path string
	lock *os.File
	fd   int
	dev  uint64 // of the socket file, to remove none but ours
	ino  uint64
}

func takePlace(path string) (*place, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	lock, err := takeLock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	p := &place{path: path, lock: lock, fd: -1}
	if err := p.listen(); err != nil {
		p.release()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return p, nil
}

// takeLock opens and locks the file at path. The loop is for the moment
// between a dying daemon's unlink and our flock: a lock on a file that the
// path no longer leads to protects nothing.
func takeLock(path string) (*os.File, error) {
	const tries = 8
	for range tries {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, ErrInUse
			}
			return nil, os.NewSyscallError("flock", err)
		}
		have, err1 := f.Stat()
		want, err2 := os.Stat(path)
		if err1 == nil && err2 == nil && os.SameFile(have, want) {
			return f, nil
		}
		f.Close()
	}
	return nil, ErrInUse
}

func (p *place) listen() error {
	if err := clearStale(p.path); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	p.fd = fd
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: p.path}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(p.path, &st); err != nil {
		return os.NewSyscallError("lstat", err)
	}
	p.dev, p.ino = uint64(st.Dev), st.Ino
	if err := os.Chmod(p.path, 0o666); err != nil {
		return err
	}
	return os.NewSyscallError("listen", unix.Listen(fd, backlog))
}

// clearStale removes a socket nobody listens on. Anything else at the path
// stays and is an error.
func clearStale(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return errors.New("the path exists and is not a socket")
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); {
	case err == nil, errors.Is(err, unix.EAGAIN):
		// EAGAIN: somebody listens and is busy.
		return ErrInUse
	case errors.Is(err, unix.ECONNREFUSED):
		return os.Remove(path)
	default:
		return os.NewSyscallError("connect", err)
	}
}

func (p *place) release() {
	if p.fd >= 0 {
		unix.Close(p.fd)
		p.fd = -1
	}
	var st unix.Stat_t
	if p.ino != 0 && unix.Lstat(p.path, &st) == nil && uint64(st.Dev) == p.dev && st.Ino == p.ino {
		os.Remove(p.path)
	}
	os.Remove(p.lock.Name())
	p.lock.Close()
}
