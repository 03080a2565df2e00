// Package file reads small files that an administrator, a boot loader or an
// attacker may have put anything in the place of: reading never waits for the
// writer of a FIFO, never takes a directory or a device, and never brings in
// more than a limit. (Package core/atomicfile is the writing side.)
//
// The functions hold no state; any goroutine may call them.
package file

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Errors of Read besides those of the system.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrTooLarge   = errors.New("file too large")
)

// ID tells one version of a file from another without reading it.
type ID struct {
	Dev, Ino   uint64
	Size       int64
	Sec, Nsec  int64
	Mode       uint32
	UID        uint32
	Exists     bool
	NotRegular bool
}

// Stat returns the ID of the file at path, following symbolic links. A file
// that is not there has the zero ID and no error.
func Stat(path string) (ID, error) {
	var st unix.Stat_t
	for {
		err := unix.Stat(path, &st)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ENOENT || err == unix.ENOTDIR:
			return ID{}, nil
		case err != nil:
			return ID{}, &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		return idOf(&st), nil
	}
}

func idOf(st *unix.Stat_t) ID {
	return ID{
		Dev: st.Dev, Ino: st.Ino, Size: st.Size,
		Sec: st.Mtim.Sec, Nsec: st.Mtim.Nsec,
		Mode: st.Mode & 0o7777, UID: st.Uid,
		Exists: true, NotRegular: st.Mode&unix.S_IFMT != unix.S_IFREG,
	}
}

// Read returns the contents of the regular file at path, at most limit octets.
// A longer file yields its first limit octets together with ErrTooLarge.
func Read(path string, limit int) ([]byte, ID, error) {
	return read(path, limit, 0)
}

// ReadNoFollow is Read for files that must not be symbolic links.
func ReadNoFollow(path string, limit int) ([]byte, ID, error) {
	return read(path, limit, unix.O_NOFOLLOW)
}

func read(path string, limit, flags int) ([]byte, ID, error) {
	// O_NONBLOCK: opening a FIFO nobody writes to must not wait for a writer.
	fd, err := open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC|flags, 0)
	if err != nil {
		return nil, ID{}, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, ID{}, &fs.PathError{Op: "fstat", Path: path, Err: err}
	}
	id := idOf(&st)
	if id.NotRegular {
		return nil, id, &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	// One octet over the limit tells a file that fits from one that does not.
	// The size is a hint only: files in /proc have size 0.
	b := make([]byte, 0, min(max(int(min(st.Size, int64(limit))), 512), limit)+1)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := unix.Read(fd, b[len(b):min(cap(b), limit+1)])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, id, &fs.PathError{Op: "read", Path: path, Err: err}
		}
		b = b[:len(b)+n]
		if len(b) > limit {
			return b[:limit], id, &fs.PathError{Op: "read", Path: path, Err: ErrTooLarge}
		}
		if n == 0 {
			return b, id, nil
		}
	}
}

func open(path string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Open(path, flags, mode)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		return fd, nil
	}
}

// ReadOnly reports whether err says that the file system cannot be written at
// present, as in early boot and in sealed containers.
func ReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }
