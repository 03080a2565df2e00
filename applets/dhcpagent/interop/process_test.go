//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// TestProcessOne runs the agent as the first process of a container: it reaps
// what its hooks leave behind and ends in order.
func TestProcessOne(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.dnsmasq(w.s, dnsmasqPool...)
			w.installHook(`#!/bin/sh
echo "$2" >> /run/hook.log
(sleep 0.2; echo orphan >> /run/hook.log) &
`)
			p, err := w.c.StartCmd(&exec.Cmd{
				Path: program, Args: []string{"/init", "dhcpagent", "-f", "-o", "ACD=off", "eth0"},
				SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
			})
			if err != nil {
				t.Fatal(err)
			}
			w.bound("eth0")
			w.waitHookLine("orphan")
			w.wait(soon, "orphans are reaped", func() bool { return len(childrenOf(t, p.Pid())) == 0 })
			if err := p.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := p.WaitFor(soon); err != nil {
				t.Fatalf("end: %v: %s", err, p.Output())
			}
			if got := w.addrs("eth0"); len(got) != 0 {
				t.Errorf("addresses %v", got)
			}
		})
	}
}

// childrenOf lists a process's children, zombies included.
func childrenOf(t *testing.T, pid int) []string {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, task := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err == nil {
			out = append(out, strings.Fields(string(b))...)
		}
	}
	return out
}

// TestCapabilities runs as a root that lacks capabilities, as in a container:
// NET_ADMIN and NET_RAW suffice, and without NET_ADMIN nothing is sent.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	start := func(w *world, bounding string) *agent {
		args := []string{"setpriv", "--bounding-set", bounding, "--inh-caps", "-all", program, "dhcpagent", "-f", "-d2", "-o", "ACD=off", "eth0"}
		p, err := w.c.Start(args[0], args[1:]...)
		if err != nil {
			w.t.Fatal(err)
		}
		w.t.Cleanup(func() {
			if w.t.Failed() {
				w.t.Logf("log with the capabilities %s:\n%s", bounding, p.Output())
			}
		})
		return &agent{p, w}
	}
	t.Run("enough", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.dnsmasq(w.s, dnsmasqPool...)
		// Files of root, which it may use as their owner; SETPCAP is setpriv's.
		a := start(w, "-all,+net_admin,+net_raw")
		inPool(t, w.bound("eth0").Address)
		w.ctl(0, "eth0", "extend")
		w.bound("eth0")
		a.terminate()
	})
	t.Run("no NET_ADMIN", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		sniff := w.scripted(w.s, serverAddr, silent)
		a := start(w, "-net_admin")
		if err := a.WaitFor(soon); err == nil || a.ExitCode() != 1 || !strings.Contains(a.Output(), "NET_ADMIN") {
			t.Errorf("exit %d, %v: %s", a.ExitCode(), err, a.Output())
		}
		if n := len(sniff.Seen()); n != 0 {
			t.Errorf("%d packets were sent", n)
		}
	})
}

// TestNoLeftovers starts and releases many times: descriptors, memory, sockets
// and addresses come back to what they were.
func TestNoLeftovers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
	a := w.idle("-o", "ACD=off")
	cycle := func(end string) {
		t.Helper()
		for _, cmd := range []string{"start", "extend", end} {
			if r, err := w.call(cmd, "eth0", nil); err != nil || r.Code != 0 {
				t.Fatalf("%s: %+v, %v", cmd, r, err)
			}
		}
	}
	cycle("release")
	w.wait(soon, "sockets are closed", func() bool { return w.fds(a) < 40 })
	fds := w.fds(a)
	_, before := memory(t, a.Pid())
	for range 25 {
		cycle("release")
		cycle("drop")
		cycle("drop")
		cycle("drop")
	}
	w.wait(soon, "descriptors are closed", func() bool { return w.fds(a) <= fds })
	// Eight MiB: the collector of garbage does not begin before four.
	if _, after := memory(t, a.Pid()); after > before+8192 {
		t.Errorf("anonymous memory grew from %d to %d KiB", before, after)
	}
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("addresses %v", got)
	}
	if c := childrenOf(t, a.Pid()); len(c) != 0 {
		t.Errorf("children %v", c)
	}
	if tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", a.Pid())); err != nil || len(tasks) > 20 {
		t.Errorf("%d threads, %v", len(tasks), err)
	}
}

// TestSubscribe follows a lease on the control socket.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.idle("-o", "ACD=off")
	c, err := w.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := send(c, request{V: 1, ID: 1, Cmd: "subscribe"}); err != nil {
		t.Fatal(err)
	}
	if r, err := w.call("start", "eth0", nil); err != nil || r.Code != 0 {
		t.Fatalf("start: %+v, %v", r, err)
	}
	var last float64
	for range 100 {
		var ev map[string]any
		if err := receive(c, soon, &ev); err != nil {
			t.Fatalf("no event of the state BOUND: %v", err)
		}
		if seq, ok := ev["seq"].(float64); ok {
			if seq <= last {
				t.Errorf("event %v after %v", seq, last)
			}
			last = seq
		}
		if strings.Contains(fmt.Sprint(ev), "BOUND") && !strings.Contains(fmt.Sprint(ev), "PRE_BOUND") {
			return
		}
	}
	t.Error("no event of the state BOUND among a hundred")
}

