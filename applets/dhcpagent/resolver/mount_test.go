//go:build interop

package resolver

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// In a container resolv.conf is often a mount of its own, which cannot be
// renamed over, in a root file system that may be read-only.
func TestMountedFile(t *testing.T) {
	for _, readOnly := range []bool{false, true} {
		f := newFixture(t)
		f.write("/outside", admin)
		f.write(conf, "")
		done := make(chan error)
		go func() {
			// The thread ends with this goroutine, and its mounts with it.
			runtime.LockOSThread()
			done <- f.inNamespace(readOnly)
		}()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		f.want("/outside", admin)
	}
}

func (f *fixture) inNamespace(readOnly bool) error {
	err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
	mount := func(source, target string, flags uintptr) {
		if err == nil {
			err = unix.Mount(source, target, "", flags, "")
		}
	}
	mount("none", "/", unix.MS_REC|unix.MS_PRIVATE)
	mount(f.root+"/outside", f.root+conf, unix.MS_BIND)
	if readOnly {
		mount(f.root+"/etc", f.root+"/etc", unix.MS_BIND|unix.MS_REC)
		mount("none", f.root+"/etc", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY)
	}
	if err != nil {
		return err
	}
	for _, text := range []string{marker + "\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n", marker + "\nnameserver 192.0.2.3\n"} {
		if err := writeFile(f.root, text); err != nil {
			return err
		}
		if b, err := os.ReadFile(f.root + conf); err != nil || string(b) != text {
			return errors.New("wrong contents: " + string(b))
		}
	}
	return restoreFile(f.root)
}

// Nothing can be written: an error, and nothing else.
func TestReadOnlyRoot(t *testing.T) {
	f := newFixture(t)
	f.write(conf, admin)
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS)
		if err == nil {
			err = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
		}
		if err == nil {
			err = unix.Mount(f.root, f.root, "", unix.MS_BIND, "")
		}
		if err == nil {
			err = unix.Mount("none", f.root, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "")
		}
		if err != nil {
			done <- err
			return
		}
		if err := writeFile(f.root, marker+"\n"); !errors.Is(err, unix.EROFS) {
			done <- errors.New("want EROFS")
			return
		}
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	f.want(conf, admin)
}
