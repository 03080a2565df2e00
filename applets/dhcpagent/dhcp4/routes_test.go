package dhcp4

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"pgregory.net/rapid"

	"daemonbox/core/timer"
)

// text of routes: "dst via gateway" or "dst".
func routeText(list []Route) []string {
	var out []string
	for _, r := range list {
		s := r.Dst.String()
		if r.Gateway.IsValid() {
			s += " via " + r.Gateway.String()
		}
		out = append(out, s)
	}
	return out
}

// warningText is level and text of each warning.
func warningText(list []Warning) []string {
	var out []string
	for _, w := range list {
		out = append(out, w.Level.String()+" "+w.Text)
	}
	return out
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

const (
	malformedRoutes = "WARN classless routes malformed, not used"
	badGateway      = "WARN route left out: unusable gateway"
	denied          = "INFO route left out: denied by configuration"
	viaDefault      = "\x00\xc0\x00\x02\xfe" // 0.0.0.0/0 via 192.0.2.254
	viaTen          = "\x08\x0a\xc0\x00\x02\xfe"
	viaHost         = "\x20\x0a\x01\x02\x03\xc0\x00\x02\xfe"
)

// TestRoutes: the address is 192.0.2.10/24.
func TestRoutes(t *testing.T) {
	host31 := tlv(optMask, ips("255.255.255.255"))
	tests := []struct {
		name    string
		cfg     Config
		options string
		want    []string
		warn    []string
	}{
		{name: "none"},
		{
			name: "routers in order", options: tlv(3, ips("192.0.2.2", "192.0.2.1")),
			want: []string{"0.0.0.0/0 via 192.0.2.2", "0.0.0.0/0 via 192.0.2.1"},
		},
		{name: "same router twice", options: tlv(3, ips("192.0.2.2", "192.0.2.2")), want: []string{"0.0.0.0/0 via 192.0.2.2"}},
		{name: "malformed list of routers", options: tlv(3, ips("192.0.2.2")+"\x01"), warn: []string{"WARN list of routers malformed, not used"}},
		{
			name: "unusable routers", options: tlv(3, ips("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.10", "192.0.2.0", "192.0.2.255", "192.0.2.7")),
			want: []string{"0.0.0.0/0 via 192.0.2.7"},
			warn: []string{badGateway, badGateway, badGateway, badGateway, badGateway, badGateway, badGateway},
		},
		{
			name: "no default on an alias", cfg: Config{Alias: true}, options: tlv(3, ips("192.0.2.1")),
			warn: []string{"DEBUG route left out: no default routes on an additional interface"},
		},
		{name: "router off-link", options: tlv(3, ips("10.0.0.1")), want: []string{"10.0.0.1/32", "0.0.0.0/0 via 10.0.0.1"}},
		{
			name: "two routers off-link", options: tlv(3, ips("10.0.0.1", "10.0.0.2")),
			want: []string{"10.0.0.1/32", "10.0.0.2/32", "0.0.0.0/0 via 10.0.0.1", "0.0.0.0/0 via 10.0.0.2"},
		},

		{
			name: "classless", options: tlv(121, viaDefault+viaTen+viaHost+"\x1f\x0a\x00\x00\x03\x00\x00\x00\x00"),
			want: []string{"10.0.0.2/31", "10.1.2.3/32 via 192.0.2.254", "10.0.0.0/8 via 192.0.2.254", "0.0.0.0/0 via 192.0.2.254"},
		},
		{
			name: "classless replaces 3 and 33", options: tlv(121, viaTen) + tlv(3, ips("192.0.2.1")) + tlv(33, ips("10.0.0.0", "192.0.2.1")),
			want: []string{"10.0.0.0/8 via 192.0.2.254"},
		},
		{name: "host bits", options: tlv(121, "\x09\x0a\xff\xc0\x00\x02\xfe"), want: []string{"10.128.0.0/9 via 192.0.2.254"}},
		{
			name: "on-link gateway for a default", options: tlv(121, "\x20\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x0a\x00\x00\x01"),
			want: []string{"10.0.0.1/32", "0.0.0.0/0 via 10.0.0.1"},
		},
		{
			name: "the same, default first", options: tlv(121, "\x00\x0a\x00\x00\x01\x20\x0a\x00\x00\x01\x00\x00\x00\x00"),
			want: []string{"10.0.0.1/32", "0.0.0.0/0 via 10.0.0.1"},
		},
		{
			name: "gateway in an on-link net", options: tlv(121, "\x00\x0a\x00\x00\x01\x08\x0a\x00\x00\x00\x00"),
			want: []string{"10.0.0.0/8", "0.0.0.0/0 via 10.0.0.1"},
		},
		{
			name: "gateway behind a gateway", options: tlv(121, "\x00\x0a\x00\x00\x01"+viaTen),
			want: []string{"10.0.0.1/32", "10.0.0.0/8 via 192.0.2.254", "0.0.0.0/0 via 10.0.0.1"},
		},
		{name: "on-link default", options: tlv(121, "\x00\x00\x00\x00\x00"), want: []string{"0.0.0.0/0"}},
		{name: "own subnet", options: tlv(121, "\x18\xc0\x00\x02\x00\x00\x00\x00"+viaTen), want: []string{"10.0.0.0/8 via 192.0.2.254"}},
		{name: "/32 lease", options: host31 + tlv(121, "\x00\xc0\x00\x02\x01"), want: []string{"192.0.2.1/32", "0.0.0.0/0 via 192.0.2.1"}},
		{
			name: "width 33", options: tlv(121, viaTen+"\x21\x0a\x00\x00\x00\x00\xc0\x00\x02\xfe") + tlv(3, ips("192.0.2.1")),
			want: []string{"0.0.0.0/0 via 192.0.2.1"}, warn: []string{malformedRoutes},
		},
		{
			name: "cut in the router", options: tlv(121, viaTen[:5]) + tlv(3, ips("192.0.2.1")),
			want: []string{"0.0.0.0/0 via 192.0.2.1"}, warn: []string{malformedRoutes},
		},
		{name: "cut in the destination", options: tlv(121, "\x18\x0a"), warn: []string{malformedRoutes}},
		{
			name: "no default on an alias, classless", cfg: Config{Alias: true}, options: tlv(121, viaDefault+viaTen),
			want: []string{"10.0.0.0/8 via 192.0.2.254"}, warn: []string{"DEBUG route left out: no default routes on an additional interface"},
		},
		{
			name: "bad destinations and gateways", options: tlv(121, "\x08\x7f\xc0\x00\x02\xfe\x20\xc0\x00\x02\x0a\xc0\x00\x02\xfe\x08\x0a\x7f\x00\x00\x01"),
			warn: []string{"WARN route left out: unusable destination", "WARN route left out: unusable destination", badGateway},
		},
		{
			name: "too many", options: tlv(121, strings.Repeat(viaTen, 42)) + tlv(121, strings.Repeat(viaTen, 42)), want: []string{"10.0.0.0/8 via 192.0.2.254"},
			warn: []string{"WARN route left out: too many routes"},
		},

		{name: "249 is not asked for", options: tlv(249, viaTen) + tlv(3, ips("192.0.2.1")), want: []string{"0.0.0.0/0 via 192.0.2.1"}},
		{name: "249", cfg: Config{MSRoutes: true}, options: tlv(249, viaTen) + tlv(3, ips("192.0.2.1")), want: []string{"10.0.0.0/8 via 192.0.2.254"}},
		{name: "121 before 249", cfg: Config{MSRoutes: true}, options: tlv(249, viaTen) + tlv(121, viaHost), want: []string{"10.1.2.3/32 via 192.0.2.254"}},

		{
			name: "static routes", options: tlv(33, ips("10.0.0.0", "192.0.2.1", "172.16.0.0", "192.0.2.2", "192.168.7.0", "192.0.2.3", "10.1.2.3", "192.0.2.4")),
			want: []string{"10.1.2.3/32 via 192.0.2.4", "10.0.0.0/8 via 192.0.2.1", "172.16.0.0/16 via 192.0.2.2", "192.168.7.0/24 via 192.0.2.3"},
		},
		{
			name: "static routes and router", options: tlv(33, ips("10.0.0.0", "192.0.2.1")) + tlv(3, ips("192.0.2.1")),
			want: []string{"10.0.0.0/8 via 192.0.2.1", "0.0.0.0/0 via 192.0.2.1"},
		},
		{
			name: "static default", options: tlv(33, ips("0.0.0.0", "192.0.2.1", "10.0.0.0", "0.0.0.0")),
			warn: []string{"WARN route left out: malformed value", "WARN route left out: malformed value"},
		},
		{
			name: "static route cut", options: tlv(33, ips("10.0.0.0", "192.0.2.1", "11.0.0.0")),
			want: []string{"10.0.0.0/8 via 192.0.2.1"}, warn: []string{"WARN static routes: incomplete entry left out"},
		},

		{
			name: "default only", cfg: Config{RouteAllow: RoutesDefaultOnly}, options: tlv(121, viaDefault+viaTen),
			want: []string{"0.0.0.0/0 via 192.0.2.254"}, warn: []string{denied},
		},
		{
			name: "default only, off-link", cfg: Config{RouteAllow: RoutesDefaultOnly}, options: tlv(3, ips("10.0.0.1")),
			want: []string{"10.0.0.1/32", "0.0.0.0/0 via 10.0.0.1"},
		},
		{name: "no routes", cfg: Config{RouteAllow: RoutesNone}, options: tlv(121, viaDefault+viaTen), warn: []string{denied, denied}},
		{
			name: "denied prefix", cfg: Config{RouteDeny: prefixes("10.0.0.0/8")}, options: tlv(121, viaDefault+viaTen+viaHost+"\x01\x00\xc0\x00\x02\xfe"),
			want: []string{"0.0.0.0/0 via 192.0.2.254"}, warn: []string{denied, denied, denied},
		},
		{name: "denied gateway", cfg: Config{RouteDeny: prefixes("10.0.0.0/8")}, options: tlv(3, ips("10.0.0.1")), warn: []string{denied}},
		{name: "denied default", cfg: Config{RouteDeny: prefixes("0.0.0.0/0")}, options: tlv(3, ips("192.0.2.1")), warn: []string{denied}},
	}
	for _, tt := range tests {
		mask := ackOptions(tt.options)
		if strings.HasPrefix(tt.options, host31) {
			mask = strings.Replace(mask, tlv(optMask, ips("255.255.255.0")), "", 1)
		}
		var m Message
		if r := Parse(&m, reply{yiaddr: "192.0.2.10", options: mask}.bytes(), netip.AddrPort{}, false); r != DropNone {
			t.Fatal(tt.name, r)
		}
		n, warn := BuildNet(&tt.cfg, &m, timer.Never)
		if diff := cmp.Diff(tt.want, routeText(n.Routes)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.warn, warningText(warn)); diff != "" {
			t.Errorf("%s: warnings: %s", tt.name, diff)
		}
	}
}

func TestClassBits(t *testing.T) {
	for a, want := range map[string]int{"10.0.0.1": 8, "127.255.0.0": 8, "128.0.0.1": 16, "191.255.0.1": 16, "192.0.0.1": 24, "223.0.0.1": 24, "240.0.0.1": 24} {
		if got := classBits(netip.MustParseAddr(a)); got != want {
			t.Errorf("classBits(%s) = %d, want %d", a, got, want)
		}
	}
}

// TestClasslessLibrary compares with the library's codec.
func TestClasslessLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []Route
		var v []byte
		for range rapid.IntRange(1, 20).Draw(t, "routes") {
			b := rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "octets")
			r := Route{Dst: netip.PrefixFrom(netip.AddrFrom4([4]byte(b)), rapid.IntRange(0, 32).Draw(t, "width")).Masked()}
			if gw := [4]byte(b[4:]); gw != [4]byte{} {
				r.Gateway = netip.AddrFrom4(gw)
			}
			want = append(want, r)
			v = append(v, uint8(r.Dst.Bits()))
			dst := r.Dst.Addr().As4()
			v = append(v, dst[:(r.Dst.Bits()+7)/8]...)
			v = append(v, b[4:]...)
		}
		got, ok := parseClassless(v)
		if !ok || !slices.Equal(got, want) {
			t.Fatalf("%v, %v, want %v", got, ok, want)
		}
		var lib dhcpv4.Routes
		if err := lib.FromBytes(v); err != nil || len(lib) != len(want) {
			t.Fatalf("library: %v", err)
		}
		for i, r := range lib {
			ones, _ := r.Dest.Mask.Size()
			if r.Dest.IP.String() != want[i].Dst.Addr().String() || ones != want[i].Dst.Bits() {
				t.Fatalf("library has %v, want %v", r, want[i])
			}
		}
	})
}

