package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// etcFiles is what a host's /etc has of the machine's, files and whole
// directories: enough for dynamic programs and for looking up users.
var etcFiles = [...]string{
	"alternatives", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "machine-id",
	"nsswitch.conf", "passwd", "protocols", "services", "shells",
}

// varDirs are made in the empty /var/lib and /run, since packages that are
// only unpacked did not make them.
var varDirs = [...]string{
	"/etc/default", "/etc/dhcp", "/run/kea", "/run/lock", "/run/dhcpcd", "/var/lib/dhcp", "/var/lib/dhcpcd", "/var/lib/kea", "/var/lib/misc",
}

// furnish gives the calling thread, alone in its mount namespace, private
// directories for everything that daemons write to, and a view of /sys that
// fits its network namespace.
func furnish(name, overlay string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	etc, err := readEtc(overlay)
	if err != nil {
		return err
	}
	for _, dir := range []string{"/etc", "/run", "/var/lib"} {
		if err := unix.Mount("netlab", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	for _, dir := range varDirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	etc = append(etc,
		file{path: "hosts", mode: 0o644, data: []byte("127.0.0.1 localhost " + name + "\n")},
		file{path: "hostname", mode: 0o644, data: []byte(name + "\n")},
		file{path: "resolv.conf", mode: 0o644},
		file{path: "fstab", mode: 0o644}, // scripts look up whether / is writable
	)
	for _, f := range etc {
		if err := f.write("/etc"); err != nil {
			return err
		}
	}
	if err := hideSyslog(); err != nil {
		return err
	}
	if overlay != "" {
		lower := "lowerdir=" + filepath.Join(overlay, "usr") + ":/usr"
		if err := unix.Mount("netlab", "/usr", "overlay", unix.MS_RDONLY, lower); err != nil {
			return fmt.Errorf("lay %s over /usr: %w", overlay, err)
		}
	}
	// /sys/class/net shows the namespace of whoever mounted it. Containers
	// whose own /sys is partly hidden refuse this; few programs miss it.
	if err := unix.Mount("netlab", "/sys", "sysfs", 0, ""); err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount /sys: %w", err)
	}
	return nil
}

// hideSyslog keeps daemons from logging to the machine's syslog.
func hideSyslog() error {
	fi, err := os.Lstat("/dev/log")
	if err != nil || fi.Mode().Type() != fs.ModeSocket {
		return nil // absent, or a link into the private /run
	}
	if err := unix.Mount("/dev/null", "/dev/log", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("hide /dev/log: %w", err)
	}
	return nil
}

// file is a file or symbolic link to be written below some directory.
type file struct {
	path string
	mode fs.FileMode
	data []byte // of a link: its target
}

func (f file) write(dir string) error {
	path := filepath.Join(dir, f.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if f.mode.Type() == fs.ModeSymlink {
		os.Remove(path)
		return os.Symlink(string(f.data), path)
	}
	return os.WriteFile(path, f.data, f.mode.Perm())
}

// readEtc collects the files of the machine's /etc that hosts get, and then
// those of the overlay.
func readEtc(overlay string) ([]file, error) {
	var out []file
	add := func(dir, name string) error {
		return filepath.WalkDir(filepath.Join(dir, name), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				return nil
			}
			if err != nil || d.IsDir() {
				return err
			}
			f, err := readFile(dir, path, d)
			if err == nil {
				out = append(out, f)
			}
			return err
		})
	}
	for _, name := range etcFiles {
		if err := add("/etc", name); err != nil {
			return nil, err
		}
	}
	if overlay != "" {
		if err := add(filepath.Join(overlay, "etc"), "."); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func readFile(dir, path string, d fs.DirEntry) (file, error) {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return file{}, err
	}
	info, err := d.Info()
	if err != nil {
		return file{}, err
	}
	f := file{path: rel, mode: info.Mode()}
	if f.mode.Type() == fs.ModeSymlink {
		target, err := os.Readlink(path)
		f.data = []byte(target)
		return f, err
	}
	f.data, err = os.ReadFile(path)
	return f, err
}
