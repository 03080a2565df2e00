package dhcpagent

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"daemonbox/core/applet"
	"daemonbox/core/log"
	"daemonbox/core/proc"
)

// exitNotBound is the status when interfaces named on the command line were
// not bound in time.
const exitNotBound = 4

// Main runs the agent.
func Main(env applet.Env, args []string) int {
	opt := &options{}
	status := proc.ExitOK
	cmd := &cobra.Command{
		Use:           "dhcpagent [flags] [interface...]",
		Short:         "DHCP client daemon",
		Long:          longHelp,
		Version:       env.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	finish := opt.bind(cmd)
	cmd.RunE = func(_ *cobra.Command, operands []string) error {
		if err := finish(); err != nil {
			return err
		}
		opt.patterns = operands
		var err error
		status, err = run(env, opt)
		return err
	}
	cmd.SetArgs(args)
	cmd.SetIn(env.Stdin)
	cmd.SetOut(env.Stdout)
	cmd.SetErr(env.Stderr)
	if err := cmd.ExecuteContext(env.Ctx); err != nil {
		fmt.Fprintf(env.Stderr, "dhcpagent: %v\n", err)
		if !errors.As(err, new(startError)) {
			fmt.Fprintf(env.Stderr, "usage: %s\n", cmd.UseLine())
		}
		return proc.ExitFailure
	}
	return status
}

const longHelp = `dhcpagent gets, keeps, renews and gives back the DHCPv4 leases of all
interfaces of a network namespace.

Interfaces named on the command line, also as patterns such as 'eth*', are
started at once; without -f the command returns when all of them are bound.
Without interfaces the agent waits for requests of dhcpctl.`

// startError is an error of the start that is not about the command line.
type startError struct{ error }

func (e startError) Unwrap() error { return e.error }

// run is the agent from the parsed command line to its end.
func run(env applet.Env, opt *options) (int, error) {
	if err := checkOperands(opt.patterns); err != nil {
		return proc.ExitFailure, err
	}
	if opt.once && !opt.managed() {
		return proc.ExitFailure, errors.New("-1 needs the interfaces to bind")
	}
	if err := requireCapabilities(); err != nil {
		return proc.ExitFailure, startError{err}
	}
	if os.Getpid() == 1 {
		// Where the process that was started ends, so does the container, and
		// in an initramfs the kernel panics.
		opt.foreground = true
	}
	var ready *proc.Ready
	if !opt.foreground {
		r, verdict, err := proc.Daemonize()
		if err != nil {
			return proc.ExitFailure, startError{err}
		}
		if verdict != nil {
			fmt.Fprint(env.Stderr, verdict.Text)
			return verdict.Code, nil
		}
		ready = r
	}
	a, err := newAgent(env, opt)
	if err == nil {
		a.ready = ready
		err = a.serve()
	}
	if err != nil {
		if ready != nil {
			ready.Report(proc.ExitFailure, "dhcpagent: "+err.Error()+"\n")
		}
		return proc.ExitFailure, startError{err}
	}
	return a.exitStatus(), nil
}

// newLogger makes the logger that the command line asks for.
func newLogger(env applet.Env, opt *options, level *slog.LevelVar) *slog.Logger {
	o := log.Options{Applet: "dhcpagent", JSON: opt.logJSON, Level: level}
	if opt.foreground {
		o.Stderr = env.Stderr
	}
	return log.New(o)
}

// requireCapabilities refuses a start that could not configure anything: to
// ask a server for an address that cannot be set would only burn it.
func requireCapabilities() error {
	missing, err := proc.MissingCaps(proc.CapNetAdmin, proc.CapNetRaw)
	if err != nil || len(missing) == 0 {
		return nil // where they cannot be read the system calls will tell
	}
	return fmt.Errorf("%s is missing: run as root, or give the container this capability", missing[0])
}

// serve starts everything and runs the loop to its end.
func (a *agent) serve() error {
	defer a.close()
	if n, err := raiseFileLimit(); err != nil {
		a.log.Warn("cannot raise the limit of open files", "limit", n, "err", err)
	}
	if err := a.openEvents(); err != nil {
		return err
	}
	if err := a.openControl(); err != nil {
		if !a.opt.managed() || !errors.Is(err, unix.EROFS) {
			return err
		}
		// A container on a read-only file system still needs its address.
		a.log.Warn("no control socket, dhcpctl cannot reach this agent", "err", err)
	}
	if a.opt.managed() {
		// First things first: the server works on our DISCOVER while we set
		// up the rest.
		a.begin()
	}
	if err := a.openRest(); err != nil {
		return err
	}
	if err := a.loop.Run(); err != nil {
		a.reason = stopBroken
		a.log.Error("the event loop broke", "err", err)
	}
	a.logEnd()
	return nil
}

// openRest opens what no first packet waits for.
func (a *agent) openRest() error {
	a.handleSignals()
	var err error
	if a.udp, err = openUDP(); err != nil {
		return err
	}
	if a.opt.pidFile != "" {
		if a.unpid, err = proc.WritePid(a.opt.pidFile); err != nil {
			return err
		}
	}
	if a.opt.adopt {
		if err := a.adopt(); err != nil {
			return err
		}
	}
	if os.Getpid() == 1 {
		proc.ReapOrphans(a.loop, nil)
	}
	a.loop.Post(a.autostartAll)
	if a.goal == nil {
		a.tell(proc.ExitOK)
		a.idleSoon()
		return nil
	}
	// A service manager must not lose patience before the user does.
	a.notify("EXTEND_TIMEOUT_USEC=" + strconv.FormatInt((a.opt.wait+startMargin).Microseconds(), 10))
	a.goal.check()
	return nil
}

// startMargin is what the start may take besides the wait for leases.
const startMargin = 10 * time.Second

// notify tells the service manager something, if there is one.
func (a *agent) notify(state string) {
	if err := proc.Notify(state); err != nil {
		a.log.Warn("cannot notify the service manager", "err", err)
	}
}

// tell gives the starting process its verdict, once, and the service manager
// its notification.
func (a *agent) tell(status int) {
	if a.told {
		return
	}
	a.told = true
	a.notify("READY=1")
	if a.ready != nil {
		a.ready.Report(status, "")
	}
}

// raiseFileLimit lets the agent have as many sockets as the hard limit allows.
func raiseFileLimit() (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0, err
	}
	if l.Cur == l.Max {
		return l.Cur, nil
	}
	l.Cur = l.Max
	return l.Max, unix.Setrlimit(unix.RLIMIT_NOFILE, &l)
}

// exitStatus is the status the agent's process ends with.
func (a *agent) exitStatus() int {
	switch {
	case a.reason == stopBroken:
		return proc.ExitFailure
	case a.goal != nil:
		return a.goal.exit
	}
	return proc.ExitOK
}
