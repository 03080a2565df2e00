package inittab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

const (
	defaultFile4 = "/etc/dhcp/inittab"
	defaultFile6 = "/etc/dhcp/inittab6"

	// maxFile is the largest file that is read.
	maxFile = 1 << 20
)

// Open returns the table of family 4 or 6 with what the file at path adds. With
// "" it is the usual file, which may be missing. The table is good even if there
// is an error: then it is the built-in one.
func Open(family int, path string) (*Table, []LineError, error) {
	t := New(family)
	usual := path == ""
	if usual {
		path = defaultFile4
		if family == 6 {
			path = defaultFile6
		}
	}
	data, err := read(path)
	if err != nil {
		if usual && errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return t, nil, err
	}
	return t, t.ParseFile(data), nil
}

// read returns a regular file's content; what else stands there could block.
func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("read %s: larger than %d octets", path, maxFile)
	}
	return data, err
}
