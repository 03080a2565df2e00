package resolver

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/file"
	"daemonbox/core/atomicfile"
)

const (
	confPath = "/etc/resolv.conf"
	// backupName stands beside the file, so that the former contents come back
	// also after a reboot without a lease.
	backupName = "resolv.conf.before-dhcpagent"
	// runBackup is used where only the file itself can be written, as in
	// containers with a read-only root and resolv.conf mounted into it.
	runBackup = "/run/dhcpagent/" + backupName
)

// Errors of writing resolv.conf.
var (
	ErrDangling = errors.New("is a symbolic link to nowhere")
	ErrManaged  = errors.New("belongs to another program")
	ErrUnfit    = errors.New("is not a regular file")
)

// managedDirs hold the files of programs that write resolv.conf's target
// themselves: what we wrote there would not last.
var managedDirs = [...]string{
	resolvedDir, "/run/NetworkManager", "/run/resolvconf", "/run/connman", "/etc/resolvconf/run",
}

// locate returns the file that resolv.conf means. A link is never replaced:
// where it leads to a file, that file is the one to write.
func locate(root string) (path string, exists bool, err error) {
	path = root + confPath
	for range 8 {
		st, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && path == root+confPath:
			return path, false, nil
		case errors.Is(err, fs.ErrNotExist):
			return "", false, fmt.Errorf("%s %w", confPath, ErrDangling)
		case err != nil:
			return "", false, err
		case st.Mode().IsRegular():
			return path, true, nil
		case st.Mode()&fs.ModeSymlink == 0:
			return "", false, fmt.Errorf("%s %w", confPath, ErrUnfit)
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", false, err
		}
		path = follow(root, path, target)
		for _, d := range managedDirs {
			if within(path[len(root):], d) {
				return "", false, fmt.Errorf("%s %w: it links into %s", confPath, ErrManaged, d)
			}
		}
	}
	return "", false, fmt.Errorf("%s: %w", confPath, unix.ELOOP)
}

// isOurs reports whether the contents of a file are ours.
func isOurs(b []byte) bool { return bytes.HasPrefix(b, []byte(marker)) }

// writeFile makes resolv.conf hold text. What somebody else put there is kept
// in a backup first.
func writeFile(root, text string) error {
	path, exists, err := locate(root)
	if err != nil {
		return err
	}
	var old []byte
	if exists {
		if old, _, err = file.Read(path, maxFile); err != nil {
			return err
		}
		if string(old) == text {
			return nil
		}
	}
	if !isOurs(old) {
		if err := saveBackup(root, path, old, exists); err != nil {
			return err
		}
	}
	return replace(path, []byte(text), 0o644)
}

// restoreFile puts the former file back, if what is there is ours.
func restoreFile(root string) error {
	path, exists, err := locate(root)
	if errors.Is(err, ErrManaged) || errors.Is(err, ErrDangling) || errors.Is(err, ErrUnfit) {
		return nil // what we wrote is there no more
	}
	if err != nil || !exists {
		return err
	}
	b, _, err := file.Read(path, maxFile)
	if err != nil {
		return err
	}
	if !isOurs(b) {
		return nil // somebody else has written it since
	}
	backup, old, mode, err := loadBackup(root, path)
	switch {
	case err != nil:
		return err
	case backup == "":
		return os.Remove(path) // there was none before us
	}
	if err := replace(path, old, mode); err != nil {
		return err
	}
	return os.Remove(backup)
}

// saveBackup keeps the contents that are about to be replaced; without any, an
// older backup has lost its meaning.
func saveBackup(root, path string, old []byte, exists bool) error {
	beside := filepath.Join(filepath.Dir(path), backupName)
	if !exists {
		return errors.Join(removeStale(beside), removeStale(root+runBackup))
	}
	mode := fs.FileMode(0o644)
	if st, err := os.Stat(path); err == nil {
		mode = st.Mode().Perm()
	}
	err := atomicfile.Replace(beside, old, mode)
	if err == nil {
		return removeStale(root + runBackup)
	}
	if !isMount(path) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(root+runBackup), 0o755); err != nil {
		return err
	}
	return atomicfile.Replace(root+runBackup, old, mode)
}

func removeStale(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) && !file.ReadOnly(err) {
		return err
	}
	return nil
}

// loadBackup returns the path "" if there is no backup.
func loadBackup(root, path string) (backup string, old []byte, mode fs.FileMode, err error) {
	for _, p := range [...]string{filepath.Join(filepath.Dir(path), backupName), root + runBackup} {
		b, id, err := file.ReadNoFollow(p, maxFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return p, b, fs.FileMode(id.Mode).Perm(), err
	}
	return "", nil, 0, nil
}

// replace replaces a file. One that is a mount point of its own, as in a
// container, cannot be renamed over: it is written in place, the new contents
// before the end is cut off, so that it is empty at no time.
func replace(path string, data []byte, mode fs.FileMode) error {
	err := atomicfile.Replace(path, data, mode)
	if err == nil || !isMount(path) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(data, 0); err == nil {
		err = f.Truncate(int64(len(data)))
	}
	return errors.Join(err, f.Close())
}

// isMount reports whether path is the root of a mount.
func isMount(path string) bool {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st); err != nil {
		return false
	}
	return st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
