//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/interop/peer"
	"daemonbox/core/netlab"
)

func gomaxprocs() int { return runtime.GOMAXPROCS(0) }

// Limits of waits. They bound failing tests only; each is far above what is
// needed on a busy machine.
const (
	soon  = 10 * time.Second // things that happen within milliseconds
	later = 30 * time.Second // things with a protocol wait of some seconds
)

// The network that most tests use.
var (
	serverNet  = netip.MustParsePrefix("192.0.2.1/24")
	serverAddr = serverNet.Addr()
)

// world is a client host c and a server host s at a switch.
type world struct {
	t     *testing.T
	lab   *netlab.TestLab
	sw    *netlab.Host
	c, s  *netlab.Host
	cable *netlab.Cable // c's
}

// newWorld joins c/eth0 and s/eth0 and gives s its address.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, lab: netlab.T(t)}
	w.sw = w.lab.Switch("sw")
	w.c = w.lab.Host("client")
	w.cable = w.lab.Link(w.c, "eth0", w.sw, "pc")
	w.s = w.server("server", serverNet)
	w.installHook(recordingHook)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("hook calls:\n%s", strings.Join(w.hooks(), "\n"))
		}
	})
	return w
}

// withPeers gives a host the foreign programs.
func withPeers() netlab.Option { return netlab.Overlay(peers) }

// server adds a host for a server.
func (w *world) server(name string, addr netip.Prefix) *netlab.Host {
	w.t.Helper()
	h := w.lab.Host(name, withPeers())
	w.lab.Link(h, "eth0", w.sw, "p"+name)
	if err := h.AddAddr("eth0", addr); err != nil {
		w.t.Fatal(err)
	}
	return h
}

// recordingHook notes every call. It uses nothing but the shell.
const recordingHook = `#!/bin/sh
echo "$2 $1 $DHCP_ADDRESS" >> /run/hook.log
`

// installHook makes the event hook of the client.
func (w *world) installHook(text string) {
	w.t.Helper()
	w.write(w.c, "/etc/dhcp/eventhook", text, 0o755)
}

