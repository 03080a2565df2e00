//go:build interop

package interop

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/rtnl"
)

// known reports whether the agent has a client of that name.
func (w *world) known(ifname string) bool {
	r, err := w.call("status", ifname, nil)
	return err == nil && r.Name == "SUCCESS"
}

// twoLinks makes a world with a dnsmasq and a second interface of the client.
func twoLinks(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.lab.Link(w.c, "eth1", w.sw, "pc2")
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	return w
}

// TestProcessOneStays runs the agent as an initramfs or a container does: as process
// 1, called /init, without -f. It stays, and ends in order when told to.
func TestProcessOneStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	p, err := w.c.StartCmd(&exec.Cmd{
		Path: program, Args: []string{"/init", "dhcpagent", "-o", "ACD=off", "eth0"},
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.bound("eth0")
	w.waitHook("BOUND", 1, soon)
	if !p.Running() {
		t.Fatalf("process 1 ended: %s", p.Output())
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.WaitFor(soon); err != nil {
		t.Fatalf("end by SIGTERM: %v: %s", err, p.Output())
	}
	w.waitHook("DROP", 1, soon)
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("addresses after the end: %v", got)
	}
}

// TestSignalBeforeLease ends an agent that still looks for a server.
func TestSignalBeforeLease(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.agent("eth0")
			w.waitState("eth0", soon, "SELECTING")
			if err := a.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if err := a.WaitFor(soon); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDroppedStaysDropped: what a user drops is not started again by the next
// event of its link, though it was named on the command line.
func TestDroppedStaysDropped(t *testing.T) {
	t.Parallel()
	w := twoLinks(t)
	w.agent("-o", "ACD=off", "eth*")
	w.bound("eth0")
	w.bound("eth1")
	w.ctl(0, "eth0", "drop")
	if err := w.c.SetMTU("eth0", 1400); err != nil {
		t.Fatal(err)
	}
	if err := w.cable.Cut(); err != nil {
		t.Fatal(err)
	}
	if err := w.cable.Heal(); err != nil {
		t.Fatal(err)
	}
	// The link events came before the answer to this.
	w.ctl(0, "eth1", "extend")
	if w.known("eth0") {
		t.Error("eth0 was started again")
	}
}

// TestOthersInSubnet ends a lease whose address is the first of its subnet: the
// kernel deletes the other ones with it, and they come back.
func TestOthersInSubnet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	// An id tells the two apart: dnsmasq looks at the hardware address else.
	w.agent("-o", "ACD=off", "-o", "V4_DEFAULT_IAID_DUID=yes", "eth0")
	w.bound("eth0")
	static := netip.MustParsePrefix("192.0.2.200/24")
	if err := w.c.AddAddr("eth0", static); err != nil {
		t.Fatal(err)
	}
	if r, err := w.call("start", "eth0:1", nil); err != nil || r.Name != "SUCCESS" {
		t.Fatalf("start of eth0:1: %+v, %v", r, err)
	}
	alias := w.mustStatus("eth0:1").Address + "/24"
	w.ctl(0, "eth0", "release")
	got := w.addrs("eth0")
	slices.Sort(got)
	want := []string{alias, static.String()}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("addresses %v, want %v", got, want)
	}
	w.ctl(0, "eth0:1", "extend")
	w.ctl(0, "eth0:1", "release")
	if got := w.addrs("eth0"); !slices.Equal(got, []string{static.String()}) {
		t.Errorf("addresses %v, want %v", got, static)
	}
}

// TestKeepOnExit leaves the addresses of those interfaces that ask for it.
func TestKeepOnExit(t *testing.T) {
	t.Parallel()
	w := twoLinks(t)
	a := w.agent("-o", "ACD=off", "-o", "eth0.KEEP_ON_EXIT=yes", "eth0", "eth1")
	kept := w.bound("eth0").Address
	w.bound("eth1")
	a.terminate()
	if got := w.addrs("eth0"); !slices.Equal(got, []string{kept + "/24"}) {
		t.Errorf("eth0 has %v, want %s", got, kept)
	}
	if got := w.addrs("eth1"); len(got) != 0 {
		t.Errorf("eth1 has %v", got)
	}
	if n := w.hookCount("DROP"); n != 1 {
		t.Errorf("%d hooks DROP: %q", n, w.hooks())
	}
}

