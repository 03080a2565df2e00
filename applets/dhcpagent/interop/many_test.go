//go:build interop

package interop

import (
	"fmt"
	"net/netip"
	"testing"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// TestManyInterfaces starts on 64 interfaces at once.
func TestManyInterfaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 64
	var mine, ports []string
	for i := range n {
		mine, ports = append(mine, fmt.Sprintf("m%d", i)), append(ports, fmt.Sprintf("q%d", i))
	}
	if _, err := w.lab.Links(w.c, mine, w.sw, ports); err != nil {
		t.Fatal(err)
	}
	for _, p := range ports {
		if err := w.sw.Isolate(p); err != nil {
			t.Fatal(err)
		}
	}
	// A wide range, since dnsmasq picks addresses by a hash and may offer one
	// to two clients at the same moment.
	if err := w.s.AddAddr("eth0", netip.MustParsePrefix("10.0.0.1/8")); err != nil {
		t.Fatal(err)
	}
	w.dnsmasq(w.s, "--dhcp-range=10.1.0.0,10.250.255.255,255.0.0.0,120", "--dhcp-authoritative")
	sniff := w.scripted(w.s, serverAddr, silent)
	a := w.agent("-o", "ACD=off", "m*")
	seen := make(map[string]string)
	for _, name := range mine {
		st := w.bound(name)
		if other := seen[st.Address]; other != "" {
			t.Errorf("%s and %s both have %s", name, other, st.Address)
		}
		seen[st.Address] = name
	}
	// RFC 2131 section 4.1 retransmits after 3 s at the earliest.
	if d, r := len(sniff.Seen(peer.Discover)), len(sniff.Seen(peer.Request)); d != n || r != n {
		t.Errorf("%d DISCOVERs and %d REQUESTs for %d leases", d, r, n)
	}
	out := w.ctl(0, "-a", "release")
	for _, name := range mine {
		if got := w.addrs(name); len(got) != 0 {
			t.Errorf("%s still has %v; release says %s", name, got, out)
		}
	}
	if !a.Running() {
		t.Error("the agent has ended")
	}
}

// TestSignalsEndAll ends an agent with several leases at once.
func TestSignalsEndAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 4 {
		w.lab.Link(w.c, fmt.Sprintf("m%d", i), w.sw, fmt.Sprintf("q%d", i))
	}
	w.dnsmasq(w.s, dnsmasqPool...)
	a := w.agent("-o", "ACD=off", "-o", "RELEASE_ON_SIGTERM=yes", "m*", "eth0")
	for i := range 4 {
		w.bound(fmt.Sprintf("m%d", i))
	}
	w.bound("eth0")
	sniff := w.scripted(w.s, serverAddr, silent)
	a.terminate()
	for _, name := range []string{"m0", "m1", "m2", "m3", "eth0"} {
		if got := w.addrs(name); len(got) != 0 {
			t.Errorf("%s still has %v", name, got)
		}
		if got := w.routes(name); len(got) != 0 {
			t.Errorf("%s still has the routes %v", name, got)
		}
	}
	if n := len(sniff.Seen(peer.Release)); n != 5 {
		t.Errorf("%d RELEASEs", n)
	}
}