// write makes a file in a host.
func (w *world) write(h *netlab.Host, path, text string, mode os.FileMode) {
	w.t.Helper()
	err := h.Do(func() error {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			return err
		}
		return os.Chmod(path, mode)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// read reads a file in a host; a missing one is "".
func (w *world) read(h *netlab.Host, path string) string {
	var b []byte
	_ = h.Do(func() (err error) {
		b, err = os.ReadFile(path)
		return err
	})
	return string(b)
}

// exists reports whether a file of the client is there.
func (w *world) exists(path string) bool {
	return w.c.Do(func() error {
		_, err := os.Lstat(path)
		return err
	}) == nil
}

// hooks returns the hook's calls so far, "EVENT IF ADDRESS" each.
func (w *world) hooks() []string {
	s := strings.TrimSuffix(w.read(w.c, "/run/hook.log"), "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// hookCount counts the calls for an event.
func (w *world) hookCount(event string) int {
	n := 0
	for _, l := range w.hooks() {
		if strings.HasPrefix(l, event+" ") {
			n++
		}
	}
	return n
}

// agent is a running dhcpagent.
type agent struct {
	*netlab.Proc
	w *world
}

// agent starts dhcpagent in the client with the usual options and some more.
// The log is shown if the test fails.
func (w *world) agent(args ...string) *agent {
	w.t.Helper()
	return w.startAgent(append([]string{"-d2"}, args...))
}

// quietAgent starts dhcpagent without debug output.
func (w *world) quietAgent(args ...string) *agent {
	w.t.Helper()
	return w.startAgent(args)
}

// startAgent starts dhcpagent in the foreground.
func (w *world) startAgent(args []string) *agent {
	w.t.Helper()
	all := append([]string{"daemonbox", "dhcpagent", "-f"}, args...)
	p, err := w.c.StartCmd(&exec.Cmd{Path: program, Args: all})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("log of %s:\n%s", strings.Join(all, " "), tail(p.Output(), 16<<10))
		}
	})
	return &agent{p, w}
}

// tail returns the last n octets of s.
func tail(s string, n int) string {
	if len(s) > n {
		return "[…]" + s[len(s)-n:]
	}
	return s
}

// kill ends the agent without any warning.
func (a *agent) kill() {
	a.w.t.Helper()
	_ = a.Proc.Kill()
}

// terminate ends the agent by SIGTERM and wants status 0.
func (a *agent) terminate() {
	a.w.t.Helper()
	if err := a.Signal(syscall.SIGTERM); err != nil {
		a.w.t.Fatal(err)
	}
	if err := a.WaitFor(soon); err != nil {
		a.w.t.Fatalf("end by SIGTERM: %v", err)
	}
}

// tool runs a tool of the binary in the client and returns output and exit
// status.
func (w *world) tool(args ...string) (string, int) {
	w.t.Helper()
	p, err := w.c.StartCmd(&exec.Cmd{Path: program, Args: append([]string{"daemonbox"}, args...)})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.WaitFor(later); err != nil && p.Running() {
		w.t.Fatalf("%v: %v", args, err)
	}
	return p.Output(), p.ExitCode()
}

// ctl runs dhcpctl and wants an exit status.
func (w *world) ctl(status int, args ...string) string {
	w.t.Helper()
	out, got := w.tool(append([]string{"dhcpctl"}, args...)...)
	if got != status {
		w.t.Fatalf("dhcpctl %s: exit %d, want %d; output:\n%s", strings.Join(args, " "), got, status, out)
	}
	return out
}

// info runs dhcpinfo and wants success and an output.
func (w *world) info(want string, args ...string) {
	w.t.Helper()
	out, status := w.tool(append([]string{"dhcpinfo"}, args...)...)
	if status != 0 || out != want {
		w.t.Errorf("dhcpinfo %s: exit %d, output %q, want %q", strings.Join(args, " "), status, out, want)
	}
}

// status asks the agent about an interface.
func (w *world) status(ifname string) (api.StatusResult, error) {
	var r api.StatusResult
	reply, err := w.call("status", ifname, nil)
	if err != nil {
		return r, err
	}
	return r, reply.result(&r)
}

// mustStatus is status that must work.
func (w *world) mustStatus(ifname string) api.StatusResult {
	w.t.Helper()
	st, err := w.status(ifname)
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// waitStatus waits until the status of an interface is as wanted.
func (w *world) waitStatus(ifname, what string, limit time.Duration, ok func(api.StatusResult) bool) api.StatusResult {
	w.t.Helper()
	var st api.StatusResult
	var serr error
	err := netlab.Wait(limit, func() (bool, error) {
		st, serr = w.status(ifname)
		return serr == nil && ok(st), nil
	})
	if err != nil {
		w.t.Fatalf("%s is not %s: %v; status: %+v %v", ifname, what, err, st, serr)
	}
	return st
}

// waitState waits for one of some states.
func (w *world) waitState(ifname string, limit time.Duration, states ...string) api.StatusResult {
	w.t.Helper()
	return w.waitStatus(ifname, strings.Join(states, " or "), limit, func(st api.StatusResult) bool {
		return slices.Contains(states, st.State)
	})
}

// bound waits for BOUND and checks that the kernel agrees.
func (w *world) bound(ifname string) api.StatusResult {
	w.t.Helper()
	st := w.waitState(ifname, soon, "BOUND")
	want := fmt.Sprintf("%s/%d", st.Address, st.PrefixLen)
	if got := w.addrs(ifname); !slices.Contains(got, want) {
		w.t.Fatalf("%s is BOUND to %s, but the kernel has %v", ifname, want, got)
	}
	return st
}

// wait waits for something that has no event.
func (w *world) wait(limit time.Duration, what string, ok func() bool) {
	w.t.Helper()
	if err := netlab.Wait(limit, func() (bool, error) { return ok(), nil }); err != nil {
		w.t.Fatalf("%s: %v", what, err)
	}
}

// waitHook waits until the hook ran n times for an event.
func (w *world) waitHook(event string, n int, limit time.Duration) {
	w.t.Helper()
	w.wait(limit, fmt.Sprintf("%d hooks %s", n, event), func() bool { return w.hookCount(event) >= n })
}

// addrs lists the client's IPv4 addresses on an interface; none if the
// interface is gone.
func (w *world) addrs(ifname string) []string {
	as, _ := w.c.Addrs(ifname)
	var out []string
	for _, a := range as {
		out = append(out, a.Prefix.String())
	}
	return out
}

// routes lists the client's routes over an interface, "dst via gateway".
func (w *world) routes(ifname string) []string {
	rs, _ := w.c.Routes(ifname)
	var out []string
	for _, r := range rs {
		s := r.Dst.String()
		if r.Gateway.IsValid() && !r.Gateway.IsUnspecified() {
			s += " via " + r.Gateway.String()
		}
		out = append(out, s)
	}
	return out
}

// dnsmasq runs dnsmasq on a host's eth0.
func (w *world) dnsmasq(h *netlab.Host, args ...string) *peer.Server {
	w.t.Helper()
	return w.served(peer.Dnsmasq(h, append([]string{"--interface=eth0"}, args...)...))
}

// dhcpd runs the ISC server on a host's eth0.
func (w *world) dhcpd(h *netlab.Host, config string) *peer.Server {
	w.t.Helper()
	return w.served(peer.Dhcpd(h, config, "eth0"))
}

// kea runs Kea on a host's eth0.
func (w *world) kea(h *netlab.Host, members string) *peer.Server {
	w.t.Helper()
	return w.served(peer.Kea(h, `"interfaces-config": {"interfaces": ["eth0"]},`+members))
}

func (w *world) served(s *peer.Server, err error) *peer.Server {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("log of a server:\n%s", tail(s.Output(), 8<<10))
		}
	})
	return s
}

// scripted runs a scripted server on a host's eth0.
func (w *world) scripted(h *netlab.Host, addr netip.Addr, fn func(*peer.Message) []*peer.Message) *peer.Scripted {
	w.t.Helper()
	s, err := peer.Serve(h, "eth0", addr, fn)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s
}
