package dhcpctl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
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
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{"dhcpagent"}
	if socket != api.Socket {
		cmd.Args = append(cmd.Args, "--socket", socket)
	}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	cmd.WaitDelay = time.Second
	// The process that is waited for ends when the agent itself is ready.
	err := cmd.Run()
	switch text := bytes.TrimSpace(complaint.Bytes()); {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the agent does not start within %v", agentWait)
	case err != nil && len(text) > 0:
		return nil, fmt.Errorf("cannot start the agent: %s", text)
	case err != nil:
		return nil, systemError{fmt.Errorf("cannot start the agent: %w", err)}
	}
	return await(ctx, socket)
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
