// Package dhcpctl tells dhcpagent what to do with interfaces and shows how they
// are.
//
// # Synopsis
//
//	dhcpctl [-4|-6] [--json] INTERFACE|-a VERB [primary] [wait N|forever]
//	dhcpctl [--json] subscribe [INTERFACE]
//	ifconfig INTERFACE|-a [inet6] dhcp|auto-dhcp [primary] [wait N|forever] [VERB]
//
// The verbs are start, status, release, drop, extend, inform and ping. Called
// as ifconfig, through a link, the program takes the words of the original's
// interface and no options; start is the verb unless another one is given.
//
// The exit status is 0 when everything was done, 2 for failures, 3 for
// arguments that make no sense, 4 when the time to wait was over first (which
// with "wait 0" is what was asked for, and 0), 6 for failures of the system.
// With -a it is the worst one.
//
// The package holds no state; any goroutine may call Main.
package dhcpctl

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/applet"
)

// The exit statuses, those of the original.
const (
	exitOK      = 0
	exitFailure = 2
	exitUsage   = 3
	exitTimeout = 4
	exitSystem  = 6
)

// worse returns the worse of two exit statuses. An operation that goes on in
// the background is better than one that failed.
func worse(a, b int) int {
	rank := func(s int) int {
		switch s {
		case exitOK:
			return 0
		case exitTimeout:
			return 1
		case exitFailure:
			return 2
		}
		return 3
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// order is a command line.
type order struct {
	all       bool
	ifname    string
	cmd       api.Command
	primary   bool
	wait      wait
	family    int
	json      bool
	wide      bool
	hostname  string
	socket    string
	subscribe bool
}

// errUsage is what is wrong with a command line.
type errUsage struct{ error }

func usagef(format string, args ...any) error { return errUsage{fmt.Errorf(format, args...)} }

const longHelp = `dhcpctl tells dhcpagent what to do with an interface, or with -a with all of
them, and shows how they are.

Verbs:
  start     get a lease; starts the agent if need be
  status    show state, counters and times
  extend    renew the lease now
  release   give the lease back to the server
  drop      stop using the lease and keep it for the next start
  inform    ask for parameters for an address that was set by hand
  ping      is the interface under DHCP control?

After the verb:
  primary         make this the primary interface
  wait N|forever  seconds to wait until it is done (default 120)

"dhcpctl subscribe [interface]" shows changes as they happen.`

// Main runs dhcpctl, or the same under the name ifconfig.
func Main(env applet.Env, args []string) int {
	if env.Args0 == "ifconfig" {
		return ifconfig(env, args)
	}
	o := &order{}
	var four, six bool
	cmd := &cobra.Command{
		Use:           "dhcpctl [flags] interface|-a verb [primary] [wait n|forever]",
		Short:         "control DHCP on interfaces",
		Long:          longHelp,
		Example:       "  dhcpctl eth0 start\n  dhcpctl -a status\n  dhcpctl eth0 start primary wait forever",
		Version:       env.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.BoolVarP(&o.all, "all", "a", false, "all interfaces")
	f.BoolVarP(&four, "ipv4", "4", false, "DHCPv4 (the default)")
	f.BoolVarP(&six, "ipv6", "6", false, "DHCPv6")
	f.BoolVar(&o.json, "json", false, "print JSON, one object a line")
	f.BoolVar(&o.wide, "wide", false, "status: also addresses, servers and names")
	f.StringVar(&o.hostname, "hostname", "", "start, extend: host `name` to ask for")
	f.StringVar(&o.socket, "socket", api.Socket, "control socket `path` of the agent")
	status := exitOK
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		if four && six {
			return usagef("-4 and -6 exclude each other")
		}
		o.family = 4
		if six {
			o.family = 6
		}
		if err := o.words(words); err != nil {
			return err
		}
		status = o.run(env)
		return nil
	}
	cmd.SetArgs(args)
	cmd.SetIn(env.Stdin)
	cmd.SetOut(env.Stdout)
	cmd.SetErr(env.Stderr)
	if err := cmd.ExecuteContext(env.Ctx); err != nil {
		return usage(env, cmd, err)
	}
	return status
}

func usage(env applet.Env, cmd *cobra.Command, err error) int {
	fmt.Fprintf(env.Stderr, "%s: %v\nusage: %s\n", cmd.Name(), err, cmd.UseLine())
	return exitUsage
}

// ifconfig is Main in the historic word order. Flags are not parsed, so that -a
// can stand where an interface does.
func ifconfig(env applet.Env, args []string) int {
	o := &order{socket: api.Socket, family: 4}
	status := exitOK
	cmd := &cobra.Command{
		Use:                "ifconfig interface|-a [inet6] dhcp|auto-dhcp [primary] [wait n|forever] [verb]",
		Short:              "control DHCP on interfaces",
		DisableFlagParsing: true,
		SilenceUsage:       true,
		SilenceErrors:      true,
		Args:               cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, words []string) error {
			if err := o.historic(words); err != nil {
				return err
			}
			status = o.run(env)
			return nil
		},
	}
	cmd.SetArgs(args)
	cmd.SetOut(env.Stdout)
	cmd.SetErr(env.Stderr)
	if err := cmd.ExecuteContext(env.Ctx); err != nil {
		return usage(env, cmd, err)
	}
	return status
}

// result is how the command went for one interface.
type result struct {
	ifname string
	code   api.Code
	text   string
	raw    []byte // result member of the answer
	err    error  // no answer
}

// status returns the exit status that a result means.
func (r *result) status(w wait) int {
	switch {
	case r.err == nil && r.code == api.Success:
		return exitOK
	case r.err == nil && r.code == api.Timeout, errors.Is(r.err, context.DeadlineExceeded):
		if w.zero() {
			return exitOK
		}
		return exitTimeout
	case r.err == nil && (r.code == api.Memory || r.code == api.Int), errors.As(r.err, new(systemError)):
		return exitSystem
	}
	return exitFailure
}

// systemError is a failure of the local system, not of the agent.
type systemError struct{ error }

func (e systemError) Unwrap() error { return e.error }
