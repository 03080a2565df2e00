//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/interop/peer"
	"daemonbox/core/netlab"
)

// pool is what most servers hand out.
var pool = netip.MustParsePrefix("192.0.2.64/26")

// inPool fails the test if a textual address is not of the pool.
func inPool(t *testing.T, addr string) netip.Addr {
	t.Helper()
	a, err := netip.ParseAddr(addr)
	if err != nil || !pool.Contains(a) {
		t.Fatalf("address %q is not of the pool %v", addr, pool)
	}
	return a
}

// dnsmasqPool are dnsmasq's arguments for the pool. Two minutes is the
// shortest lease it gives.
var dnsmasqPool = []string{"--dhcp-range=192.0.2.64,192.0.2.127,120", "--dhcp-authoritative"}

// dhcpdPool is a configuration of the ISC server for the pool.
func dhcpdPool(lease int, more string) string {
	return fmt.Sprintf(`default-lease-time %d; max-lease-time %d; min-lease-time 1; ping-check false;
%s
subnet 192.0.2.0 netmask 255.255.255.0 { range 192.0.2.64 192.0.2.127; option routers 192.0.2.1; }
`, lease, lease, more)
}

// TestLease is the plain case with everything that a server usually tells.
func TestLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv := w.dnsmasq(w.s, append(dnsmasqPool,
		"--dhcp-option=option:router,192.0.2.1", "--dhcp-option=option:dns-server,192.0.2.53,192.0.2.54",
		"--domain=lab.example", "--dhcp-option=option:domain-search,lab.example,example.org",
		"--dhcp-option=option:ntp-server,192.0.2.123")...)
	a := w.agent("eth0")
	st := w.bound("eth0")
	addr := inPool(t, st.Address)
	if st.PrefixLen != 24 || st.Server != serverAddr.String() || !slices.Equal(st.Routers, []string{"192.0.2.1"}) ||
		!slices.Equal(st.DNS, []string{"192.0.2.53", "192.0.2.54"}) || st.Domain != "lab.example" ||
		!slices.Equal(st.Search, []string{"lab.example", "example.org"}) {
		t.Errorf("status %+v", st)
	}
	if st.Expires == nil || time.Until(*st.Expires) > 121*time.Second || time.Until(*st.Expires) < 100*time.Second {
		t.Errorf("lease ends at %v", st.Expires)
	}
	if !st.Primary {
		t.Error("the only operand is not the primary interface")
	}
	w.waitHook("BOUND", 1, soon)
	if want := []string{"BOUND eth0 " + addr.String()}; !slices.Equal(w.hooks(), want) {
		t.Errorf("hook calls %q, want %q", w.hooks(), want)
	}
	if r := w.routes("eth0"); !slices.Contains(r, "0.0.0.0/0 via 192.0.2.1") || !slices.Contains(r, "192.0.2.0/24") {
		t.Errorf("routes %v", r)
	}
	w.wait(soon, "resolv.conf", func() bool { return w.read(w.c, "/etc/resolv.conf") != "" })
	for _, line := range []string{"nameserver 192.0.2.53\n", "nameserver 192.0.2.54\n", "search lab.example example.org\n"} {
		if text := w.read(w.c, "/etc/resolv.conf"); !strings.Contains(text, line) {
			t.Errorf("resolv.conf lacks %q:\n%s", line, text)
		}
	}
	w.info("192.0.2.1\n", "Router")
	w.info("192.0.2.1\n", "3")
	w.info("0xC0\n0x00\n0x02\n0x01\n", "-c", "3")
	w.info("192.0.2.53\n192.0.2.54\n", "-i", "eth0", "DNSserv")
	w.info("192.0.2.53\n", "-n", "1", "-i", "eth0", "6")
	w.info("", "66")
	if out := w.ctl(0, "eth0", "status"); !strings.Contains(out, "\neth0       BOUND") || !strings.Contains(out, "[PRIMARY]") {
		t.Errorf("status row:\n%s", out)
	}
	leases, err := srv.Leases()
	if err != nil || !strings.Contains(leases, addr.String()) {
		t.Errorf("the server's leases: %q, %v", leases, err)
	}
	a.terminate()
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("after SIGTERM the addresses are %v", got)
	}
	if got := w.routes("eth0"); len(got) != 0 {
		t.Errorf("after SIGTERM the routes are %v", got)
	}
	if text := w.read(w.c, "/etc/resolv.conf"); strings.Contains(text, "192.0.2.53") {
		t.Errorf("after SIGTERM resolv.conf is %q", text)
	}
	if n := w.hookCount("DROP"); n != 1 {
		t.Errorf("%d hooks DROP after SIGTERM", n)
	}
}

