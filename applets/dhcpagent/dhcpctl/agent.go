package dhcpctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/applet"
	"daemonbox/core/control"
)

// agentWait is how long an agent may take to start.
const agentWait = 15 * time.Second

// startAgent starts the agent, which is this program under another name, and
// returns a connection to it.
func startAgent(env applet.Env, socket string) (*control.Client, error) {
	ctx, cancel := context.WithTimeout(env.Ctx, agentWait)
	defer cancel()
	args := []string{"dhcpagent"}
	if socket != api.Socket {
		args = append(args, "--socket", socket)
	}
	status, complaint, err := runProgram(ctx, "/proc/self/exe", args)
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the agent does not start within %v", agentWait)
	case err != nil:
		return nil, systemError{fmt.Errorf("cannot start the agent: %w", err)}
	case status != 0 && complaint != "":
		return nil, fmt.Errorf("cannot start the agent: %s", complaint)
	case status != 0:
		return nil, fmt.Errorf("cannot start the agent: exit status %d", status)
	}
	return await(ctx, socket)
}

// maxComplaint bounds what is read of a program's standard error.
const maxComplaint = 4096

// runProgram runs a program to its end, which for a daemon is when it is ready, and
// returns its exit status and what it said on standard error.
func runProgram(ctx context.Context, path string, args []string) (status int, complaint string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, "", err
	}
	defer r.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		w.Close()
		return 0, "", err
	}
	p, err := os.StartProcess(path, args, &os.ProcAttr{Files: []*os.File{null, null, w}})
	null.Close()
	w.Close()
	if err != nil {
		return 0, "", err
	}
	stop := context.AfterFunc(ctx, func() { p.Kill() })
	defer stop()
	state, err := p.Wait()
	if err != nil {
		return 0, "", err
	}
	// All that was said is in the pipe; a daemon that still held it open would
	// keep us waiting for its end.
	r.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	b, _ := io.ReadAll(io.LimitReader(r, maxComplaint))
	return state.ExitCode(), strings.TrimSpace(string(b)), nil
}

// await connects to an agent that was started a moment ago.
func await(ctx context.Context, socket string) (*control.Client, error) {
	const again = 50 * time.Millisecond
	for {
		c, err := control.Dial(socket, dialTimeout)
		if !errors.Is(err, control.ErrDown) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(again):
		}
	}
}