// checkRoutes tells what is wrong with routes that are to be installed.
func checkRoutes(n *NetConfig) string {
	for i, r := range n.Routes {
		if i > 0 && rank(n.Routes[i-1]) > rank(r) {
			return "order"
		}
		if r.Dst != r.Dst.Masked() {
			return "host bits"
		}
		if slices.Contains(n.Routes[:i], r) {
			return "twice"
		}
		if !r.Gateway.IsValid() {
			continue
		}
		reached := n.Addr.Contains(r.Gateway) || slices.ContainsFunc(n.Routes[:i], func(o Route) bool {
			return !o.Gateway.IsValid() && o.Dst.Contains(r.Gateway)
		})
		if !reached {
			return "gateway out of reach: " + r.Gateway.String()
		}
	}
	if len(n.Routes) > 4*maxRoutes {
		return "too many"
	}
	return ""
}

func FuzzRoutes(f *testing.F) {
	f.Add([]byte(viaDefault+viaTen+viaHost), []byte(ips("10.0.0.0", "192.0.2.1")), []byte(ips("192.0.2.1")), uint8(24), uint8(0))
	f.Add([]byte("\x00\x0a\x00\x00\x01\x20\x0a\x00\x00\x01\x00\x00\x00\x00"), []byte{}, []byte{}, uint8(32), uint8(0x15))
	f.Add([]byte("\x21\x00"), []byte(ips("0.0.0.0", "0.0.0.0")), []byte(ips("10.0.0.1", "10.0.0.2")), uint8(31), uint8(0x1a))
	f.Fuzz(func(t *testing.T, classless, static, routers []byte, bits, flags uint8) {
		cfg := Config{Alias: flags&1 != 0, MSRoutes: flags&2 != 0, RouteAllow: RoutePolicy(flags >> 2 & 3 % 3), Allow240: flags&16 != 0}
		if flags&32 != 0 {
			cfg.RouteDeny = prefixes("10.0.0.0/8")
		}
		b := reply{yiaddr: "192.0.2.10", options: tlv(optMask, u32(^uint32(0)<<(32-bits%33))), noEnd: true}.bytes()
		b = appendOption(b, optRoutes, classless)
		b = appendOption(b, optStaticRoutes, static)
		b = appendOption(b, optRouter, routers)
		var m Message
		if Parse(&m, b, netip.AddrPort{}, false) != DropNone {
			return
		}
		n, _ := BuildNet(&cfg, &m, timer.Never)
		if bad := checkRoutes(n); bad != "" {
			t.Fatalf("%s: %v", bad, routeText(n.Routes))
		}
		for _, r := range n.Routes {
			if cfg.Alias && r.Dst.Bits() == 0 || len(cfg.RouteDeny) > 0 && r.Dst.Bits() > 0 && cfg.RouteDeny[0].Overlaps(r.Dst) {
				t.Fatalf("route %v against the configuration", r)
			}
		}
	})
}
