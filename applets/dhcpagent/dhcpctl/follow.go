package dhcpctl

import (
	"encoding/json"
	"fmt"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/applet"
	"daemonbox/core/control"
)

// follow prints changes until the agent or the user ends it.
func (o *order) follow(env applet.Env) int {
	c, err := control.Dial(o.socket, dialTimeout)
	if err == nil {
		defer c.Close()
		err = c.Stream(env.Ctx, []string{"status"}, func(e control.Event) error { return o.event(env, e) })
	}
	if env.Ctx.Err() != nil {
		return exitOK // the user has seen enough
	}
	fmt.Fprintf(env.Stderr, "dhcpctl: %v\n", err)
	return exitFailure
}

// event prints one frame of the stream.
func (o *order) event(env applet.Env, e control.Event) error {
	var s api.StatusResult
	if err := json.Unmarshal(e.Raw, &s); err != nil {
		return fmt.Errorf("malformed event of the agent: %w", err)
	}
	if o.ifname != "" && s.Interface != "" && s.Interface != o.ifname {
		return nil
	}
	if o.json {
		_, err := env.Stdout.Write(append(e.Raw, '\n'))
		return err
	}
	text := s.State
	switch {
	case e.Event == "gone":
		text = "no longer under DHCP control"
	case e.Event != "status":
		text = e.Event
	case s.Address != "":
		text += fmt.Sprintf(" %s/%d", s.Address, s.PrefixLen)
	}
	if s.Wait.For != "" {
		text += ", waits for " + s.Wait.For
	}
	when, err := time.Parse(time.RFC3339, e.Time)
	if err != nil {
		when = time.Now()
	}
	_, err = fmt.Fprintf(env.Stdout, "%s %s %s\n", when.Local().Format("15:04:05.000"), s.Interface, text)
	return err
}
