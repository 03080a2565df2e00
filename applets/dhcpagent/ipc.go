package dhcpagent

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/control"
	"daemonbox/core/timer"
)

// pendingRequest is a request that the machine answers later.
type pendingRequest struct {
	req    *control.Request
	client *client
	cmd    api.Command
}

// reply answers a request with a code and its usual text.
func reply(r *control.Request, code api.Code, text string, result any) {
	if text == "" {
		text = code.Text()
	}
	r.Reply(int(code), code.Name(), text, result)
}

// handle works off one request of the control socket. The order of the checks
// is part of the interface: command, privilege, interface, state.
func (a *agent) handle(r *control.Request) {
	cmd, ok := api.ParseCommand(r.Cmd)
	if !ok {
		reply(r, api.CmdUnknown, "unknown command "+quote(r.Cmd), nil)
		return
	}
	if cmd.Privileged() && !r.Privileged {
		reply(r, api.Perm, "", nil)
		return
	}
	if r.Family != 0 && r.Family != 4 {
		reply(r, api.Proto, "family: this agent serves IPv4 only", nil)
		return
	}
	if r.Netns != "" {
		reply(r, api.Proto, "netns: this agent serves its own network namespace only", nil)
		return
	}
	switch cmd {
	case api.Ping:
		if r.If == "" {
			reply(r, api.Success, "", nil) // is an agent there?
			return
		}
	case api.List:
		reply(r, api.Success, "", a.list())
		return
	case api.Version:
		reply(r, api.Success, "", map[string]string{"name": "dhcpagent", "version": a.env.Version})
		return
	case api.Subscribe:
		a.subscribe(r)
		return
	}
	a.handleFor(r, cmd)
}

func quote(s string) string { return string(mustJSON(s)) }

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return []byte("null")
	}
	return b
}

// handleFor works off a request about one client.
func (a *agent) handleFor(r *control.Request, cmd api.Command) {
	var args api.OpArgs
	if cmd.Privileged() && len(r.Args) > 0 {
		if err := json.Unmarshal(r.Args, &args); err != nil {
			reply(r, api.Proto, "args: "+err.Error(), nil)
			return
		}
	}
	c, code := a.find(r.If, cmd)
	if c == nil && code == api.Success {
		c, code = a.create(r.If, cmd)
	}
	if code != api.Success {
		reply(r, code, "", nil)
		return
	}
	if cmd.Privileged() {
		// What the kernel has, not what we remember, is acted on.
		had := c.inst.addr.Prefix.IsValid()
		if c.verifyAddress(); had && !c.inst.addr.Prefix.IsValid() {
			reply(r, api.InvIf, "", nil)
			return
		}
	}
	if code := c.m.Check(cmd); code != api.Success {
		a.dropIfUnused(c)
		reply(r, code, "", nil)
		return
	}
	if args.Primary {
		a.makePrimary(c)
	}
	switch cmd {
	case api.Ping:
		if c.m.Status().Failed {
			reply(r, api.FailedIf, "", nil)
			return
		}
		reply(r, api.Success, "", nil)
	case api.Status:
		reply(r, api.Success, "", a.status(c))
	case api.GetTag:
		a.getTag(r, c)
	default:
		a.operate(r, c, cmd, &args)
	}
}

// operate starts an operation that changes state.
func (a *agent) operate(r *control.Request, c *client, cmd api.Command, args *api.OpArgs) {
	if a.stopping {
		reply(r, api.OutState, "the agent is shutting down", nil)
		return
	}
	a.lastReq++
	id := a.lastReq
	a.requests[id] = &pendingRequest{r, c, cmd}
	r.OnGone(func() {
		if _, ok := a.requests[id]; ok {
			delete(a.requests, id)
			if !c.removed {
				c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Abandon(now, id, out) })
			}
		}
	})
	req := dhcp4.Request{ID: id, Cmd: cmd, User: true, Timeout: requestTimeout(r.TimeoutMS), Hostname: args.Hostname}
	if cmd == api.Inform {
		req.Addr = c.ownAddr()
	}
	if cmd == api.Start {
		c.start(req)
		return
	}
	c.command(req)
}

// requestTimeout translates timeout_ms: absent is the default, negative none.
func requestTimeout(ms *int64) time.Duration {
	switch {
	case ms == nil:
		return api.DefaultTimeout
	case *ms < 0:
		return -1
	}
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(*ms, most)) * time.Millisecond
}

// answer ends the wait of a user.
func (a *agent) answer(id uint64, code api.Code, text string) {
	p := a.requests[id]
	if p == nil {
		return
	}
	delete(a.requests, id)
	switch p.cmd {
	case api.Drop, api.Release:
		// What the next start will find on disk is part of the promise.
		a.answering++
		a.leases.whenIdle(func() {
			a.loop.Post(func() {
				reply(p.req, code, text, nil)
				a.answering--
				a.finish()
			})
		})
	default:
		reply(p.req, code, text, nil)
	}
}

// answerAll ends the waits of all users of a client that is gone.
func (a *agent) answerAll(c *client, code api.Code) {
	for _, id := range slices.Sorted(maps.Keys(a.requests)) {
		if a.requests[id].client == c {
			a.answer(id, code, "")
		}
	}
}

// find returns the client a request means. A nil client with SUCCESS says that
// the command may create one.
func (a *agent) find(name string, cmd api.Command) (*client, api.Code) {
	if name == "" {
		return a.findPrimary(cmd)
	}
	base, alias, ok := splitName(name)
	if !ok {
		return nil, api.InvIf
	}
	if !alias {
		name = base
	}
	if c := a.clients[name]; c != nil {
		return c, api.Success
	}
	if cmd == api.Start || cmd == api.Inform {
		return nil, api.Success
	}
	return nil, api.UnkIf
}

// findPrimary returns the client meant by a request without an interface.
func (a *agent) findPrimary(cmd api.Command) (*client, api.Code) {
	if c := a.clients[a.primary]; c != nil {
		return c, api.Success
	}
	if cmd == api.GetTag {
		for _, c := range a.sorted() {
			if ack, _ := c.m.Ack(); ack != nil {
				return c, api.Success
			}
		}
	}
	return nil, api.NoPrimary
}

// list names all clients.
func (a *agent) list() []api.ListItem {
	items := []api.ListItem{}
	for _, c := range a.sorted() {
		items = append(items, api.ListItem{Interface: c.name, Family: 4})
	}
	return items
}
