//go:build interop

package interop

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// silent is a script that only listens.
func silent(*peer.Message) []*peer.Message { return nil }

// TestInitReboot ends the agent in order and starts it again: it asks for the
// saved address and nothing else.
func TestInitReboot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dhcpd(w.s, dhcpdPool(60, "authoritative;"))
	sniff := w.scripted(w.s, serverAddr, silent)
	a := w.agent("-o", "ACD=off", "eth0")
	addr := w.bound("eth0").Address
	a.terminate()
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Fatalf("addresses after SIGTERM: %v", got)
	}
	before := len(sniff.Seen())
	w.agent("-o", "ACD=off", "eth0")
	if again := w.bound("eth0").Address; again != addr {
		t.Errorf("address %s, before %s", again, addr)
	}
	msgs := sniff.Seen()[before:]
	// RFC 2131 section 4.3.2: INIT-REBOOT has option 50 and no option 54.
	if len(msgs) != 1 || msgs[0].Type() != peer.Request || msgs[0].Addr(peer.OptRequested).String() != addr ||
		msgs[0].Get(peer.OptServer) != nil || !msgs[0].CIAddr.IsUnspecified() {
		t.Errorf("the restart sent %d messages: %+v", len(msgs), msgs)
	}
}

// TestSilentServer starts with a saved lease while no server answers: the rest
// of the lease is used, unless only verified leases may be.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	for _, verified := range []string{"no", "yes"} {
		t.Run("VERIFIED_LEASE_ONLY="+verified, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			script := w.scripted(w.s, serverAddr, peer.Simple(serverNet, netip.MustParseAddr("192.0.2.77"), 300))
			a := w.agent("-o", "ACD=off", "eth0")
			w.bound("eth0")
			w.waitSaved()
			a.kill()
			if err := w.c.DelAddr("eth0", netip.MustParsePrefix("192.0.2.77/24")); err != nil {
				t.Fatal(err)
			}
			script.Script(silent)
			before := len(script.Seen())
			w.agent("-o", "ACD=off", "-o", "VERIFIED_LEASE_ONLY="+verified, "eth0")
			// Four REQUESTs 4, 8 and 16 s apart and a last wait of 32 s.
			st := w.waitState("eth0", 75*time.Second, "BOUND", "SELECTING")
			want := "BOUND"
			if verified == "yes" {
				want = "SELECTING"
			}
			if st.State != want {
				t.Fatalf("state %s, want %s", st.State, want)
			}
			n := 0
			for _, m := range script.Seen()[before:] {
				if m.Type() == peer.Request {
					n++
				}
			}
			if n != 4 {
				t.Errorf("%d REQUESTs, want 4", n)
			}
			if got := len(w.addrs("eth0")); got != map[string]int{"BOUND": 1, "SELECTING": 0}[want] {
				t.Errorf("%d addresses in %s", got, want)
			}
			if want == "BOUND" && st.Expires != nil && time.Until(*st.Expires) > 245*time.Second {
				t.Errorf("the lease ends in %v: the time since it was given must be taken off", time.Until(*st.Expires))
			}
		})
	}
}

// TestKilled kills the agent and starts it again: the same address, there all
// the time and only once.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	r := w.record()
	a := w.agent("eth0")
	addr := w.bound("eth0").Address
	w.waitSaved()
	routes := w.routes("eth0")
	for range 3 {
		a.kill()
		a = w.agent("eth0")
		if again := w.bound("eth0").Address; again != addr {
			t.Fatalf("address %s, before %s", again, addr)
		}
		if got := w.addrs("eth0"); len(got) != 1 {
			t.Errorf("addresses %v", got)
		}
		w.wait(soon, "the routes are as before", func() bool {
			now := w.routes("eth0")
			slices.Sort(now)
			slices.Sort(routes)
			return slices.Equal(now, routes)
		})
	}
	steady(t, r, netip.MustParseAddr(addr))
}

// TestOnce leaves everything in place when it ends.
func TestOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv := w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	a := w.agent("-1", "-t", "10", "eth0")
	if err := a.WaitFor(soon); err != nil {
		t.Fatal(err)
	}
	as, err := w.c.Addrs("eth0")
	if err != nil || len(as) != 1 {
		t.Fatalf("addresses %v, %v", as, err)
	}
	inPool(t, as[0].Prefix.Addr().String())
	if as[0].Valid > 122 || as[0].Valid < 100 {
		t.Errorf("the kernel will end the address in %d s", as[0].Valid)
	}
	if r := w.routes("eth0"); !slices.Contains(r, "0.0.0.0/0 via 192.0.2.1") {
		t.Errorf("routes %v", r)
	}
	if !w.exists("/var/lib/dhcpagent/eth0.dhc") {
		t.Error("the lease is not saved")
	}
	_ = srv.Kill()
	none := w.agent("-1", "-t", "1", "--socket", "/run/other.sock", "--state-dir", "/var/lib/other", "eth0")
	if err := none.WaitFor(soon); err == nil || none.ExitCode() != 4 {
		t.Errorf("without server -1 -t 1 ends with %d, %v; want 4", none.ExitCode(), err)
	}
}

// TestBackground starts without -f: the caller gets its status when all is
// bound, and the agent stays.
func TestBackground(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	if out, status := w.tool("dhcpagent", "-t", "10", "eth0"); status != 0 {
		t.Fatalf("exit %d: %s", status, out)
	}
	if st := w.mustStatus("eth0"); st.State != "BOUND" {
		t.Errorf("state %s after the start returned", st.State)
	}
	out, status := w.tool("dhcpagent", "-f", "eth0")
	if status != 1 || !strings.Contains(out, "dhcpctl") {
		t.Errorf("a second agent: exit %d: %s", status, out)
	}
	w.ctl(0, "eth0", "drop")
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("addresses after drop: %v", got)
	}
}