// TestNames checks the host name that is sent, and the vendor class.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
		file string // /etc/hostname.eth0
		host string // option 12
		fqdn string // option 81 behind its three octets
	}{
		{"node name", []string{"-o", "REQUEST_FQDN=no"}, "", "client", ""},
		{"none", []string{"-o", "REQUEST_HOSTNAME=no", "-o", "REQUEST_FQDN=no"}, "", "", ""},
		{"file", []string{"-o", "REQUEST_FQDN=no"}, "inet other\n", "other", ""},
		{"domain", []string{"-o", "DNS_DOMAINNAME=lab.example"}, "", "", "\x06client\x03lab\x07example\x00"},
		{"evil", []string{"-o", "REQUEST_FQDN=no"}, "inet a;b\n", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if tt.file != "" {
				w.write(w.c, "/etc/hostname.eth0", tt.file, 0o644)
			}
			s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
			w.agent(append([]string{"-o", "ACD=off", "eth0"}, tt.args...)...)
			w.bound("eth0")
			for _, m := range s.Seen(peer.Discover, peer.Request) {
				host, fqdn := string(m.Get(12)), m.Get(81)
				if tt.name == "evil" {
					if strings.Contains(host, ";") {
						t.Errorf("host name %q", host)
					}
					continue
				}
				if host != tt.host {
					t.Errorf("host name %q, want %q", host, tt.host)
				}
				// RFC 4702 section 2.1: flags S and E, two unused octets, the name.
				if want := tt.fqdn; want != "" && (len(fqdn) < 3 || fqdn[0] != 5 || string(fqdn[3:]) != want) || want == "" && fqdn != nil {
					t.Errorf("FQDN %q, want %q", fqdn, want)
				}
			}
		})
	}
}

// TestMTU sets the MTU that the server tells, only where told to, and puts it
// back.
func TestMTU(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300, peer.Option{Code: 26, Value: []byte{5, 0x78}})) // 1400
	w.idle("-o", "ACD=off")
	mtu := func() int {
		l, err := w.c.Link("eth0")
		if err != nil {
			t.Fatal(err)
		}
		return l.MTU
	}
	if _, err := w.begin(s); err != nil {
		t.Fatal(err)
	}
	if mtu() != 1500 {
		t.Errorf("by default the MTU is %d", mtu())
	}
	w.ctl(0, "eth0", "release")
	w.write(w.c, "/etc/default/dhcpagent", "ACD=off\nSET_MTU=yes\n", 0o644)
	if _, err := w.begin(s); err != nil {
		t.Fatal(err)
	}
	w.wait(soon, "the MTU is set", func() bool { return mtu() == 1400 })
	if st := w.bound("eth0"); st.MTU != 1400 {
		t.Errorf("status says %d", st.MTU)
	}
	w.ctl(0, "eth0", "release")
	w.wait(soon, "the MTU is put back", func() bool { return mtu() == 1500 })
}

// TestResolver merges the name servers of two interfaces and takes away only
// its own.
func TestResolver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const before = "# mine\nnameserver 203.0.113.1\n"
	w.write(w.c, "/etc/resolv.conf", before, 0o644)
	w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300, peer.Option{Code: 6, Value: ns}))
	w.secondInterface()
	a := w.agent("-o", "ACD=off", "eth0", "eth1")
	w.bound("eth0")
	w.bound("eth1")
	w.wait(soon, "resolv.conf has the name server", func() bool {
		return slices.Contains(strings.Split(w.read(w.c, "/etc/resolv.conf"), "\n"), "nameserver 192.0.2.53")
	})
	a.terminate()
	if got := w.read(w.c, "/etc/resolv.conf"); got != before {
		t.Errorf("at the end resolv.conf is %q, at the beginning %q", got, before)
	}
}

// TestResolverLink leaves a link alone that leads to nowhere.
func TestResolverLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.mustDo(func() error {
		if err := os.Remove("/etc/resolv.conf"); err != nil {
			return err
		}
		return os.Symlink("../run/nowhere/resolv.conf", "/etc/resolv.conf")
	})
	w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300, peer.Option{Code: 6, Value: ns}))
	w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	w.ctl(0, "eth0", "extend") // the first lease is worked off by then
	var to string
	w.mustDo(func() (err error) {
		to, err = os.Readlink("/etc/resolv.conf")
		return err
	})
	if to != "../run/nowhere/resolv.conf" || w.exists("/run/nowhere") {
		t.Errorf("the link leads to %q", to)
	}
}
