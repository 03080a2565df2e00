//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// TestHookStubborn runs a hook that ignores SIGTERM and has a child: both are
// killed when their time is over, and what waited for them goes on.
func TestHookStubborn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.installHook(`#!/bin/sh
echo "$2" >> /run/hook.log
[ "$2" = RELEASE ] || exit 0
trap 'echo TERM >> /run/hook.log' TERM
(trap '' TERM; echo child $(cut -d' ' -f1 /proc/self/stat) >> /run/hook.log; sleep 300; sleep 300) &
while :; do sleep 1; done
`)
	w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	w.waitHookLine("BOUND")
	began := time.Now()
	p, err := w.c.Start(program, "dhcpctl", "eth0", "release")
	if err != nil {
		t.Fatal(err)
	}
	w.wait(soon, "the hook runs", func() bool { return slices.Contains(w.hooks(), "RELEASE") })
	if got := w.addrs("eth0"); len(got) != 1 {
		t.Errorf("while the hook runs the addresses are %v", got)
	}
	w.wait(70*time.Second, "SIGTERM", func() bool { return slices.Contains(w.hooks(), "TERM") })
	if d := time.Since(began); d < 54*time.Second || d > 58*time.Second {
		t.Errorf("SIGTERM after %v, want 55 s", d)
	}
	if err := p.WaitFor(soon); err != nil {
		t.Errorf("release: %v: %s", err, p.Output())
	}
	if d := time.Since(began); d < 57*time.Second || d > 62*time.Second {
		t.Errorf("the release took %v, want 58 s", d)
	}
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("after the release the addresses are %v", got)
	}
	w.wait(soon, "no process is left", func() bool { return len(w.processesOf("sleep 300")) == 0 })
}

// processesOf lists the client's processes with a command line.
func (w *world) processesOf(cmdline string) []string {
	out, err := w.c.Run("sh", "-c", `for d in /proc/[0-9]*; do
[ "$(readlink $d/ns/net)" = "$(readlink /proc/self/ns/net)" ] || continue
[ "$(tr '\0' ' ' < $d/cmdline)" = "`+cmdline+` " ] && echo ${d#/proc/}
done; true`)
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Fields(out)
}

// TestHookIsReplaced has a new event come while the hook of the last one still
// runs.
func TestHookIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.installHook(`#!/bin/sh
echo "$2" >> /run/hook.log
[ "$2" = BOUND ] && exec sleep 100
exit 0
`)
	w.agent("-o", "ACD=off", "eth0")
	w.wait(soon, "the hook runs", func() bool { return slices.Contains(w.hooks(), "BOUND") })
	w.ctl(0, "eth0", "drop")
	if want := []string{"BOUND", "DROP"}; !slices.Equal(w.hooks(), want) {
		t.Errorf("hooks %q", w.hooks())
	}
	w.wait(soon, "the first hook ends", func() bool { return len(w.processesOf("sleep 100")) == 0 })
}

// TestHookAsks runs the tools from inside the hook.
func TestHookAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	w.installHook(fmt.Sprintf(`#!/bin/sh
echo "$2 $(%[1]s dhcpinfo -i $1 Router) $(%[1]s dhcpctl $1 status | sed -n 's/^eth0 *\([A-Z]*\) .*/\1/p')" >> /run/hook.log
`, program))
	w.agent("-o", "ACD=off")
	w.wait(soon, "the agent answers", func() bool { _, err := w.call("ping", "", nil); return err == nil })
	w.ctl(0, "eth0", "start")
	// The start returns when the hook has ended.
	if want := []string{"BOUND 192.0.2.1 BOUND"}; !slices.Equal(w.hooks(), want) {
		t.Errorf("hook wrote %q, want %q", w.hooks(), want)
	}
}

// TestHookEnvironment checks what reaches the hook from a hostile server:
// nothing that a shell could stumble over.
func TestHookEnvironment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	evil := []string{"() { :; }; touch /run/pwned", "$(touch /run/pwned)", "`touch /run/pwned`", "a\nnameserver 203.0.113.66", "x;touch /run/pwned"}
	var opts []peer.Option
	for i, code := range []byte{12, 15, 66, 67, 17} {
		opts = append(opts, peer.Option{Code: code, Value: []byte(evil[i])})
	}
	opts = append(opts, peer.Option{Code: 6, Value: []byte{192, 0, 2, 53}})
	w.scripted(w.s, serverAddr, peer.Simple(serverNet, netip.MustParseAddr("192.0.2.70"), 300, opts...))
	w.installHook("#!/bin/sh\nenv > /run/env.new && mv /run/env.new /run/env.log\necho $2 >> /run/hook.log\n")
	w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	w.waitHookLine("BOUND")
	env := w.read(w.c, "/run/env.log")
	for _, bad := range []string{"touch", "()", "`", "203.0.113.66"} {
		if strings.Contains(env, bad) {
			t.Errorf("the hook's environment has %q:\n%s", bad, env)
		}
	}
	for _, want := range []string{
		"DHCP_INTERFACE=eth0\n", "DHCP_EVENT=BOUND\n", "DHCP_FAMILY=4\n", "DHCP_ADDRESS=192.0.2.70\n",
		"DHCP_PREFIXLEN=24\n", "DHCP_SERVER=192.0.2.1\n", "DHCP_LEASE=300\n", "DHCP_DNS=192.0.2.53\n", "DHCP_OPT_12=2829207b",
	} {
		if !strings.Contains("\n"+strings.ToLower(env), "\n"+strings.ToLower(want)) {
			t.Errorf("the hook's environment lacks %q:\n%s", want, env)
		}
	}
	if text := w.read(w.c, "/etc/resolv.conf"); strings.Contains(text, "203.0.113.66") || strings.Contains(text, "touch") {
		t.Errorf("resolv.conf:\n%s", text)
	}
	if w.exists("/run/pwned") {
		t.Error("something from the server was run")
	}
}

// waitHookLine waits until the hook has written a line.
func (w *world) waitHookLine(line string) {
	w.t.Helper()
	w.wait(soon, "hook "+line, func() bool { return slices.Contains(w.hooks(), line) })
}

// TestHookOfOthers does not run a hook that others than root could have
// written.
func TestHookOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.write(w.c, "/etc/dhcp/eventhook", recordingHook, 0o777)
	a := w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	if err := a.WaitOutput("eventhook", soon); err != nil {
		t.Error("no word about the hook in the log")
	}
	w.ctl(0, "eth0", "extend") // its hook would have come after BOUND's
	if got := w.hooks(); len(got) != 0 {
		t.Errorf("the hook ran: %q", got)
	}
}

// TestSIGQUIT ends as SIGTERM does; SIGHUP, SIGUSR1 and SIGPIPE are ignored.
func TestSIGQUIT(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	a := w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGPIPE} {
		if err := a.Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
	w.ctl(0, "eth0", "extend")
	w.bound("eth0")
	if err := a.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	if err := a.WaitFor(soon); err != nil {
		t.Fatalf("end by SIGQUIT: %v", err)
	}
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("addresses %v", got)
	}
}
