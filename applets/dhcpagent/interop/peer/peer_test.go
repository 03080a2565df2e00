//go:build interop

package peer

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"daemonbox/core/netlab"
)

// servers hand out 192.0.2.100 to .150 on eth0, router .1.
var servers = map[string]func(h *netlab.Host) (*Server, error){
	"dnsmasq": func(h *netlab.Host) (*Server, error) {
		return Dnsmasq(h, "--interface=eth0", "--dhcp-range=192.0.2.100,192.0.2.150,60")
	},
	"dhcpd": func(h *netlab.Host) (*Server, error) {
		return Dhcpd(h, `
default-lease-time 60; max-lease-time 60; authoritative; ping-check false;
subnet 192.0.2.0 netmask 255.255.255.0 { range 192.0.2.100 192.0.2.150; option routers 192.0.2.1; }
`, "eth0")
	},
	"kea": func(h *netlab.Host) (*Server, error) {
		return Kea(h, `
"interfaces-config": {"interfaces": ["eth0"]}, "valid-lifetime": 60,
"subnet4": [{"subnet": "192.0.2.0/24", "pools": [{"pool": "192.0.2.100-192.0.2.150"}],
  "option-data": [{"name": "routers", "data": "192.0.2.1"}]}]`)
	},
}

// TestPeersAmongThemselves proves the foreign programs work in a lab before
// anything of ours is tested against them.
func TestPeersAmongThemselves(t *testing.T) {
	t.Parallel()
	root, err := netlab.Peers()
	if err != nil {
		t.Fatal(err)
	}
	for name, start := range servers {
		for _, c := range Clients() {
			t.Run(c.Name+" from "+name, func(t *testing.T) {
				t.Parallel()
				lab := netlab.T(t)
				s, h := lab.Host("server", netlab.Overlay(root)), lab.Host("client", netlab.Overlay(root))
				lab.Link(h, "eth0", s, "eth0")
				if err := s.AddAddr("eth0", netip.MustParsePrefix("192.0.2.1/24")); err != nil {
					t.Fatal(err)
				}
				srv, err := start(s)
				if err != nil {
					t.Fatal(err)
				}
				p, err := c.Start(h, "eth0", c.NoACD...)
				if err != nil {
					t.Fatal(err)
				}
				var addrs, routes string
				err = netlab.Wait(20*time.Second, func() (bool, error) {
					addrs, _ = h.Run("ip", "-4", "addr", "show", "eth0")
					routes, _ = h.Run("ip", "route")
					return strings.Contains(addrs, "inet 192.0.2.1") && strings.Contains(routes, "default via 192.0.2.1 "), nil
				})
				leases, lerr := srv.Leases()
				if err != nil || lerr != nil || !strings.Contains(leases, "192.0.2.1") {
					t.Errorf("%v, %v\n%s%s%s\nclient: %s\nserver: %s", err, lerr, addrs, routes, leases, p.Output(), srv.Output())
				}
			})
		}
	}
}
