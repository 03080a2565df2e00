package hook

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// check reports whether the script at path, an absolute one, exists and may be
// run. An error says who else than root and uid could have put something there:
// every directory on the way, and the script, must belong to one of the two
// and be writable by nobody else. A directory with the sticky bit is fine as
// well: others cannot touch what root has in it.
func check(path string, uid uint32) (bool, error) {
	var st unix.Stat_t
	switch err := unix.Stat(path, &st); {
	case err == unix.ENOENT || err == unix.ENOTDIR:
		return false, nil
	case err != nil:
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Mode&0o111 == 0 {
		return false, nil
	}
	w := walker{uid: uid}
	if err := w.walk(path); err != nil {
		return false, err
	}
	return true, nil
}

// maxLinks bounds symbolic links on the way, as the kernel does.
const maxLinks = 40

type walker struct {
	uid   uint32
	links int
}

// walk checks every component of an absolute path. Links are followed, and
// what they lead through is checked as well.
func (w *walker) walk(path string) error {
	at := "/"
	if err := w.component(at, nil); err != nil {
		return err
	}
	rest := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	for i, name := range rest {
		at = filepath.Join(at, name)
		var st unix.Stat_t
		if err := w.component(at, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			continue
		}
		if w.links++; w.links > maxLinks {
			return unix.ELOOP
		}
		target, err := readlink(at)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(at), target)
		}
		return w.walk(filepath.Join(append([]string{target}, rest[i+1:]...)...))
	}
	return nil
}

func (w *walker) component(path string, st *unix.Stat_t) error {
	if st == nil {
		st = new(unix.Stat_t)
	}
	if err := unix.Lstat(path, st); err != nil {
		return err
	}
	if st.Uid != 0 && st.Uid != w.uid {
		return fmt.Errorf("%s belongs to user %d", path, st.Uid)
	}
	switch typ := st.Mode & unix.S_IFMT; {
	case typ == unix.S_IFLNK: // a link's own mode means nothing
	case st.Mode&0o022 == 0:
	case typ == unix.S_IFDIR && st.Mode&unix.S_ISVTX != 0:
	default:
		return fmt.Errorf("others may write %s (mode %04o)", path, st.Mode&0o7777)
	}
	return nil
}

func readlink(path string) (string, error) {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlink(path, b)
	if err != nil {
		return "", err
	}
	if n == len(b) {
		return "", errors.New("symbolic link too long")
	}
	return string(b[:n]), nil
}