// TestServers gets and gives back a lease of each server.
func TestServers(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(w *world) *peer.Server{
		"dnsmasq": func(w *world) *peer.Server { return w.dnsmasq(w.s, dnsmasqPool...) },
		"dhcpd":   func(w *world) *peer.Server { return w.dhcpd(w.s, dhcpdPool(60, "")) },
		"kea": func(w *world) *peer.Server {
			return w.kea(w.s, `"valid-lifetime": 60, "subnet4": [{"subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.64/26"}],
"option-data": [{"name": "routers", "data": "192.0.2.1"}]}]`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			start(w)
			w.agent("-o", "ACD=off", "eth0")
			inPool(t, w.bound("eth0").Address)
			w.ctl(0, "eth0", "extend")
			w.bound("eth0")
			w.ctl(0, "eth0", "release")
			if got := w.addrs("eth0"); len(got) != 0 {
				t.Errorf("after release the addresses are %v", got)
			}
			w.waitHook("RELEASE", 1, soon)
			w.ctl(0, "eth0", "start")
			inPool(t, w.bound("eth0").Address)
		})
	}
}

// steady fails if the address ever went away while the recorder ran.
func steady(t *testing.T, r *netlab.Recorder, addr netip.Addr) {
	t.Helper()
	for _, p := range r.Removed() {
		if p.Addr() == addr {
			t.Errorf("the address %v was removed meanwhile", p)
		}
	}
}

// record begins to record in the client.
func (w *world) record() *netlab.Recorder {
	w.t.Helper()
	r, err := w.c.Record()
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(r.Close)
	return r
}

// TestRenew lets short leases be renewed a few times: of Kea, with times that
// the client computes, and of dnsmasq, with times from the server.
func TestRenew(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(w *world) *peer.Server{
		"computed": func(w *world) *peer.Server {
			return w.kea(w.s, `"valid-lifetime": 12, "subnet4": [{"subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.64/26"}]}]`)
		},
		"told": func(w *world) *peer.Server {
			return w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:T1,5", "--dhcp-option=option:T2,9")...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.record()
			srv := start(w)
			sniff := w.scripted(w.s, serverAddr, func(*peer.Message) []*peer.Message { return nil })
			w.agent("-o", "ACD=off", "eth0")
			addr := inPool(t, w.bound("eth0").Address)
			w.waitHook("EXTEND", 3, later)
			steady(t, r, addr)
			n := 0
			for _, m := range sniff.Seen(peer.Request) {
				if m.CIAddr == addr {
					n++
					if m.Dst.Addr() != serverAddr || m.Src.Addr() != addr || m.Get(peer.OptServer) != nil || m.Get(peer.OptRequested) != nil {
						t.Errorf("a renewal from %v to %v with options %v", m.Src, m.Dst, m.Options)
					}
				}
			}
			if n < 3 {
				t.Errorf("%d renewals were sent by unicast; server: %s", n, srv.Output())
			}
			// Counters begin anew with each exchange.
			if c := w.bound("eth0").Counters; c.Sent < 1 || c.Recv < 1 || c.BadOffers != 0 {
				t.Errorf("counters %+v", c)
			}
			if n := w.hookCount("BOUND"); n != 1 {
				t.Errorf("%d hooks BOUND", n)
			}
		})
	}
}

// TestRebind takes the server away after the first lease; a second one with
// the same range takes over when the client rebinds by broadcast.
func TestRebind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sniff := w.scripted(w.s, serverAddr, silent)
	r := w.record()
	times := []string{"--dhcp-option=option:T1,3", "--dhcp-option=option:T2,6"}
	first := w.dnsmasq(w.s, append(dnsmasqPool, times...)...)
	w.agent("-o", "ACD=off", "eth0")
	addr := inPool(t, w.bound("eth0").Address)
	_ = first.Kill()
	w.dnsmasq(w.server("second", netip.MustParsePrefix("192.0.2.2/24")), append(dnsmasqPool, times...)...)
	st := w.waitStatus("eth0", "bound at the second server", later, func(st statusResult) bool {
		return st.State == "BOUND" && st.Server == "192.0.2.2"
	})
	if st.Address != addr.String() {
		t.Errorf("the address changed from %v to %v", addr, st.Address)
	}
	steady(t, r, addr)
	w.waitHook("EXTEND", 1, soon)
	n := 0
	for _, m := range sniff.Seen(peer.Request) {
		// RFC 2131 section 4.3.2: REBINDING.
		if m.CIAddr == addr && m.Dst.Addr().String() == "255.255.255.255" && m.Get(peer.OptServer) == nil && m.Get(peer.OptRequested) == nil {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d REQUESTs by broadcast from the address, want 1", n)
	}
}

