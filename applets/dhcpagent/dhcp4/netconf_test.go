package dhcp4

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemonbox/core/timer"
)

func TestBuildNet(t *testing.T) {
	m := ack(tlv(3, ips("192.0.2.254")) + tlv(6, ips("192.0.2.53", "192.0.2.54", "192.0.2.53")) + tlv(42, ips("192.0.2.123")) +
		tlv(15, "example.org.") + tlv(26, "\x05\x78") + tlv(28, ips("192.0.2.255")) + tlv(119, "\x03eng\x07example\x03org\x00\x03mkt\xc0\x04"))
	addrs := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	pfx := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	want := &NetConfig{
		Addr: netip.MustParsePrefix("192.0.2.10/24"), Broadcast: netip.MustParseAddr("192.0.2.255"), Expires: 99,
		Routes: []Route{{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParseAddr("192.0.2.254")}},
		Server: netip.MustParseAddr("192.0.2.1"),
		DNS:    []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("192.0.2.54")},
		NTP:    []netip.Addr{netip.MustParseAddr("192.0.2.123")},
		Domain: "example.org", Search: []string{"eng.example.org", "mkt.example.org"},
	}
	for mode, set := range map[MTUMode]func(*NetConfig, int){
		MTUIgnore: func(*NetConfig, int) {},
		MTULink:   func(n *NetConfig, mtu int) { n.MTU = mtu },
		MTURoute:  func(n *NetConfig, mtu int) { n.RouteMTU = mtu },
	} {
		w := *want
		set(&w, 1400)
		got, warn := BuildNet(&Config{MTU: mode}, m, timer.Time(99))
		if diff := cmp.Diff(&w, got, addrs, pfx); diff != "" || warn != nil {
			t.Errorf("MTU mode %d: %s%v", mode, diff, warningText(warn))
		}
	}
}

