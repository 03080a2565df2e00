// Package lab shows dhcpagent at work: `daemonbox lab dhcp` makes a private
// network of two hosts, one with a small DHCP server, starts the real agent in
// the other and tells what happens as it happens.
//
//	daemonbox lab dhcp [-v] [--lease SECONDS]
//
// Nothing of the machine it runs on is touched, and no privileges are needed
// where the kernel lets users make namespaces. Lab runs on the caller's
// goroutine; the server and the watcher of the kernel have one each.
package lab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"daemonbox/core/applet"
	"daemonbox/core/netlab"
	"daemonbox/core/proc"
	"daemonbox/core/rtnl"
)

// The network of the lab.
var (
	serverAddr = netip.MustParsePrefix("10.77.0.1/24")
	poolFirst  = netip.MustParseAddr("10.77.0.100")
	poolLast   = netip.MustParseAddr("10.77.0.199")
)

// patience bounds every single wait; a lab that hangs helps nobody.
const patience = 20 * time.Second

// Lab runs the lab.
func Lab(env applet.Env, args []string) int {
	var verbose bool
	var seconds int
	cmd := &cobra.Command{
		Use:           "daemonbox lab dhcp",
		Short:         "show a DHCP lease in a private network",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the agent's own log too")
	cmd.Flags().IntVar(&seconds, "lease", 10, "length of the lease in `seconds`, 10 to 3600; it is renewed after a third")
	cmd.RunE = func(*cobra.Command, []string) error {
		if seconds < 10 || seconds > 3600 {
			return fmt.Errorf("--lease %d: must lie between 10 and 3600", seconds)
		}
		return run(env, time.Duration(seconds)*time.Second, verbose)
	}
	cmd.SetArgs(args)
	cmd.SetOut(env.Stdout)
	cmd.SetErr(env.Stderr)
	if err := cmd.ExecuteContext(env.Ctx); err != nil {
		var inner innerStatus
		if errors.As(err, &inner) {
			return int(inner)
		}
		fmt.Fprintf(env.Stderr, "daemonbox lab dhcp: %v\n", err)
		return proc.ExitFailure
	}
	return proc.ExitOK
}

// innerStatus is the exit status of the run inside a user namespace.
type innerStatus int

func (s innerStatus) Error() string { return fmt.Sprintf("the lab ended with status %d", int(s)) }

// run makes the network and tells the story.
func run(env applet.Env, lease time.Duration, verbose bool) error {
	if os.Geteuid() != 0 && !netlab.Entered() {
		status, err := netlab.EnterUser()
		if err != nil {
			return fmt.Errorf("%w; run it as root", err)
		}
		if status != 0 {
			return innerStatus(status)
		}
		return nil
	}
	l, err := netlab.New()
	if err != nil {
		return err
	}
	defer l.Close()
	s, err := newStage(l, env, lease)
	if err != nil {
		return err
	}
	defer s.close()
	return s.play(verbose)
}

// stage is the network with its server.
type stage struct {
	env            applet.Env
	tell           *teller
	client, server *netlab.Host
	dhcp           *dhcpServer
	watch          *netlab.Recorder
	kernel         chan netlab.Recorded // what was told of the client's kernel
	lease          time.Duration
}

func newStage(l *netlab.Lab, env applet.Env, lease time.Duration) (*stage, error) {
	s := &stage{env: env, tell: &teller{w: env.Stdout}, lease: lease, kernel: make(chan netlab.Recorded, 64)}
	var err error
	if s.client, err = l.Host("client"); err != nil {
		return nil, err
	}
	if s.server, err = l.Host("server"); err != nil {
		return nil, err
	}
	if _, err = l.Link(s.server, "eth0", s.client, "eth0"); err != nil {
		return nil, err
	}
	if err = s.server.AddAddr("eth0", serverAddr); err != nil {
		return nil, err
	}
	if s.dhcp, err = startServer(s.server, lease, s.tell); err != nil {
		return nil, err
	}
	if s.watch, err = s.client.Record(); err != nil {
		s.dhcp.close()
		return nil, err
	}
	return s, nil
}

func (s *stage) close() {
	s.watch.Close()
	s.dhcp.close()
}

// play is the story: a lease, its renewal, its end.
func (s *stage) play(verbose bool) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	s.tell.say("A private network: host \"server\" with a DHCP server on 10.77.0.1, host \"client\" with the")
	s.tell.say("real dhcpagent, a cable between them. Your own network is not touched.")
	s.tell.say("")
	argv := []string{"dhcpagent", "-f", "-v", "-o", "RELEASE_ON_SIGTERM=yes", "eth0"}
	cmd := exec.Command(exe)
	cmd.Args = argv
	if verbose {
		cmd.Stderr = &prefixer{s.tell}
	}
	go s.tellKernel()
	s.tell.start()
	s.tell.event("client", "starts: %s", strings.Join(argv, " "))
	agent, err := s.client.StartCmd(cmd)
	if err != nil {
		return err
	}
	got, err := s.await("address", rtnl.AddrNew, patience)
	if err != nil {
		return fmt.Errorf("no lease: %w\n%s", err, agent.Output())
	}
	s.tell.bound(got.At)
	if err := s.dhcp.await("first ACK", 1, patience); err != nil {
		return err
	}
	if err := s.show(exe); err != nil {
		return err
	}
	s.tell.say("")
	s.tell.say("The lease is %v long and is renewed after a third of it; watch the clock:", s.lease)
	if err := s.dhcp.await("renewal", 2, s.lease+patience); err != nil {
		return fmt.Errorf("%w\n%s", err, agent.Output())
	}
	if _, err := s.await("new lifetime", rtnl.AddrNew, patience); err != nil {
		return err
	}
	s.tell.say("")
	s.tell.say("SIGTERM: the lease is given back, the address removed.")
	if err := agent.Signal(unix.SIGTERM); err != nil {
		return err
	}
	if err := agent.WaitFor(patience); err != nil {
		return fmt.Errorf("the agent did not end well: %w\n%s", err, agent.Output())
	}
	if _, err := s.await("end of the address", rtnl.AddrDel, patience); err != nil {
		return err
	}
	return s.after()
}

