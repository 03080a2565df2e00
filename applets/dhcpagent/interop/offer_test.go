//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// TestVendorOptionsWin offers from two servers; the one with vendor options
// wins though the other was there first.
func TestVendorOptionsWin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scripted(w.s, serverAddr, peer.Simple(serverNet, netip.MustParseAddr("192.0.2.70"), 60))
	other := w.server("other", netip.MustParsePrefix("192.0.2.2/24"))
	w.dhcpd(other, `default-lease-time 60; max-lease-time 60; ping-check false;
option vendor-encapsulated-options 01:04:de:ad:be:ef;
subnet 192.0.2.0 netmask 255.255.255.0 { range 192.0.2.100; }
`)
	w.agent("-o", "ACD=off", "-o", "OFFER_WAIT=1", "-o", "PARAM_REQUEST_LIST=1,3,6,43", "eth0")
	if st := w.bound("eth0"); st.Address != "192.0.2.100" || st.Server != "192.0.2.2" {
		t.Errorf("bound to %s of %s", st.Address, st.Server)
	}
}

// TestBootp binds an answer without DHCP options for ever.
func TestBootp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addr := netip.MustParseAddr("192.0.2.70")
	w.scripted(w.s, serverAddr, func(m *peer.Message) []*peer.Message {
		if m.Type() != peer.Discover {
			return nil
		}
		r := m.Reply(peer.Offer, serverAddr, addr)
		r.Options = []peer.Option{{Code: peer.OptMask, Value: []byte{255, 255, 255, 0}}}
		return []*peer.Message{r}
	})
	w.agent("-o", "ACD=off", "eth0")
	st := w.bound("eth0")
	if st.Address != addr.String() || !slices.Contains(st.Flags, "BOOTP") || st.Expires != nil {
		t.Errorf("status %+v", st)
	}
	if out := w.ctl(2, "eth0", "extend"); !strings.Contains(out, "BOOTP") {
		t.Errorf("extend says %q", out)
	}
	if r, err := w.call("extend", "eth0", nil); err != nil || r.Name != "BOOTP" {
		t.Errorf("extend: %+v, %v", r, err)
	}
	if out := w.ctl(0, "eth0", "status"); !strings.Contains(out, "[BOOTP]") {
		t.Errorf("status row:\n%s", out)
	}
	if w.exists("/var/lib/dhcpagent/eth0.dhc") {
		t.Error("a BOOTP lease is saved")
	}
}

// TestKeaOptions takes classless routes with an on-link one, a search list and
// an option of more than 255 octets from Kea.
func TestKeaOptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := bytes.Repeat([]byte{0xa5, 1, 2, 3, 4}, 70)
	w.kea(w.s, fmt.Sprintf(`"valid-lifetime": 60,
"option-def": [
  {"name": "classless", "code": 121, "type": "binary", "space": "dhcp4"},
  {"name": "long", "code": 224, "type": "binary", "space": "dhcp4"}],
"subnet4": [{"subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.64/26"}],
"option-data": [
  {"name": "routers", "data": "192.0.2.9"},
  {"name": "classless", "always-send": true, "data": "18c63364c0000202 20cb007107 00000000 00c0000201"},
  {"name": "domain-search", "always-send": true, "data": "eng.lab.example, lab.example, example.org"},
  {"name": "long", "always-send": true, "data": "%x"}]}]`, long))
	w.agent("-o", "ACD=off", "eth0")
	st := w.bound("eth0")
	// 198.51.100.0/24 over a router, 203.0.113.7/32 on the link, and the default
	// route; with option 121 the router option does not count, RFC 3442.
	want := []string{"198.51.100.0/24 via 192.0.2.2", "203.0.113.7/32", "0.0.0.0/0 via 192.0.2.1"}
	got := w.routes("eth0")
	for _, r := range want {
		if !slices.Contains(got, r) {
			t.Errorf("route %q is missing in %q", r, got)
		}
	}
	if slices.Contains(got, "0.0.0.0/0 via 192.0.2.9") {
		t.Error("the router of option 3 is in use")
	}
	if want := []string{"eng.lab.example", "lab.example", "example.org"}; !slices.Equal(st.Search, want) {
		t.Errorf("search list %q", st.Search)
	}
	var lines strings.Builder
	for _, b := range long {
		fmt.Fprintf(&lines, "0x%02X\n", b)
	}
	w.info(lines.String(), "-c", "224")
}