// TestOnceWaitsForScript: -1 ends when the script has done its work.
func TestOnceWaitsForScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.installHook("#!/bin/sh\nsleep 0.5\necho \"$2 done\" >> /run/hook.log\n")
	a := w.agent("-1", "-o", "ACD=off", "eth0")
	if err := a.WaitFor(soon); err != nil {
		t.Fatal(err)
	}
	if got := w.hooks(); !slices.Equal(got, []string{"BOUND done"}) {
		t.Errorf("the script did %q", got)
	}
}

// TestNothingWritable: where nothing at all can be written, the address and the
// routes are there nevertheless.
func TestNothingWritable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1", "--dhcp-option=option:dns-server,192.0.2.1")...)
	err := w.c.Do(func() error {
		for _, dir := range []string{"/run", "/etc", "/var/lib"} {
			if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
				return err
			}
			if err := unix.Mount("none", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a := w.quietAgent("-o", "ACD=off", "eth0")
	w.wait(soon, "address and default route", func() bool {
		return len(w.addrs("eth0")) == 1 && slices.Contains(w.routes("eth0"), "0.0.0.0/0 via 192.0.2.1")
	})
	w.wait(soon, "a word about it", func() bool { return strings.Contains(a.Output(), "resolv.conf") })
	a.terminate()
	// One line each, and no more: control socket and resolv.conf.
	if n := strings.Count(a.Output(), "name servers"); n != 1 || strings.Count(a.Output(), "\n") != 2 {
		t.Errorf("log:\n%s", a.Output())
	}
}

// TestLinkDownDelay: a carrier that is back in time costs no route.
func TestLinkDownDelay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	sniff := w.scripted(w.s, serverAddr, silent)
	a := w.agent("-o", "ACD=off", "-o", "LINK_DOWN_DELAY=3", "eth0")
	addr := w.bound("eth0").Address
	r := w.record()
	before := len(sniff.Seen())
	if err := w.cable.Cut(); err != nil {
		t.Fatal(err)
	}
	w.wait(soon, "the agent sees it", func() bool { return strings.Contains(a.Output(), "the link changed up=false") })
	if err := w.cable.Heal(); err != nil {
		t.Fatal(err)
	}
	w.wait(soon, "the lease is confirmed", func() bool { return len(sniff.Seen()) > before })
	w.bound("eth0")
	steady(t, r, netip.MustParseAddr(addr))
	for _, e := range r.Events() {
		if e.Kind == rtnl.RouteDel && e.Route.Dst.Bits() == 0 {
			t.Error("the default route went")
		}
	}
	if err := w.cable.Cut(); err != nil {
		t.Fatal(err)
	}
	w.wait(soon, "the default route goes in the end", func() bool {
		return !slices.Contains(w.routes("eth0"), "0.0.0.0/0 via 192.0.2.1")
	})
}

// TestAutostart starts what the configuration names, there already or new.
func TestAutostart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.write(w.c, "/etc/default/dhcpagent", "ACD=off\neth0.AUTOSTART=yes\neth2.AUTOSTART=yes\n", 0o644)
	w.agent()
	inPool(t, w.bound("eth0").Address)
	w.lab.Link(w.c, "eth1", w.sw, "pc2")
	w.lab.Link(w.c, "eth2", w.sw, "pc3")
	inPool(t, w.bound("eth2").Address)
	if w.known("eth1") {
		t.Error("eth1 was started, which nobody asked for")
	}
}

// TestInterfaceReplaced makes a new interface while the script of the former
// one of that name still runs.
func TestInterfaceReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.installHook("#!/bin/sh\n[ $2 = DROP ] && sleep 1\necho \"$2 $1\" >> /run/hook.log\n")
	w.agent("-o", "ACD=off", "eth0")
	old := w.bound("eth0").Ifindex
	w.waitHook("BOUND", 1, soon)
	if err := w.cable.Remove(); err != nil {
		t.Fatal(err)
	}
	w.lab.Link(w.c, "eth0", w.sw, "pc2")
	w.waitStatus("eth0", "bound on the new interface", soon, func(st statusResult) bool {
		return st.State == "BOUND" && st.Ifindex != old
	})
}

