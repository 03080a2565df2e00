package dhcp4

import (
	"net/netip"
	"strings"
	"testing"
)

func TestValidHost(t *testing.T) {
	l63 := strings.Repeat("x", 63)
	l253 := l63 + "." + l63 + "." + l63 + "." + l63[:61]
	tests := []struct {
		name string
		ok   bool
	}{
		{"host", true},
		{"host.example.org", true},
		{"host.example.org.", true},
		{"_ldap._tcp.example.org", true},
		{"3com.com", true},
		{"a-b", true},
		{"a-", true},
		{l63, true},
		{l253, true},
		{l253 + ".", true},
		{"", false},
		{".", false},
		{"..", false},
		{"a..b", false},
		{".a", false},
		{"a..", false},
		{"-a", false},
		{"a.-b", false},
		{l63 + "x", false},
		{l253 + "x", false},
		{"a b", false},
		{"a;reboot", false},
		{"$(reboot)", false},
		{"() { :;}; reboot", false},
		{"a\n", false},
		{"a\x00", false},
		{"ä", false},
		{"a/b", false},
		{`a\.b`, false},
		{"a'b", false},
	}
	for _, tt := range tests {
		if got := ValidHost(tt.name); got != tt.ok {
			t.Errorf("ValidHost(%q) = %v", tt.name, got)
		}
	}
}

func TestValidText(t *testing.T) {
	for c := range 256 {
		want := c >= 0x20 && c <= 0x7e && !strings.ContainsRune("`$\\\"';|&<>()*?!", rune(c))
		if got := ValidText("a" + string([]byte{byte(c)})); got != want {
			t.Errorf("ValidText with %#x = %v", c, got)
		}
	}
	if !ValidText("") || !ValidText("/boot/image-1.0:2@[3]{4}~%^+=,# x") {
		t.Error("harmless text refused")
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain text", "plain text"},
		{"a\nb", `a\x0ab`},
		{"\x1b[2J\x00\x7f\xff", `\x1b[2J\x00\x7f\xff`},
		{`back\slash`, `back\x5cslash`},
		{strings.Repeat("x", 256), strings.Repeat("x", 256)},
		{strings.Repeat("x", 257), strings.Repeat("x", 256) + "..."},
	}
	for _, tt := range tests {
		if got := Printable(tt.in); got != tt.want {
			t.Errorf("Printable(%q) = %q", tt.in, got)
		}
	}
}

func TestValidAddr(t *testing.T) {
	tests := []struct {
		addr     string
		ok, with bool // without and with 240/4
	}{
		{"10.0.0.1", true, true},
		{"1.0.0.0", true, true},
		{"223.255.255.254", true, true},
		{"169.254.1.1", true, true},
		{"0.0.0.0", false, false},
		{"0.1.2.3", false, false},
		{"127.0.0.1", false, false},
		{"224.0.0.1", false, false},
		{"239.255.255.255", false, false},
		{"240.0.0.1", false, true},
		{"255.255.255.254", false, true},
		{"255.255.255.255", false, false},
		{"2001:db8::1", false, false},
		{"::ffff:10.0.0.1", false, false},
	}
	for _, tt := range tests {
		a := netip.MustParseAddr(tt.addr)
		if got, with := ValidAddr(a, false), ValidAddr(a, true); got != tt.ok || with != tt.with {
			t.Errorf("ValidAddr(%s) = %v, with 240/4 %v", tt.addr, got, with)
		}
	}
	if ValidAddr(netip.Addr{}, true) {
		t.Error("no address is valid")
	}
}

func TestCheckAddress(t *testing.T) {
	mask := func(s string) string { return tlv(optMask, ips(s)) }
	tests := []struct {
		name, yiaddr, options string
		want                  DropReason
	}{
		{"good", "192.0.2.10", mask("255.255.255.0"), DropNone},
		{"none", "", mask("255.255.255.0"), DropAddress},
		{"loopback", "127.0.0.1", "", DropAddress},
		{"multicast", "224.0.0.1", "", DropAddress},
		{"network address", "192.0.2.0", mask("255.255.255.0"), DropAddress},
		{"broadcast address", "192.0.2.255", mask("255.255.255.0"), DropAddress},
		{"neither in a bigger net", "192.0.2.255", mask("255.255.254.0"), DropNone},
		{"/31", "192.0.2.10", mask("255.255.255.254"), DropNone},
		{"/32", "192.0.2.10", mask("255.255.255.255"), DropNone},
		{"no mask", "192.0.2.255", "", DropNone},
		{"mask with a hole", "192.0.2.255", mask("255.0.255.0"), DropNone},
		{"the server's", "192.0.2.1", mask("255.255.255.0") + tlv(54, ips("192.0.2.1")), DropAddress},
		{"a router's", "192.0.2.2", mask("255.255.255.0") + tlv(3, ips("192.0.2.1", "192.0.2.2")), DropAddress},
		{"malformed list of routers", "192.0.2.2", mask("255.255.255.0") + tlv(3, ips("192.0.2.2")+"\x01"), DropNone},
	}
	for _, tt := range tests {
		var m Message
		if r := Parse(&m, reply{yiaddr: tt.yiaddr, options: tt.options}.bytes(), netip.AddrPort{}, false); r != DropNone {
			t.Fatal(tt.name, r)
		}
		if got := m.CheckAddress(false); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