// TestKeaClasses lets Kea choose the pool by what the client says of itself.
func TestKeaClasses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, test string
		args       []string
	}{
		{"client identifier", "option[61].hex == 0x686f73742d31", []string{"-o", "CLIENT_ID=host-1"}},
		{"request list", "option[55].hex == 0x0103062a", []string{"-o", "PARAM_REQUEST_LIST=1,3,6,42"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			// Nobody else gets an address.
			w.kea(w.s, fmt.Sprintf(`"valid-lifetime": 60, "client-classes": [{"name": "it", "test": %q}],
"subnet4": [{"subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.64/26", "client-class": "it"}]}]`, tt.test))
			w.agent(append([]string{"-o", "ACD=off", "eth0"}, tt.args...)...)
			inPool(t, w.bound("eth0").Address)
		})
	}
}

// TestTwoAddresses gets separate leases for an interface and its alias. The
// interface needs a client identifier too: where a lease has none, dnsmasq
// takes the hardware address, which is the same.
func TestTwoAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	sniff := w.scripted(w.s, serverAddr, silent)
	w.agent("-o", "ACD=off", "-o", "V4_DEFAULT_IAID_DUID=yes", "eth0", "eth0:1")
	one, two := w.bound("eth0"), w.waitState("eth0:1", soon, "BOUND")
	if one.Address == two.Address {
		t.Fatalf("both have %s", one.Address)
	}
	if got := w.addrs("eth0"); len(got) != 2 {
		t.Errorf("addresses %v", got)
	}
	// RFC 4361 section 6.1: type 255, IAID, DUID.
	ids := make(map[string]int)
	for _, m := range sniff.Seen() {
		id := m.Get(peer.OptClientID)
		if len(id) < 5+10 || id[0] != 255 {
			t.Errorf("client identifier %x", id)
		}
		ids[string(id)]++
	}
	if len(ids) != 2 {
		t.Errorf("%d client identifiers in %v", len(ids), ids)
	}
	as, err := w.c.Addrs("eth0")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range as {
		if want := map[string]string{one.Address: "eth0", two.Address: "eth0:1"}[a.Prefix.Addr().String()]; a.Label != want {
			t.Errorf("%v has the label %q, want %q", a.Prefix, a.Label, want)
		}
	}
	n := 0
	for _, r := range w.routes("eth0") {
		if strings.HasPrefix(r, "0.0.0.0/0 ") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d default routes", n)
	}
	w.ctl(0, "eth0:1", "release")
	if got := w.addrs("eth0"); !slices.Equal(got, []string{one.Address + "/24"}) {
		t.Errorf("addresses after the release of the alias: %v", got)
	}
}

// TestAliasIdentity has the alias name itself though the interface does not.
func TestAliasIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var next byte = 70
	byID := map[string]byte{}
	w.scripted(w.s, serverAddr, func(m *peer.Message) []*peer.Message {
		id := string(m.Get(peer.OptClientID))
		if byID[id] == 0 {
			byID[id] = next
			next++
		}
		return peer.Simple(serverNet, netip.AddrFrom4([4]byte{192, 0, 2, byID[id]}), 300)(m)
	})
	w.agent("-o", "ACD=off", "eth0", "eth0:1")
	one, two := w.bound("eth0"), w.waitState("eth0:1", soon, "BOUND")
	if one.Address == two.Address {
		t.Errorf("both have %s", one.Address)
	}
}
