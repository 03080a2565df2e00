package dhcp4

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"pgregory.net/rapid"
)

var (
	buildConfig = Config{
		ClientID: []byte("\x01\x02\x03\x04\x05\x06\x07"), ParamRequest: []uint8{1, 121, 3}, VendorClass: "dhcpagent",
		LeaseTime: infinite,
	}
	buildLink = Link{Name: "eth0", HWType: 1, HWAddr: []byte{2, 0, 0, 0, 0, 1}, MTU: 1500}
	buildAddr = netip.MustParseAddr("192.0.2.10")
	buildSrv  = netip.MustParseAddr("192.0.2.1")
)

// TestAppendMessage is table 5 of RFC 2131 with our choices.
func TestAppendMessage(t *testing.T) {
	const (
		addr   = "\xc0\x00\x02\x0a"
		server = "\xc0\x00\x02\x01"
		id     = "\x01\x02\x03\x04\x05\x06\x07"
		prl    = "\x01\x79\x03"
	)
	wishes := func(lease string, more map[uint8]string) map[uint8]string {
		m := map[uint8]string{57: "\x05\xc0", 60: "dhcpagent", 55: prl, 61: id, 12: "host"}
		if lease != "" {
			m[51] = lease
		}
		for c, v := range more {
			m[c] = v
		}
		return m
	}
	tests := []struct {
		kind   kind
		typ    uint8
		ciaddr bool
		secs   uint16
		flags  uint16
		opts   map[uint8]string
	}{
		{kindDiscover, 1, false, 7, 0x8000, wishes("\xff\xff\xff\xff", map[uint8]string{50: addr})},
		{kindSelect, 3, false, 7, 0x8000, wishes("\x00\x00\x0e\x10", map[uint8]string{50: addr, 54: server})},
		{kindReboot, 3, false, 7, 0x8000, wishes("\xff\xff\xff\xff", map[uint8]string{50: addr})},
		{kindRenew, 3, true, 7, 0x8000, wishes("\xff\xff\xff\xff", nil)},
		{kindRebind, 3, true, 7, 0x8000, wishes("\xff\xff\xff\xff", nil)},
		{kindDecline, 4, false, 0, 0, map[uint8]string{61: id, 50: addr, 54: server, 56: "why"}},
		{kindRelease, 7, true, 0, 0, map[uint8]string{61: id, 54: server, 56: "why"}},
		{kindInform, 8, true, 7, 0x8000, map[uint8]string{61: id, 57: "\x05\xc0", 60: "dhcpagent", 55: prl}},
	}
	cfg := buildConfig
	cfg.Broadcast = true
	for _, tt := range tests {
		o := outgoing{
			kind: tt.kind, xid: 0xdeadbeef, secs: 7, addr: buildAddr, server: buildSrv, lease: 3600, hostname: "host", reason: "why",
		}
		b := appendMessage([]byte("before"), &cfg, &buildLink, &o)[6:]
		if len(b) != 300 {
			t.Errorf("kind %d: %d octets", tt.kind, len(b))
		}
		if string(b[offOptions:offOptions+3]) != "\x35\x01"+string(rune(tt.typ)) {
			t.Errorf("kind %d: option 53 is not first", tt.kind)
		}
		var m Message
		if r := ParseRequest(&m, b, netip.AddrPort{}); r != DropNone {
			t.Errorf("kind %d: %s", tt.kind, r)
			continue
		}
		want := netip.IPv4Unspecified()
		if tt.ciaddr {
			want = buildAddr
		}
		if m.CIAddr != want || m.Secs != tt.secs || m.Flags != tt.flags || m.Xid != 0xdeadbeef || m.HType != 1 || m.HLen != 6 ||
			m.CHAddr != [16]byte{2, 0, 0, 0, 0, 1} || !m.YIAddr.IsUnspecified() {
			t.Errorf("kind %d: header %+v", tt.kind, m)
		}
		tt.opts[53] = string(rune(tt.typ))
		if diff := cmp.Diff(tt.opts, all(&m)); diff != "" {
			t.Errorf("kind %d: %s", tt.kind, diff)
		}
		// The library is the judge of the form.
		p := decodeLibrary(b)
		if p == nil {
			t.Fatalf("kind %d: the library cannot read it", tt.kind)
		}
		if uint8(p.MessageType()) != tt.typ || p.HWType != 1 || p.ClientHWAddr.String() != "02:00:00:00:00:01" {
			t.Errorf("kind %d: library reads %s", tt.kind, p.Summary())
		}
	}
}

