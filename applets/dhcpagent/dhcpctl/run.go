package dhcpctl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/applet"
	"daemonbox/core/control"
)

const (
	// dialTimeout bounds connecting to an agent that is there but busy.
	dialTimeout = 5 * time.Second
	// inFlight is how many requests of one sweep are under way at once.
	inFlight = 64
)

// run carries out an order and returns the exit status.
func (o *order) run(env applet.Env) int {
	if o.subscribe {
		return o.follow(env)
	}
	c, err := o.connect(env)
	switch {
	case err == nil:
		defer c.Close()
	case errors.Is(err, control.ErrDown) && !o.starts():
		// No agent, no interface under its control.
		if o.all {
			return o.show(env, nil)
		}
		return o.show(env, []result{{ifname: o.ifname, code: api.UnkIf}})
	default:
		return o.show(env, []result{{ifname: o.ifname, err: err}})
	}
	names := []string{o.ifname}
	if o.all {
		if names, err = o.targets(env.Ctx, c); err != nil {
			return o.show(env, []result{{err: err}})
		}
	}
	return o.show(env, o.sweep(env.Ctx, c, names))
}

// starts reports whether the verb is one that an agent is started for.
func (o *order) starts() bool { return o.cmd == api.Start || o.cmd == api.Inform }

// connect returns a connection to the agent, which is started if need be.
func (o *order) connect(env applet.Env) (*control.Client, error) {
	c, err := control.Dial(o.socket, dialTimeout)
	if !errors.Is(err, control.ErrDown) || !o.starts() {
		return c, err
	}
	return startAgent(env, o.socket)
}

// targets returns the interfaces that -a means: those under DHCP control, in
// the agent's order; for start all of the host but the loopback.
func (o *order) targets(ctx context.Context, c *control.Client) ([]string, error) {
	if o.cmd == api.Start {
		return hostInterfaces()
	}
	ctx, cancel := context.WithTimeout(ctx, api.DefaultTimeout)
	defer cancel()
	reply, err := c.Call(ctx, control.Call{Cmd: api.List.String()})
	if err != nil {
		return nil, err
	}
	var items []api.ListItem
	if err := json.Unmarshal(reply.Result, &items); err != nil {
		return nil, fmt.Errorf("malformed answer of the agent: %w", err)
	}
	var names []string
	for _, it := range items {
		if it.Family == o.family {
			names = append(names, it.Interface)
		}
	}
	return names, nil
}

// sweep gives the command for all interfaces, side by side: one that waits for
// its server does not hold up the next.
func (o *order) sweep(ctx context.Context, c *control.Client, names []string) []result {
	out := make([]result, len(names))
	var wg sync.WaitGroup
	room := make(chan struct{}, inFlight)
	for i, name := range names {
		room <- struct{}{}
		wg.Go(func() {
			out[i] = o.call(ctx, c, name)
			<-room
		})
	}
	wg.Wait()
	return out
}

func (o *order) call(ctx context.Context, c *control.Client, name string) result {
	if d, ok := o.wait.limit(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	call := control.Call{Cmd: o.cmd.String(), If: name, Family: o.family, TimeoutMS: o.wait.milliseconds()}
	if o.cmd.Privileged() {
		call.Args = api.OpArgs{Primary: o.primary, Hostname: o.hostname}
	}
	reply, err := c.Call(ctx, call)
	return result{ifname: name, code: api.Code(reply.Code), text: reply.Text, raw: reply.Result, err: err}
}

// show prints results and returns the exit status of all of them.
func (o *order) show(env applet.Env, results []result) int {
	status := exitOK
	var out bytes.Buffer
	if o.cmd == api.Status && !o.json {
		out.WriteString(statusHeader)
	}
	for i := range results {
		r := &results[i]
		s := r.status(o.wait)
		status = worse(status, s)
		if o.json {
			o.showJSON(&out, r)
		}
		if s != exitOK {
			complain(env.Stderr, r)
			continue
		}
		if o.cmd == api.Status && !o.json {
			if err := statusRow(&out, r.raw, o.wide); err != nil {
				fmt.Fprintf(env.Stderr, "dhcpctl: %s: malformed answer of the agent: %v\n", r.ifname, err)
				status = worse(status, exitFailure)
			}
		}
	}
	// A header alone would promise rows.
	if out.Len() == len(statusHeader) && len(results) > 0 && !o.json {
		return status
	}
	if _, err := env.Stdout.Write(out.Bytes()); err != nil {
		fmt.Fprintf(env.Stderr, "dhcpctl: %v\n", err)
		return exitSystem
	}
	return status
}

func complain(w io.Writer, r *result) {
	text := r.text
	switch {
	case r.err != nil:
		text = r.err.Error()
		if errors.Is(r.err, context.DeadlineExceeded) {
			text = api.Timeout.Text()
		}
	case text == "":
		text = r.code.Text()
	}
	if r.ifname != "" {
		text = r.ifname + ": " + text
	}
	fmt.Fprintf(w, "dhcpctl: %s\n", text)
}

// showJSON prints the result of a status as it came, and the outcome of
// everything else.
func (o *order) showJSON(out *bytes.Buffer, r *result) {
	if o.cmd == api.Status && r.err == nil && r.code == api.Success && json.Compact(out, r.raw) == nil {
		out.WriteByte('\n')
		return
	}
	code, text := r.code, r.text
	if r.err != nil {
		code, text = api.Connect, r.err.Error()
		if errors.Is(r.err, context.DeadlineExceeded) {
			code = api.Timeout
		}
	}
	if text == "" {
		text = code.Text()
	}
	b, err := json.Marshal(struct {
		Interface string `json:"interface"`
		Code      int    `json:"code"`
		Name      string `json:"name"`
		Text      string `json:"text"`
	}{r.ifname, int(code), code.Name(), text})
	if err == nil {
		out.Write(append(b, '\n'))
	}
}
