// Package dhcpinfo prints values that dhcpagent got from a DHCP server.
//
// # Synopsis
//
//	dhcpinfo [-c] [-i INTERFACE] [-n LIMIT] [-v 4|6] CODE|NAME
//
// # Options
//
//	-c            print every octet as 0xNN, one a line
//	-i INTERFACE  of this interface rather than of the primary one
//	-n LIMIT      at most so many lines
//	-v 4|6        version of IP, 4 unless given
//
// The exit status is 0 when the question was answered, also when there is no
// such value, which prints nothing; 2 for failures, 3 for arguments that make
// no sense, 4 when the agent did not answer in time.
//
// The package holds no state; any goroutine may call Main.
package dhcpinfo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/inittab"
	"daemonbox/core/applet"
	"daemonbox/core/control"
)

// The exit statuses, those of the original.
const (
	exitOK      = 0
	exitFailure = 2
	exitUsage   = 3
	exitTimeout = 4
)

const (
	// dialTimeout bounds connecting to an agent that is there but busy.
	dialTimeout = 5 * time.Second
	// slack is how much longer than the agent's own time limit a tool waits.
	slack = 2 * time.Second
)

type options struct {
	canonical bool
	ifname    string
	limit     int
	family    string
	socket    string
}

// Main runs dhcpinfo.
func Main(env applet.Env, args []string) int {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "dhcpinfo [flags] code|name",
		Short: "print values obtained by DHCP",
		Long: `dhcpinfo prints a value that dhcpagent got from a DHCP server, one line for
each part of it. What to print is the name of an option, a site option, a
vendor sub-option or a packet field (Router, DNSserv, Yiaddr), or a number: an
option's code, or 256 (DHCPv6: 65536) plus the code of a vendor sub-option. A
value that the server did not send prints nothing.`,
		Example:       "  dhcpinfo Router\n  dhcpinfo -i eth0 -n 1 DNSserv\n  dhcpinfo -c 43",
		Version:       env.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("want one code or name")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&o.canonical, "canonical", "c", false, "print every octet as 0xNN, one a line")
	f.StringVarP(&o.ifname, "interface", "i", "", "of this `interface` (default: the primary one)")
	f.IntVarP(&o.limit, "limit", "n", 0, "print at most so many `lines`")
	f.StringVarP(&o.family, "family", "v", "4", "`version` of IP, 4 or 6")
	f.StringVar(&o.socket, "socket", api.Socket, "control socket `path` of the agent")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return o.run(env, args[0], cmd.Flags().Changed("limit"))
	}
	cmd.SetArgs(args)
	cmd.SetIn(env.Stdin)
	cmd.SetOut(env.Stdout)
	cmd.SetErr(env.Stderr)
	err := cmd.ExecuteContext(env.Ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(env.Stderr, "dhcpinfo: %v\n", err)
	if status, ok := statusOf(err); ok {
		return status
	}
	fmt.Fprintf(env.Stderr, "usage: %s\n", cmd.UseLine())
	return exitUsage
}

// statusOf returns the exit status for an error that is not about the command
// line.
func statusOf(err error) (int, bool) {
	var code api.Code
	var socket *control.Error
	switch {
	case errors.Is(err, api.Timeout), errors.Is(err, context.DeadlineExceeded):
		return exitTimeout, true
	case errors.As(err, &code), errors.As(err, &socket), errors.As(err, new(failure)):
		return exitFailure, true
	}
	return 0, false
}

// failure is an error that has nothing to do with the command line.
type failure struct{ error }

func (e failure) Unwrap() error { return e.error }