func TestAppendMessageLeavesOut(t *testing.T) {
	b := appendMessage(nil, &Config{}, &Link{HWType: 1, HWAddr: []byte{1}}, &outgoing{kind: kindDiscover})
	var m Message
	if r := ParseRequest(&m, b, netip.AddrPort{}); r != DropNone {
		t.Fatal(r)
	}
	if diff := cmp.Diff(map[uint8]string{53: "\x01", 57: "\x02\x40"}, all(&m)); diff != "" {
		t.Error(diff)
	}
	if m.Flags != 0 || m.HLen != 1 {
		t.Errorf("flags %#x, hlen %d", m.Flags, m.HLen)
	}
}

// TestAppendMessageInfiniband: RFC 4390 §2.1.
func TestAppendMessageInfiniband(t *testing.T) {
	link := Link{HWType: 32, HWAddr: make([]byte, 20), MTU: 2044}
	link.HWAddr[3] = 9
	for k, flags := range map[kind]uint16{kindDiscover: 0x8000, kindSelect: 0x8000, kindRenew: 0, kindDecline: 0, kindInform: 0} {
		var m Message
		b := appendMessage(nil, &buildConfig, &link, &outgoing{kind: k, addr: buildAddr, server: buildSrv})
		if r := ParseRequest(&m, b, netip.AddrPort{}); r != DropNone {
			t.Fatal(r)
		}
		if m.HType != 32 || m.HLen != 0 || m.CHAddr != [16]byte{} || m.Flags != flags {
			t.Errorf("kind %d: htype %d, hlen %d, chaddr %x, flags %#x", k, m.HType, m.HLen, m.CHAddr, m.Flags)
		}
	}
}

func TestMaxSize(t *testing.T) {
	for mtu, want := range map[int]uint16{0: 576, 576: 576, 604: 576, 605: 577, 1500: 1472, 9000: 8972, 65536: 65508, 1 << 20: 65535} {
		if got := maxSize(mtu); got != want {
			t.Errorf("maxSize(%d) = %d, want %d", mtu, got, want)
		}
	}
}

func TestAppendFQDN(t *testing.T) {
	var m Message
	b := appendMessage(nil, &Config{}, &buildLink, &outgoing{kind: kindDiscover, hostname: "host", fqdn: "host.example.org."})
	ParseRequest(&m, b, netip.AddrPort{})
	if m.Has(12) || m.String(81) != "\x05" {
		t.Errorf("options %q", all(&m))
	}
	if v, _ := m.Option(81); string(v) != "\x05\x00\x00\x04host\x07example\x03org\x00" {
		t.Errorf("option 81 = %q", v)
	}
	if b := appendFQDN(nil, strings.Repeat("x", 64)); b != nil {
		t.Errorf("name without wire form makes %q", b)
	}
	l63 := strings.Repeat("x", 63)
	long := l63 + "." + l63 + "." + l63 + "." + l63[:61] // 255 octets, 258 with what stands before
	if b := appendFQDN(nil, long); len(b) != 258+4 || b[1] != 255 || b[257] != 81 || b[258] != 3 {
		t.Errorf("long name is not in two fragments: %d octets", len(b))
	}
}

// TestAppendOptionLibrary: splitting agrees with the library's.
func TestAppendOptionLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.Uint8Range(1, 254).Draw(t, "code")
		v := rapid.SliceOfN(rapid.Byte(), 0, 1200).Draw(t, "value")
		var want []byte
		if len(v) > 0 {
			want = dhcpv4.Options{code: v}.ToBytes()
		}
		if diff := cmp.Diff(want, appendOption(nil, code, v)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestAppendMessageAllocs(t *testing.T) {
	buf := make([]byte, 0, 1024)
	o := outgoing{kind: kindDiscover, addr: buildAddr, fqdn: "host.example.org"}
	if n := testing.AllocsPerRun(100, func() { buf = appendMessage(buf[:0], &buildConfig, &buildLink, &o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if binary.BigEndian.Uint32(buf[offCookie:]) != magic {
		t.Error("no cookie")
	}
}
