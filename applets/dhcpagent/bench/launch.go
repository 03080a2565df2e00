package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/netlab"
)

// launchWord makes this program the launcher: it notes the time, and becomes
// another program. So the time is that of execve itself, and making a process
// out of the large benchmark is not counted.
const launchWord = "launch-and-tell"

// launched is a client that runs.
type launched struct {
	*netlab.Proc
	at time.Time // of execve
}

// launch is the launcher: args are the program and its arguments. Descriptor
// 3 takes the time.
func launch(args []string) {
	path, err := exec.LookPath(args[0])
	if err == nil {
		unix.CloseOnExec(3)
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(time.Now().UnixNano()))
		_, _ = unix.Write(3, b[:])
		err = syscall.Exec(path, args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "launch:", err)
	os.Exit(127)
}

// start runs a program through the launcher in a host.
func (b *bench) start(h *netlab.Host, args []string) (*launched, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, err := h.StartCmd(&exec.Cmd{
		Path: b.self, Args: append([]string{b.self, launchWord}, args...), ExtraFiles: []*os.File{w},
	})
	w.Close()
	if err != nil {
		return nil, err
	}
	var buf [8]byte
	if _, err := io.ReadFull(r, buf[:]); err != nil {
		return nil, fmt.Errorf("the launcher told no time: %w: %s", err, p.Output())
	}
	return &launched{p, time.Unix(0, int64(binary.LittleEndian.Uint64(buf[:])))}, nil
}

// end kills the client.
func (l *launched) end() { _ = l.Kill() }
