package applets

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"daemonbox/core/applet"
	"daemonbox/core/proc"
)

// signature is found in every binary of this program, because this constant
// is: it tells an older build from somebody else's file.
const signature = "daemonbox multi-call binary, signature 1d0c5b1e"

// errForeign is said of a file that --install must not touch.
var errForeign = errors.New("a file that is not ours is in the way; left alone")

// installMain is `daemonbox --install DIR [--hard]`.
func installMain(env applet.Env, args []string) int {
	dir, hard, ok := installArgs(args)
	if !ok {
		fmt.Fprintf(env.Stderr, "Usage: %s --install DIR [--hard]\n", binary)
		return exitUsage
	}
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		dir, err = realDir(dir)
	}
	if err != nil {
		fmt.Fprintf(env.Stderr, "%s: install: %v\n", binary, err)
		return proc.ExitFailure
	}
	return install(env.Stderr, installer{exe: exe, dir: dir, hard: hard})
}

func installArgs(args []string) (dir string, hard, ok bool) {
	for _, a := range args {
		switch {
		case a == "--hard":
			hard = true
		case dir == "" && a != "" && a[0] != '-':
			dir = a
		default:
			return "", false, false
		}
	}
	return dir, hard, dir != ""
}

func realDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

func install(stderr io.Writer, in installer) int {
	status := proc.ExitOK
	for _, e := range names {
		if e.unlisted {
			continue
		}
		if err := in.link(e.name); err != nil {
			fmt.Fprintf(stderr, "%s: install %s: %v\n", binary, filepath.Join(in.dir, e.name), err)
			status = proc.ExitFailure
		}
	}
	return status
}

// installer makes links to exe in dir.
type installer struct {
	exe, dir string
	hard     bool
}

// link makes one link, unless a good one is there.
func (in installer) link(name string) error {
	path := filepath.Join(in.dir, name)
	if path == in.exe {
		return nil // the binary itself carries an applet's name
	}
	have, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return in.make(path) // fails if somebody is faster
	}
	if err != nil {
		return err
	}
	switch ours, good := in.judge(path, have); {
	case good:
		return nil
	case !ours:
		return errForeign
	}
	// Replaced in one step: the name works at every moment.
	tmp := filepath.Join(in.dir, "."+binary+"-"+strconv.Itoa(os.Getpid()))
	if err := in.make(tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return err
	}
	return nil
}

func (in installer) make(path string) error {
	if in.hard {
		return os.Link(in.exe, path)
	}
	return os.Symlink(in.target(), path)
}

// target is relative within one directory, so that the directory can move.
func (in installer) target() string {
	if filepath.Dir(in.exe) == in.dir {
		return filepath.Base(in.exe)
	}
	return in.exe
}

// judge tells whether the file at path is ours to replace, and whether it is
// the very link that would be made.
func (in installer) judge(path string, have fs.FileInfo) (ours, good bool) {
	if have.Mode().Type() == fs.ModeSymlink {
		to, err := os.Readlink(path)
		if err != nil {
			return false, false
		}
		if to == in.target() && !in.hard {
			return true, true
		}
		// A link to where an older binary was: its name still tells.
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return filepath.Base(to) == binary, false
		}
		return isBox(path), false
	}
	if !have.Mode().IsRegular() {
		return false, false
	}
	if exe, err := os.Stat(in.exe); err == nil && os.SameFile(exe, have) {
		return true, in.hard
	}
	return isBox(path), false
}

// isBox reports whether the file is a build of this program.
func isBox(path string) bool {
	const largest = 64 << 20
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > largest {
		return false
	}
	b := make([]byte, fi.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return false
	}
	return bytes.HasPrefix(b, []byte("\x7fELF")) && bytes.Contains(b, []byte(signature))
}
