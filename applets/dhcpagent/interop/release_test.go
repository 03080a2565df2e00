//go:build interop

package interop

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// TestEndOfLease looks at what the server knows after the different ways to
// end a lease.
func TestEndOfLease(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		args     []string
		end      func(w *world, a *agent)
		released bool
		hook     string
	}{
		{"release", nil, func(w *world, _ *agent) { w.ctl(0, "eth0", "release") }, true, "RELEASE"},
		{"drop", nil, func(w *world, _ *agent) { w.ctl(0, "eth0", "drop") }, false, "DROP"},
		{"SIGTERM", nil, func(_ *world, a *agent) { a.terminate() }, false, "DROP"},
		{"SIGTERM with RELEASE_ON_SIGTERM", []string{"-o", "RELEASE_ON_SIGTERM=yes"}, func(_ *world, a *agent) { a.terminate() }, true, "RELEASE"},
		{"SIGTERM with VERIFIED_LEASE_ONLY", []string{"-o", "VERIFIED_LEASE_ONLY=yes"}, func(_ *world, a *agent) { a.terminate() }, true, "RELEASE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			srv := w.dnsmasq(w.s, dnsmasqPool...)
			sniff := w.scripted(w.s, serverAddr, silent)
			a := w.agent(append(tt.args, "-o", "ACD=off", "eth0")...)
			addr := w.bound("eth0").Address
			w.waitHook("BOUND", 1, soon)
			w.waitSaved()
			tt.end(w, a)
			if got := w.addrs("eth0"); len(got) != 0 {
				t.Errorf("addresses %v", got)
			}
			if got := w.hookCount(tt.hook); got != 1 {
				t.Errorf("%d hooks %s: %q", got, tt.hook, w.hooks())
			}
			w.wait(soon, "the server's view", func() bool {
				leases, err := srv.Leases()
				return err == nil && strings.Contains(leases, addr) != tt.released
			})
			n := len(sniff.Seen(peer.Release))
			if n > 0 != tt.released || n > 1 {
				t.Errorf("%d RELEASEs", n)
			}
			if w.exists("/var/lib/dhcpagent/eth0.dhc") == tt.released {
				t.Errorf("released: %v, but a saved lease is there: %v", tt.released, !tt.released)
			}
			for _, m := range sniff.Seen(peer.Release) {
				// RFC 2131 section 4.4.4 and table 5.
				if m.Dst.Addr() != serverAddr || m.CIAddr.String() != addr || m.Addr(peer.OptServer) != serverAddr || m.Get(peer.OptRequested) != nil {
					t.Errorf("RELEASE %+v", m)
				}
			}
		})
	}
}

// TestInform asks for options on an interface with a static address.
func TestInform(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1", "--dhcp-option=option:ntp-server,192.0.2.123")...)
	static := netip.MustParsePrefix("192.0.2.5/24")
	if err := w.c.AddAddr("eth0", static); err != nil {
		t.Fatal(err)
	}
	r := w.record()
	w.agent()
	w.wait(soon, "the agent answers", func() bool { _, err := w.call("ping", "", nil); return err == nil })
	w.ctl(0, "eth0", "inform")
	if st := w.mustStatus("eth0"); st.State != "INFORMATION" || st.Expires != nil {
		t.Errorf("status %+v", st)
	}
	w.info("192.0.2.123\n", "-i", "eth0", "42")
	w.waitHook("INFORM", 1, soon)
	steady(t, r, static.Addr())
	as, err := w.c.Addrs("eth0")
	if err != nil || len(as) != 1 || as[0].Prefix != static || as[0].Valid != 0xffffffff {
		t.Errorf("addresses %+v, %v", as, err)
	}
	if reply, err := w.call("inform", "eth1", nil); err != nil || reply.Name != "INVIF" {
		t.Errorf("INFORM on an interface that is not there: %+v, %v", reply, err)
	}
	w.ctl(0, "eth0", "drop")
	if got := w.addrs("eth0"); !slices.Equal(got, []string{static.String()}) {
		t.Errorf("addresses after drop: %v", got)
	}
}

// TestInformWithoutAddress is refused.
func TestInformWithoutAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent()
	w.wait(soon, "the agent answers", func() bool { _, err := w.call("ping", "", nil); return err == nil })
	if reply, err := w.call("inform", "eth0", nil); err != nil || reply.Name != "NOIPIF" {
		t.Errorf("%+v, %v", reply, err)
	}
}
