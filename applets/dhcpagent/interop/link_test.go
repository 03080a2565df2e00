//go:build interop

package interop

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/interop/peer"
	"daemonbox/core/rtnl"
)

// TestCarrier takes the carrier away for a while: the lease is confirmed when
// it is back, and the address stays.
func TestCarrier(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{time.Second, 5 * time.Second} {
		t.Run(away.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
			sniff := w.scripted(w.s, serverAddr, silent)
			w.agent("-o", "ACD=off", "eth0")
			addr := w.bound("eth0").Address
			r := w.record()
			before := len(sniff.Seen())
			if err := w.cable.Cut(); err != nil {
				t.Fatal(err)
			}
			w.wait(soon, "the default route goes", func() bool {
				return !slices.Contains(w.routes("eth0"), "0.0.0.0/0 via 192.0.2.1")
			})
			time.Sleep(away) // the wait is what is tested
			if err := w.cable.Heal(); err != nil {
				t.Fatal(err)
			}
			w.wait(soon, "the default route is back", func() bool {
				return slices.Contains(w.routes("eth0"), "0.0.0.0/0 via 192.0.2.1")
			})
			if st := w.bound("eth0"); st.Address != addr {
				t.Errorf("address %s, before %s", st.Address, addr)
			}
			steady(t, r, netip.MustParseAddr(addr))
			msgs := sniff.Seen()[before:]
			if len(msgs) == 0 || msgs[0].Type() != peer.Request || msgs[0].Addr(peer.OptRequested).String() != addr {
				t.Errorf("the carrier's return caused %d messages %+v", len(msgs), msgs)
			}
			if n := len(sniff.Seen(peer.Discover)); n != 1 {
				t.Errorf("%d DISCOVERs", n)
			}
		})
	}
}

// TestMovedNetwork brings the carrier back in another network: the server
// there refuses the old lease.
func TestMovedNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	other := w.lab.Switch("othersw")
	os := w.lab.Host("other", withPeers())
	w.lab.Link(os, "eth0", other, "pother")
	if err := os.AddAddr("eth0", netip.MustParsePrefix("198.51.100.1/24")); err != nil {
		t.Fatal(err)
	}
	w.dnsmasq(os, "--dhcp-range=198.51.100.64,198.51.100.127,120", "--dhcp-authoritative")
	w.agent("eth0")
	w.bound("eth0")
	if err := w.cable.Cut(); err != nil {
		t.Fatal(err)
	}
	// The cable is replugged by moving the port to a bridge of the same host
	// that only a further cable joins to the other network.
	err := w.sw.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		b.AddBridge("br1", rtnl.SetLinkOptions{Up: rtnl.Bool(true)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.lab.Link(w.sw, "up", other, "pup")
	err = w.sw.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		br, err := c.LinkByName("br1")
		if err != nil {
			return err
		}
		for _, name := range []string{"pc", "up"} {
			l, err := c.LinkByName(name)
			if err != nil {
				return err
			}
			b.SetLink(l.Index, rtnl.SetLinkOptions{Master: &br.Index})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cable.Heal(); err != nil {
		t.Fatal(err)
	}
	st := w.waitStatus("eth0", "bound in the other network", later, func(st statusResult) bool {
		return st.State == "BOUND" && strings.HasPrefix(st.Address, "198.51.100.")
	})
	w.wait(soon, "only the new address", func() bool { return slices.Equal(w.addrs("eth0"), []string{st.Address + "/24"}) })
	if w.hookCount("EXPIRE") != 1 {
		t.Errorf("hooks %q", w.hooks())
	}
}

// TestInterfaceGoes deletes the interface and makes a new one of the same
// name.
func TestInterfaceGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	w.waitSaved()
	if err := w.cable.Remove(); err != nil {
		t.Fatal(err)
	}
	w.wait(soon, "the agent forgets the interface", func() bool {
		r, err := w.call("status", "eth0", nil)
		return err == nil && r.Name == "UNKIF"
	})
	w.waitHook("DROP", 1, soon)
	if !w.exists("/var/lib/dhcpagent/eth0.dhc") {
		t.Error("the saved lease is gone")
	}
	// The interface is named on the command line, so a new one is started.
	w.cable = w.lab.Link(w.c, "eth0", w.sw, "pc2")
	inPool(t, w.bound("eth0").Address)
}

// TestInterfaceComesLate starts the agent before its interface is there.
func TestInterfaceComesLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.agent("-o", "ACD=off", "late*", "eth1")
	w.wait(soon, "the agent answers", func() bool { _, err := w.call("ping", "", nil); return err == nil })
	w.lab.Link(w.c, "eth1", w.sw, "pc2")
	w.lab.Link(w.c, "late0", w.sw, "pc3")
	inPool(t, w.bound("eth1").Address)
	inPool(t, w.bound("late0").Address)
	if r, err := w.call("status", "eth0", nil); err != nil || r.Name != "UNKIF" {
		t.Errorf("eth0, which was not named: %+v, %v", r, err)
	}
}