func TestBuildNetMask(t *testing.T) {
	const classful = "WARN no usable subnet mask, taking that of the address class"
	tests := []struct {
		name, yiaddr, options string
		addr, broadcast       string
		warn                  []string
	}{
		{"/24", "192.0.2.10", tlv(1, "\xff\xff\xff\x00"), "192.0.2.10/24", "192.0.2.255", nil},
		{"/1", "192.0.2.10", tlv(1, "\x80\x00\x00\x00"), "192.0.2.10/1", "255.255.255.255", nil},
		{"/30", "192.0.2.10", tlv(1, "\xff\xff\xff\xfc"), "192.0.2.10/30", "192.0.2.11", nil},
		{"/31", "192.0.2.10", tlv(1, "\xff\xff\xff\xfe") + tlv(28, ips("192.0.2.11")), "192.0.2.10/31", "invalid IP", nil},
		{"/32", "192.0.2.10", tlv(1, "\xff\xff\xff\xff"), "192.0.2.10/32", "invalid IP", nil},
		{"none, class A", "10.1.2.3", "", "10.1.2.3/8", "10.255.255.255", []string{classful}},
		{"none, class B", "172.16.2.3", "", "172.16.2.3/16", "172.16.255.255", []string{classful}},
		{"none, class C", "192.0.2.3", "", "192.0.2.3/24", "192.0.2.255", []string{classful}},
		{"zero", "10.1.2.3", tlv(1, "\x00\x00\x00\x00"), "10.1.2.3/8", "10.255.255.255", []string{classful}},
		{"hole", "10.1.2.3", tlv(1, "\xff\x00\xff\x00"), "10.1.2.3/8", "10.255.255.255", []string{classful}},
		{"three octets", "10.1.2.3", tlv(1, "\xff\xff\xff"), "10.1.2.3/8", "10.255.255.255", []string{classful}},
		{"eight octets", "10.1.2.3", tlv(1, "\xff\xff\xff\x00\xff\xff\xff\x00"), "10.1.2.3/8", "10.255.255.255", []string{classful}},
		{
			"other broadcast", "192.0.2.10", tlv(1, "\xff\xff\xff\x00") + tlv(28, ips("192.0.2.0")), "192.0.2.10/24", "192.0.2.255",
			[]string{"INFO server's broadcast address does not fit the mask, ignored"},
		},
		{"broadcast of other length", "192.0.2.10", tlv(1, "\xff\xff\xff\x00") + tlv(28, "\x01"), "192.0.2.10/24", "192.0.2.255", nil},
	}
	for _, tt := range tests {
		var m Message
		if r := Parse(&m, reply{yiaddr: tt.yiaddr, options: tt.options}.bytes(), netip.AddrPort{}, false); r != DropNone {
			t.Fatal(tt.name, r)
		}
		n, warn := BuildNet(&Config{}, &m, timer.Never)
		if n.Addr.String() != tt.addr || n.Broadcast.String() != tt.broadcast {
			t.Errorf("%s: %s, broadcast %s", tt.name, n.Addr, n.Broadcast)
		}
		if diff := cmp.Diff(tt.warn, warningText(warn)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestBuildNetValues(t *testing.T) {
	mtu := "WARN MTU malformed or too small, ignored"
	tests := []struct {
		name, options string
		want          NetConfig
		warn          []string
	}{
		{"MTU 576", tlv(26, "\x02\x40"), NetConfig{MTU: 576}, nil},
		{"MTU 575", tlv(26, "\x02\x3f"), NetConfig{}, []string{mtu}},
		{"MTU 65535", tlv(26, "\xff\xff"), NetConfig{MTU: 65535}, nil},
		{"MTU of four octets", tlv(26, "\x00\x00\x05\xdc"), NetConfig{}, []string{mtu}},
		{"bad domain", tlv(15, "a;b"), NetConfig{}, []string{"WARN domain name not usable"}},
		{"several domains", tlv(15, "a.org b.org"), NetConfig{}, []string{"WARN domain name not usable"}},
		{"domain with NUL", tlv(15, "a.org\x00"), NetConfig{Domain: "a.org"}, nil},
		{"search, one bad", tlv(119, "\x01a\x00\x03b;c\x00\x01d\x00"), NetConfig{Search: []string{"a", "d"}}, []string{"WARN search list: names left out"}},
		{"search, dot in a label", tlv(119, "\x03a.b\x00"), NetConfig{}, []string{"WARN search list: names left out"}},
		{"search, root", tlv(119, "\x00\x01a\x00"), NetConfig{Search: []string{"a"}}, []string{"WARN search list: names left out"}},
		{"search, broken", tlv(119, "\x01a\x00\x01b\xc0\x05\x01c\x00"), NetConfig{Search: []string{"a"}}, []string{"WARN search list: names left out"}},
		{"search over two options", tlv(119, "\x01a\x00\x01") + tlv(119, "b\xc0\x00"), NetConfig{Search: []string{"a", "b.a"}}, nil},
		{"unusable servers", tlv(6, ips("0.0.0.0", "224.0.0.1", "255.255.255.255")), NetConfig{}, []string{"WARN no usable address in the option"}},
		{"server cut", tlv(42, "\x0a\x00"), NetConfig{}, []string{"WARN no usable address in the option"}},
	}
	for _, tt := range tests {
		n, warn := BuildNet(&Config{MTU: MTULink}, ack(tt.options), timer.Never)
		if n.MTU != tt.want.MTU || n.Domain != tt.want.Domain || len(n.DNS) != 0 || len(n.NTP) != 0 {
			t.Errorf("%s: %+v", tt.name, n)
		}
		if diff := cmp.Diff(tt.want.Search, n.Search); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if diff := cmp.Diff(tt.warn, warningText(warn)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestBuildNetInform: without yiaddr there is nothing to put on the interface.
func TestBuildNetInform(t *testing.T) {
	var m Message
	Parse(&m, reply{options: tlv(53, "\x05") + tlv(3, ips("192.0.2.1")) + tlv(6, ips("192.0.2.53"))}.bytes(), netip.AddrPort{}, false)
	n, warn := BuildNet(&Config{MTU: MTULink}, &m, timer.Never)
	if n.Addr.IsValid() || n.Routes != nil || len(n.DNS) != 1 || warn != nil {
		t.Errorf("%+v, %v", n, warn)
	}
}

func TestSearchLimit(t *testing.T) {
	list, bad, whole := searchList([]byte(strings.Repeat("\x01a\x00", 100)))
	if len(list) != maxSearch || bad != 0 || !whole {
		t.Errorf("%d names, %d bad, %v", len(list), bad, whole)
	}
}

func FuzzSearch(f *testing.F) {
	f.Add([]byte("\x03eng\x07example\x03org\x00\x03mkt\xc0\x04"))
	f.Add([]byte("\x01a\xc0\x00"))
	f.Add([]byte("\xc0\x00"))
	f.Add([]byte(strings.Repeat("\x01a\xc0\x00", 64)))
	f.Fuzz(func(t *testing.T, v []byte) {
		list, bad, _ := searchList(v)
		if len(list)+bad > maxSearch {
			t.Fatalf("%d names", len(list)+bad)
		}
		for _, s := range list {
			if !ValidHost(s) {
				t.Fatalf("name %q", s)
			}
		}
	})
}

func FuzzBuildNet(f *testing.F) {
	f.Add([]byte(ackOptions(tlv(121, viaDefault)+tlv(26, "\x05\xdc")+tlv(119, "\x01a\xc0\x00"))), uint8(0), []byte{192, 0, 2, 10})
	f.Add([]byte(tlv(1, "\xff\xff\xff\xff")+tlv(3, ips("10.0.0.1"))), uint8(0xff), []byte{192, 0, 2, 10})
	f.Add([]byte(tlv(1, "\x80\x00\x00\x00")+tlv(33, ips("10.0.0.1", "10.0.0.2"))), uint8(7), []byte{240, 0, 0, 1})
	f.Fuzz(func(t *testing.T, options []byte, flags uint8, yiaddr []byte) {
		if len(yiaddr) != 4 {
			return
		}
		a := netip.AddrFrom4([4]byte(yiaddr))
		var m Message
		if Parse(&m, reply{yiaddr: a.String(), options: string(options)}.bytes(), netip.AddrPort{}, false) != DropNone {
			return
		}
		cfg := Config{Alias: flags&1 != 0, MSRoutes: flags&2 != 0, Allow240: flags&4 != 0, MTU: MTUMode(flags >> 3 & 3 % 3)}
		n, warn := BuildNet(&cfg, &m, timer.Never)
		if bad := checkRoutes(n); bad != "" {
			t.Fatalf("%s: %v", bad, routeText(n.Routes))
		}
		if n.Addr.IsValid() && (n.Addr.Addr() != a || n.Addr.Bits() < 1) || n.MTU != 0 && n.MTU < 576 || n.MTU > 65535 {
			t.Fatalf("%+v", n)
		}
		if n.Domain != "" && !ValidHost(n.Domain) || len(n.DNS) > maxAddrs || len(n.NTP) > maxAddrs || len(n.Search) > maxSearch {
			t.Fatalf("%+v", n)
		}
		if len(warn) > 4*maxRoutes {
			t.Fatalf("%d warnings", len(warn))
		}
	})
}