// await waits until the next event of a kind about an IPv4 address has been
// told.
func (s *stage) await(what string, kind rtnl.EventKind, limit time.Duration) (netlab.Recorded, error) {
	deadline := time.After(limit)
	for {
		select {
		case e := <-s.kernel:
			if e.Kind == kind && e.Addr.Prefix.Addr().Is4() {
				return e, nil
			}
		case <-deadline:
			return netlab.Recorded{}, fmt.Errorf("no %s within %v", what, limit)
		}
	}
}

// show prints what the client host has now.
func (s *stage) show(exe string) error {
	status := exec.Command(exe)
	status.Args = []string{"dhcpctl", "eth0", "status"}
	out, err := s.client.RunCmd(status)
	if err != nil {
		return fmt.Errorf("dhcpctl: %w", err)
	}
	s.tell.say("")
	s.tell.say("What the client has now:")
	s.tell.block("$ dhcpctl eth0 status\n" + out)
	routes, err := s.client.Routes("eth0")
	if err != nil {
		return err
	}
	for _, r := range routes {
		s.tell.block("route " + routeText(&r))
	}
	return s.client.Do(func() error {
		b, err := os.ReadFile("/etc/resolv.conf")
		if err != nil {
			return fmt.Errorf("the client's resolv.conf: %w", err)
		}
		s.tell.block("$ cat /etc/resolv.conf\n" + string(b))
		return nil
	})
}

// after sees that nothing is left.
func (s *stage) after() error {
	addrs, err := s.client.Addrs("eth0")
	if err != nil {
		return err
	}
	if len(addrs) > 0 {
		return fmt.Errorf("the client still has %s", addrs[0].Prefix)
	}
	s.tell.say("")
	s.tell.say("Time to address: %.1f ms from the start of the agent, duplicate address detection included", s.tell.toAddress())
	s.tell.say("(-o ACD=off leaves it out). The network is taken down; nothing is left of it.")
	return nil
}