// TestRename gives the interface another name: the lease moves with it.
func TestRename(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.agent()
	w.wait(soon, "the agent answers", func() bool { _, err := w.call("ping", "", nil); return err == nil })
	w.ctl(0, "eth0", "start")
	addr := w.bound("eth0").Address
	w.waitSaved()
	if err := w.c.Rename("eth0", "lan0"); err != nil {
		t.Fatal(err)
	}
	if st := w.bound("lan0"); st.Address != addr {
		t.Errorf("address %s, before %s", st.Address, addr)
	}
	w.wait(soon, "the saved lease moves", func() bool {
		return w.exists("/var/lib/dhcpagent/lan0.dhc") && !w.exists("/var/lib/dhcpagent/eth0.dhc")
	})
	w.ctl(0, "lan0", "extend")
	w.ctl(0, "lan0", "release")
	if got := w.addrs("lan0"); len(got) != 0 {
		t.Errorf("addresses after release: %v", got)
	}
}

// TestDown sets the interface down and up: the kernel drops routes, the agent
// restores them.
func TestDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	w.agent("-o", "ACD=off", "eth0")
	addr := w.bound("eth0").Address
	for range 2 {
		if err := w.c.SetUp("eth0", false); err != nil {
			t.Fatal(err)
		}
		w.wait(soon, "the routes go", func() bool { return len(w.routes("eth0")) == 0 })
		if err := w.c.SetUp("eth0", true); err != nil {
			t.Fatal(err)
		}
		w.wait(soon, "the default route is back", func() bool {
			return slices.Contains(w.routes("eth0"), "0.0.0.0/0 via 192.0.2.1")
		})
		if st := w.bound("eth0"); st.Address != addr {
			t.Errorf("address %s, before %s", st.Address, addr)
		}
	}
}

// TestForeignChange lets somebody else delete the address or make it
// permanent: the agent lets go of it.
func TestForeignChange(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(w *world, p netip.Prefix) error
		left   int
	}{
		{"deleted", func(w *world, p netip.Prefix) error { return w.c.DelAddr("eth0", p) }, 0},
		{"made permanent", func(w *world, p netip.Prefix) error {
			return w.c.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
				l, err := c.LinkByName("eth0")
				if err == nil {
					b.AddAddr(rtnl.Addr{Index: l.Index, Prefix: p, Preferred: 0xffffffff, Valid: 0xffffffff}, true)
				}
				return err
			})
		}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
			w.agent("-o", "ACD=off", "eth0")
			st := w.bound("eth0")
			w.waitHook("BOUND", 1, soon)
			if err := tt.change(w, netip.PrefixFrom(netip.MustParseAddr(st.Address), st.PrefixLen)); err != nil {
				t.Fatal(err)
			}
			w.wait(soon, "the agent lets go", func() bool {
				r, err := w.call("status", "eth0", nil)
				return err == nil && r.Name == "UNKIF"
			})
			w.waitHook("DROP", 1, soon)
			if got := w.addrs("eth0"); len(got) != tt.left {
				t.Errorf("addresses %v, want %d", got, tt.left)
			}
			w.wait(soon, "the agent's routes go", func() bool {
				return !slices.Contains(w.routes("eth0"), "0.0.0.0/0 via 192.0.2.1")
			})
			if r, err := w.call("start", "eth0", nil); err != nil || r.Name != "SUCCESS" {
				t.Errorf("start after that: %+v, %v", r, err)
			}
		})
	}
}

// TestUnfit refuses what no DHCP can be done on.
func TestUnfit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lab.Link(w.c, "eth1", w.sw, "pc2")
	if err := w.c.SetMTU("eth1", 500); err != nil {
		t.Fatal(err)
	}
	err := w.c.Change(func(_ *rtnl.Conn, b *rtnl.Batch) error {
		b.AddBridge("br0", rtnl.SetLinkOptions{})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.lab.Link(w.c, "eth2", w.sw, "pc3")
	err = w.c.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		br, err := c.LinkByName("br0")
		if err != nil {
			return err
		}
		l, err := c.LinkByName("eth2")
		b.SetLink(l.Index, rtnl.SetLinkOptions{Master: &br.Index})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.agent()
	w.wait(soon, "the agent answers", func() bool { _, err := w.call("ping", "", nil); return err == nil })
	for name, why := range map[string]string{
		"lo":                "loopback",
		"eth1":              "an MTU of 500",
		"eth2":              "a port of a bridge",
		"none0":             "not there",
		"../../etc/passwd":  "a slash",
		"a234567890123456":  "16 octets",
		"eth 0":             "a blank",
		"eth0\x00":          "a NUL",
		"eth0:12345678901x": "too long with its suffix",
	} {
		// A name that can be no interface's may be called a malformed request.
		if r, err := w.call("start", name, ms(0)); err != nil || r.Name != "INVIF" && r.Name != "PROTO" {
			t.Errorf("%s: %+v, %v", why, r, err)
		}
	}
}