// TestPrimaryChanges moves the role of the primary interface: the better route
// moves with it.
func TestPrimaryChanges(t *testing.T) {
	t.Parallel()
	w := twoLinks(t)
	w.agent("-o", "ACD=off", "eth0", "eth1")
	w.bound("eth0")
	w.bound("eth1")
	metric := func(ifname string) uint32 {
		rs, err := w.c.Routes(ifname)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(rs, func(r rtnl.Route) bool { return r.Dst.Bits() == 0 })
		if i < 0 || slices.ContainsFunc(rs[i+1:], func(r rtnl.Route) bool { return r.Dst.Bits() == 0 }) {
			t.Fatalf("%s has not one default route: %+v", ifname, rs)
		}
		return rs[i].Metric
	}
	if a, b := metric("eth0"), metric("eth1"); a != 100 || b <= 1000 {
		t.Errorf("metrics %d and %d", a, b)
	}
	w.ctl(0, "eth1", "extend", "primary")
	if a, b := metric("eth0"), metric("eth1"); a <= 1000 || b != 100 {
		t.Errorf("metrics after the change %d and %d", a, b)
	}
}

// TestAddressWithoutMark: an infinite lease's address that somebody sets anew
// is theirs.
func TestAddressWithoutMark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, "--dhcp-range=192.0.2.64,192.0.2.127,infinite", "--dhcp-authoritative")
	w.agent("-o", "ACD=off", "eth0")
	st := w.bound("eth0")
	p := netip.PrefixFrom(netip.MustParseAddr(st.Address), st.PrefixLen)
	err := w.c.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		l, err := c.LinkByName("eth0")
		b.AddAddr(rtnl.Addr{Index: l.Index, Prefix: p, Preferred: 0xffffffff, Valid: 0xffffffff}, true)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wait(soon, "the agent lets go", func() bool { return !w.known("eth0") })
	if got := w.addrs("eth0"); !slices.Equal(got, []string{p.String()}) {
		t.Errorf("addresses %v, want %v", got, p)
	}
}

// TestWrongCommandLines: each is refused before anything is done, with a word
// about what is wrong.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		want string
		args []string
	}{
		{"-1 needs", []string{"-1"}},
		{"interface name", []string{"-f", "eth0/1"}},
		{"pattern", []string{"-f", "eth[0"}},
		{"NAME=VALUE", []string{"-f", "-o", "ACD", "eth0"}},
		{"NOSUCH", []string{"-f", "-o", "NOSUCH=1", "eth0"}},
		{"ACD", []string{"-f", "-o", "ACD=maybe", "eth0"}},
		{"-t", []string{"-f", "-t", "-5", "eth0"}},
		{"-t", []string{"-f", "-t", "99999999999", "eth0"}},
		{"unknown", []string{"-x"}},
	} {
		out, status := w.tool(append([]string{"dhcpagent"}, tt.args...)...)
		if status != 1 || !strings.Contains(out, tt.want) {
			t.Errorf("%q: exit %d, %q; want 1 and a word about %q", tt.args, status, out, tt.want)
		}
	}
	if w.exists("/run/dhcpagent") {
		t.Error("a refused start left traces")
	}
}

// TestRenameUnderScript: a script that runs when its interface gets another name
// is stopped by the next event all the same.
func TestRenameUnderScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.installHook("#!/bin/sh\n[ $2 = BOUND ] && sleep 20\necho \"$2 $1\" >> /run/hook.log\n")
	w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	if err := w.c.Rename("eth0", "lan0"); err != nil {
		t.Fatal(err)
	}
	w.bound("lan0")
	// The script of the former name is the client's: it is stopped.
	began := time.Now()
	w.ctl(0, "lan0", "drop")
	if took := time.Since(began); took > soon {
		t.Errorf("the drop waited for %v", took)
	}
	if got := w.hooks(); !slices.Equal(got, []string{"DROP lan0"}) {
		t.Errorf("hooks %q", got)
	}
}
