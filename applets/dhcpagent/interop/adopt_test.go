//go:build interop

package interop

import (
	"slices"
	"strings"
	"testing"

	"daemonbox/core/rtnl"
)

// An initramfs binds with -1, and the agent of the running system takes over
// what it saved: the address is never missing, the lease is extended at once
// and counts for an hour at most.
func TestAdoptSavedLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	first := w.agent("-1", "-o", "ACD=off", "--state-dir", "/run/early", "eth0")
	if err := first.WaitFor(soon); err != nil {
		t.Fatal(err)
	}
	before := w.addrs("eth0")
	if len(before) != 1 {
		t.Fatalf("addresses %v", before)
	}
	rec, err := w.c.Record()
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	w.agent("-a", "--adopt-file", "/run/early/eth0.dhc")
	w.waitHook("EXTEND", 1, soon)
	st := w.bound("eth0")
	if !st.Primary || !slices.Equal(w.addrs("eth0"), before) {
		t.Errorf("primary %v, addresses %v, were %v", st.Primary, w.addrs("eth0"), before)
	}
	if w.hookCount("BOUND") != 1 { // that of the first agent
		t.Errorf("the adoption ran the script: %v", w.hooks())
	}
	for _, e := range rec.Events() {
		if e.Kind == rtnl.AddrDel && e.Addr.Prefix.Addr().Is4() {
			t.Errorf("the address was removed: %+v", e.Addr)
		}
	}
	if !w.exists("/var/lib/dhcpagent/eth0.dhc") {
		t.Error("the lease is not saved where the agent keeps its own")
	}
}

// The description an initramfs leaves has no packets; the lease is made of it
// and then extended by the server's word.
func TestAdoptDescription(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	first := w.agent("-1", "-o", "ACD=off", "--state-dir", "/run/early", "eth0")
	if err := first.WaitFor(soon); err != nil {
		t.Fatal(err)
	}
	as, err := w.c.Addrs("eth0")
	if err != nil || len(as) != 1 {
		t.Fatalf("addresses %v, %v", as, err)
	}
	w.write(w.c, "/run/net-eth0.conf", strings.Join([]string{
		"DEVICE='eth0'", "PROTO='dhcp'", "IPV4ADDR='" + as[0].Prefix.Addr().String() + "'",
		"IPV4NETMASK='255.255.255.0'", "ROOTSERVER='192.0.2.1'", "",
	}, "\n"), 0o644)
	w.agent("-a")
	w.waitHook("EXTEND", 1, soon)
	if st := w.bound("eth0"); st.Address != as[0].Prefix.Addr().String() {
		t.Errorf("bound to %s, was %s", st.Address, as[0].Prefix)
	}
}

// Without anything to adopt the start fails, says where it looked, and leaves
// the interface alone.
func TestAdoptNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agent("-a")
	if err := a.WaitFor(soon); err == nil || a.ExitCode() != 1 {
		t.Errorf("exit %d, %v; want 1", a.ExitCode(), err)
	}
	if out := a.Output(); !strings.Contains(out, "--adopt-file") {
		t.Errorf("no advice in %q", out)
	}
}