// TestExpire takes the server away for good.
func TestExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// The hook tells whether the address is still there when it is told.
	w.installHook(`#!/bin/sh
echo "$2 $1 $DHCP_ADDRESS $(grep -c "/32 host LOCAL" /proc/net/fib_trie)" >> /run/hook.log
`)
	srv := w.dhcpd(w.s, dhcpdPool(10, ""))
	w.agent("-o", "ACD=off", "eth0")
	bound := time.Now()
	addr := inPool(t, w.bound("eth0").Address)
	w.waitHook("BOUND", 1, soon)
	_ = srv.Kill()
	sniff := w.scripted(w.s, serverAddr, func(*peer.Message) []*peer.Message { return nil })
	w.waitHook("EXPIRE", 1, later)
	if lasted := time.Since(bound); lasted < 8*time.Second || lasted > 13*time.Second {
		t.Errorf("the lease of 10 s ended after %v", lasted)
	}
	hooks := w.hooks()
	// Local addresses: 127.0.0.1 and the leased one, each listed in two tables.
	if last := hooks[len(hooks)-1]; last != strings.Replace(hooks[0], "BOUND", "EXPIRE", 1) || !strings.Contains(last, addr.String()) {
		t.Errorf("hook calls %q: the address must still be there at EXPIRE", hooks)
	}
	w.wait(soon, "the address goes", func() bool { return len(w.addrs("eth0")) == 0 })
	if w.exists("/var/lib/dhcpagent/eth0.dhc") {
		t.Error("the saved lease is still there")
	}
	// RFC 2131 section 4.1: 4 s and then 8 s, give or take one, until the next.
	w.wait(later, "three DISCOVERs", func() bool { return len(sniff.Seen(peer.Discover)) >= 3 })
	var secs []time.Duration
	for _, m := range sniff.Seen(peer.Discover) {
		secs = append(secs, time.Duration(m.Secs)*time.Second)
	}
	if d := secs[1] - secs[0]; d < 2*time.Second || d > 6*time.Second {
		t.Errorf("second DISCOVER after %v", d)
	}
	if d := secs[2] - secs[1]; d < 6*time.Second || d > 10*time.Second {
		t.Errorf("third DISCOVER after %v", d)
	}
	if r := w.routes("eth0"); len(r) != 0 {
		t.Errorf("routes after the end of the lease: %v", r)
	}
}

// TestOtherSubnet starts with a lease of a subnet that is no longer there: the
// server refuses it.
func TestOtherSubnet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv := w.dnsmasq(w.s, dnsmasqPool...)
	a := w.agent("-o", "ACD=off", "eth0")
	old := inPool(t, w.bound("eth0").Address)
	w.waitSaved()
	a.kill()
	_ = srv.Kill()
	if err := w.s.DelAddr("eth0", serverNet); err != nil {
		t.Fatal(err)
	}
	if err := w.s.AddAddr("eth0", netip.MustParsePrefix("198.51.100.1/24")); err != nil {
		t.Fatal(err)
	}
	w.dnsmasq(w.s, "--dhcp-range=198.51.100.64,198.51.100.127,120", "--dhcp-authoritative")
	w.agent("-o", "ACD=off", "eth0")
	st := w.waitStatus("eth0", "bound anew", soon, func(st statusResult) bool {
		return st.State == "BOUND" && strings.HasPrefix(st.Address, "198.51.100.")
	})
	if got := w.addrs("eth0"); !slices.Equal(got, []string{st.Address + "/24"}) {
		t.Errorf("addresses %v; the old one was %v", got, old)
	}
	if st.Counters.BadOffers != 1 {
		t.Errorf("%d bad offers counted, want the NAK", st.Counters.BadOffers)
	}
}

// waitSaved waits until the lease of eth0 is on disk.
func (w *world) waitSaved() {
	w.t.Helper()
	w.wait(soon, "the lease is saved", func() bool { return w.exists("/var/lib/dhcpagent/eth0.dhc") })
}