func (o *options) run(env applet.Env, what string, limited bool) error {
	family, err := strconv.Atoi(o.family)
	switch {
	case err != nil || family != 4 && family != 6:
		return fmt.Errorf("-v %s: want 4 or 6", o.family)
	case limited && o.limit < 1:
		return fmt.Errorf("-n %d: want at least 1", o.limit)
	}
	entry, ok := table(env, family).Resolve(what)
	if !ok {
		return fmt.Errorf("unknown option %q", what)
	}
	tag, err := o.ask(env.Ctx, family, &entry)
	if err != nil {
		return err
	}
	if !tag.Present {
		return nil
	}
	lines := inittab.Canonical(tag.Value)
	if !o.canonical {
		if lines, err = entry.Format(tag.Value); err != nil {
			return failure{fmt.Errorf("%s: %w; -c prints it as it is", what, err)}
		}
	}
	if limited {
		lines = lines[:min(o.limit, len(lines))]
	}
	return write(env.Stdout, lines)
}

func write(w io.Writer, lines []string) error {
	var b []byte
	for _, l := range lines {
		b = append(append(b, l...), '\n')
	}
	if _, err := w.Write(b); err != nil {
		return failure{err}
	}
	return nil
}

// table returns the option table of a family with what the inittab file adds.
func table(env applet.Env, family int) *inittab.Table {
	path := env.Getenv("DHCP_INITTAB_PATH")
	if family == 6 {
		path = env.Getenv("DHCP_INITTAB6_PATH")
	}
	t, bad, err := inittab.Open(family, path)
	if env.Getenv("DHCP_INITTAB_DEBUG") != "" {
		if err != nil {
			fmt.Fprintf(env.Stderr, "dhcpinfo: inittab: %v\n", err)
		}
		for _, b := range bad {
			fmt.Fprintf(env.Stderr, "dhcpinfo: inittab line %d: %s\n", b.Line, b.Text)
		}
	}
	return t
}

// ask gets the value from the agent. A named interface that is not under DHCP
// control, but that the user may put there, is asked about by DHCPINFORM.
func (o *options) ask(ctx context.Context, family int, e *inittab.Entry) (*api.TagResult, error) {
	c, err := control.Dial(o.socket, dialTimeout)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	tag, err := o.getTag(ctx, c, family, e)
	if !errors.Is(err, api.UnkIf) || o.ifname == "" {
		return tag, err
	}
	inform := control.Call{Cmd: api.Inform.String(), If: o.ifname, Family: family}
	if _, ierr := call(ctx, c, inform); errors.Is(ierr, api.Perm) {
		return nil, err // what would help is not for this user
	} else if ierr != nil {
		return nil, ierr
	}
	defer call(ctx, c, control.Call{Cmd: api.Drop.String(), If: o.ifname, Family: family})
	return o.getTag(ctx, c, family, e)
}

func (o *options) getTag(ctx context.Context, c *control.Client, family int, e *inittab.Entry) (*api.TagResult, error) {
	args := api.TagArgs{Category: e.Category, Code: e.Code}
	if e.Category == api.Field {
		args.Size = uint32(e.Size())
	}
	raw, err := call(ctx, c, control.Call{Cmd: api.GetTag.String(), If: o.ifname, Family: family, Args: args})
	if err != nil {
		return nil, err
	}
	tag := new(api.TagResult)
	if err := json.Unmarshal(raw, tag); err != nil {
		return nil, failure{fmt.Errorf("malformed answer of the agent: %w", err)}
	}
	return tag, nil
}

// call asks the agent with its default time limit. A code other than SUCCESS
// is returned as the error.
func call(ctx context.Context, c *control.Client, what control.Call) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, api.DefaultTimeout+slack)
	defer cancel()
	reply, err := c.Call(ctx, what)
	if err != nil {
		return nil, err
	}
	if code := api.Code(reply.Code); code != api.Success {
		return nil, refusal{code, reply.Text}
	}
	return reply.Result, nil
}

// refusal is an answer with a code other than SUCCESS and the agent's text.
type refusal struct {
	code api.Code
	text string
}

func (e refusal) Error() string {
	if e.text != "" {
		return e.text
	}
	return e.code.Text()
}

func (e refusal) Unwrap() error { return e.code }
