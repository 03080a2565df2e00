package dhcpagent

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/file"
	"daemonbox/core/timer"
)

// Where an initramfs and the kernel's own client (ip=dhcp) leave what they
// got.
const (
	netConfGlob = "/run/net-*.conf"
	procPNP     = "/proc/net/pnp"
)

// adoptionLimit is the largest description of a boot configuration.
const adoptionLimit = 64 << 10

// adopt takes over the lease a boot loader or an initramfs obtained, so that
// a system whose root is on the network keeps its address. When it began is
// not known, so it is extended at once.
func (a *agent) adopt() error {
	s, name, err := a.findAdoption()
	if err != nil {
		return fmt.Errorf("adopt the boot lease: %w", err)
	}
	link, err := a.conn.LinkByName(name)
	if err != nil {
		return fmt.Errorf("adopt the boot lease: interface %q: %w", name, err)
	}
	s.HWType, s.HWAddr, s.Adopted = link.Type, link.HW, true
	if c := a.clients[name]; c != nil {
		return nil // an operand started it; INIT-REBOOT does the same job
	}
	a.primary = name
	c, err := a.newClient(a.pifFor(&link), name, false, true)
	if err != nil {
		return fmt.Errorf("adopt the boot lease: %w", err)
	}
	c.adopted = true
	c.adoptAddress(savedAddr(s))
	c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Adopt(now, s, out) })
	if c.removed {
		return errors.New("adopt the boot lease: it is not usable any more; its address is left in place")
	}
	c.adopted = false
	return nil
}

// adoptAddress makes an address that stands already the client's own: it is
// never missing for a moment.
func (c *client) adoptAddress(want netip.Addr) {
	addrs, err := c.a.conn.Addrs(c.pif.index, unix.AF_INET)
	if err != nil {
		return
	}
	for _, ad := range addrs {
		if ad.Prefix.Addr() == want {
			c.inst.addr = ad
		}
	}
}

// findAdoption looks for the boot lease: the file named on the command line,
// the initramfs's descriptions, the kernel's.
func (a *agent) findAdoption() (*dhcp4.Saved, string, error) {
	if a.opt.adoptFile != "" {
		return a.adoptSaved(a.opt.adoptFile)
	}
	if paths, _ := filepath.Glob(netConfGlob); len(paths) > 0 {
		slices.Sort(paths)
		for _, p := range paths {
			if b, _, err := file.Read(p, adoptionLimit); err == nil {
				if l, dev, ok := parseNetConf(string(b)); ok {
					return a.adoptBoot(l), dev, nil
				}
			}
		}
	}
	b, _, err := file.Read(procPNP, adoptionLimit)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", err
	}
	l, ok := parsePNP(string(b))
	if !ok {
		return nil, "", errors.New("neither " + netConfGlob + " nor " + procPNP + " describes a DHCP lease; name a saved lease with --adopt-file")
	}
	return a.adoptPNP(l)
}

// adoptSaved takes a saved lease; its interface is the one with its hardware
// address.
func (a *agent) adoptSaved(path string) (*dhcp4.Saved, string, error) {
	s, err := a.leases.loadFile(path)
	if err != nil {
		return nil, "", err
	}
	if s == nil {
		return nil, "", fmt.Errorf("%s does not exist", path)
	}
	links, err := a.conn.Links()
	if err != nil {
		return nil, "", err
	}
	for _, l := range links {
		if l.Type == s.HWType && string(l.HW) == string(s.HWAddr) {
			return s, l.Name, nil
		}
	}
	return nil, "", fmt.Errorf("%s: no interface has the hardware address of the lease", path)
}

// adoptBoot makes a lease of a description without packets.
func (a *agent) adoptBoot(l *dhcp4.BootLease) *dhcp4.Saved {
	return &dhcp4.Saved{Current: l.AppendACK(nil), Start: a.loop.Now()}
}

// adoptPNP finds the interface and the address that the kernel's own client
// configured: /proc/net/pnp names neither.
func (a *agent) adoptPNP(l *dhcp4.BootLease) (*dhcp4.Saved, string, error) {
	routes, err := a.conn.Routes(unix.AF_INET)
	if err != nil {
		return nil, "", err
	}
	for _, r := range routes {
		if r.Dst.Bits() != 0 || !r.Gateway.IsValid() {
			continue
		}
		link, err := a.conn.LinkByIndex(r.Index)
		if err != nil {
			continue
		}
		addrs, err := a.conn.Addrs(r.Index, unix.AF_INET)
		if err != nil {
			continue
		}
		for _, ad := range addrs {
			if ad.Prefix.Contains(r.Gateway) {
				l.Address, l.Routers = ad.Prefix, []netip.Addr{r.Gateway}
				return a.adoptBoot(l), link.Name, nil
			}
		}
	}
	return nil, "", errors.New(procPNP + " names a server, but no interface has an address and a default route")
}

// parseNetConf reads a klibc-style description: NAME='value' lines. DEVICE,
// PROTO, IPV4ADDR, IPV4NETMASK, IPV4GATEWAY, IPV4DNS0, IPV4DNS1, DNSDOMAIN,
// ROOTSERVER, DHCPLEASETIME.
func parseNetConf(text string) (*dhcp4.BootLease, string, bool) {
	v := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && len(v) < 64 {
			v[name] = strings.Trim(value, `'"`)
		}
	}
	if p := v["PROTO"]; p != "" && p != "dhcp" && p != "both" {
		return nil, "", false
	}
	addr, err := netip.ParseAddr(v["IPV4ADDR"])
	if err != nil || !validIfName(v["DEVICE"]) {
		return nil, "", false
	}
	l := &dhcp4.BootLease{Address: netip.PrefixFrom(addr, maskBits(v["IPV4NETMASK"])), Domain: v["DNSDOMAIN"]}
	l.Server = firstAddr(v["IPV4SERVER"], v["ROOTSERVER"])
	l.Routers = addrList(v["IPV4GATEWAY"])
	l.DNS = addrList(v["IPV4DNS0"], v["IPV4DNS1"])
	if s, err := time.ParseDuration(v["DHCPLEASETIME"] + "s"); err == nil && s > 0 {
		l.Lease = s
	}
	return l, v["DEVICE"], true
}

// parsePNP reads the kernel's description: "#PROTO: DHCP", "domain D",
// "nameserver A", "bootserver A".
func parsePNP(text string) (*dhcp4.BootLease, bool) {
	l := &dhcp4.BootLease{}
	dhcp := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "#PROTO:":
			dhcp = f[1] == "DHCP"
		case "domain":
			l.Domain = f[1]
		case "nameserver":
			l.DNS = append(l.DNS, addrList(f[1])...)
		case "bootserver":
			l.Server = firstAddr(f[1])
		}
	}
	return l, dhcp
}

// maskBits counts the bits of a dotted mask; 24 where there is none.
func maskBits(s string) int {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return 24
	}
	bits := 0
	for _, x := range a.As4() {
		for ; x != 0; x <<= 1 {
			bits++
		}
	}
	return bits
}

func addrList(ss ...string) (as []netip.Addr) {
	for _, s := range ss {
		if a, err := netip.ParseAddr(s); err == nil && a.Is4() && !a.IsUnspecified() {
			as = append(as, a)
		}
	}
	return as
}

func firstAddr(ss ...string) netip.Addr {
	if as := addrList(ss...); len(as) > 0 {
		return as[0]
	}
	return netip.Addr{}
}
