package dhcpagent

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"daemonbox/applets/dhcpagent/dhcp4"
)

var compareAddrs = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestParseNetConf(t *testing.T) {
	l, dev, ok := parseNetConf(`DEVICE='eth0'
PROTO='dhcp'
IPV4ADDR='10.1.2.3'
IPV4BROADCAST='10.1.3.255'
IPV4NETMASK='255.255.254.0'
IPV4GATEWAY='10.1.2.1'
IPV4DNS0='10.1.2.2'
IPV4DNS1='0.0.0.0'
HOSTNAME=''
DNSDOMAIN='example.net'
ROOTSERVER='10.1.2.9'
DHCPLEASETIME='600'
`)
	if !ok || dev != "eth0" {
		t.Fatalf("device %q, %v", dev, ok)
	}
	want := &dhcp4.BootLease{
		Address: netip.MustParsePrefix("10.1.2.3/23"),
		Server:  netip.MustParseAddr("10.1.2.9"),
		Routers: []netip.Addr{netip.MustParseAddr("10.1.2.1")},
		DNS:     []netip.Addr{netip.MustParseAddr("10.1.2.2")},
		Domain:  "example.net",
		Lease:   10 * time.Minute,
	}
	if d := cmp.Diff(want, l, compareAddrs); d != "" {
		t.Error(d)
	}
}

func TestParseNetConfRefuses(t *testing.T) {
	for _, text := range []string{
		"",
		"DEVICE=eth0\n",
		"DEVICE=eth0\nIPV4ADDR=fe80::1\nPROTO=none\n",
		"DEVICE=../../x\nIPV4ADDR=10.0.0.1\n",
		"DEVICE=eth0\nPROTO=static\nIPV4ADDR=10.0.0.1\n",
		"DEVICE=eth0\nIPV4ADDR=300.0.0.1\n",
	} {
		if l, dev, ok := parseNetConf(text); ok {
			t.Errorf("%q was taken: %v on %q", text, l, dev)
		}
	}
}

func TestParsePNP(t *testing.T) {
	l, ok := parsePNP("#PROTO: DHCP\ndomain example.net\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nbootserver 10.0.0.1\n")
	want := &dhcp4.BootLease{
		Domain: "example.net",
		DNS:    []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")},
		Server: netip.MustParseAddr("10.0.0.1"),
	}
	if !ok {
		t.Fatal("not taken")
	}
	if d := cmp.Diff(want, l, compareAddrs); d != "" {
		t.Error(d)
	}
	if _, ok := parsePNP("#MANUAL\nnameserver 10.0.0.2\n"); ok {
		t.Error("took a configuration that is not DHCP's")
	}
}

// An adopted lease goes through the same parser as a server's answer.
func TestAdoptedLeaseParses(t *testing.T) {
	l := &dhcp4.BootLease{
		Address: netip.MustParsePrefix("10.1.2.3/23"),
		Server:  netip.MustParseAddr("10.1.2.9"),
		Routers: []netip.Addr{netip.MustParseAddr("10.1.2.1")},
	}
	var m dhcp4.Message
	if r := dhcp4.Parse(&m, l.AppendACK(nil), netip.AddrPort{}, false); r != 0 {
		t.Fatalf("refused: %s", r)
	}
	if lease, ok := m.Uint32(51); !ok || lease != 3600 {
		t.Errorf("lease of unknown length is %d s, %v; want an hour", lease, ok)
	}
	if m.YIAddr != l.Address.Addr() || m.ServerID() != l.Server {
		t.Errorf("address %v from %v", m.YIAddr, m.ServerID())
	}
}

func FuzzParseNetConf(f *testing.F) {
	f.Add("DEVICE='eth0'\nIPV4ADDR='10.1.2.3'\nIPV4NETMASK='255.0.255.0'\nDHCPLEASETIME='99999999999'\n")
	f.Add("#PROTO: DHCP\nbootserver 10.0.0.1\n")
	f.Fuzz(func(t *testing.T, text string) {
		parsePNP(text)
		l, dev, ok := parseNetConf(text)
		if !ok {
			return
		}
		if !validIfName(dev) {
			t.Errorf("interface name %q", dev)
		}
		var m dhcp4.Message
		dhcp4.Parse(&m, l.AppendACK(nil), netip.AddrPort{}, false)
	})
}
