package dhcp4

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAccessors(t *testing.T) {
	m := ack(tlv(26, "\x05\xdc") + tlv(3, ips("10.0.0.1", "10.0.0.2")+"\x0a\x00") + tlv(12, "ho\x00st") +
		tlv(46, "\x08") + tlv(28, "\x01\x02\x03") + tlv(58, "\x00\x00\x00\x01\x00") + tlv(6, strings.Repeat("\x0a\x00\x00\x01", 63)) +
		tlv(6, ips("10.0.0.2", "10.0.0.3")))
	if v, ok := m.Uint16(26); !ok || v != 1500 {
		t.Errorf("Uint16 = %d, %v", v, ok)
	}
	if v, ok := m.Uint8(46); !ok || v != 8 {
		t.Errorf("Uint8 = %d, %v", v, ok)
	}
	if v, ok := m.Uint32(51); !ok || v != 3600 {
		t.Errorf("Uint32 = %d, %v", v, ok)
	}
	if v, ok := m.Addr(54); !ok || v.String() != "192.0.2.1" || m.ServerID() != v {
		t.Errorf("Addr = %v, %v", v, ok)
	}
	for _, c := range []uint8{28, 58, 99} {
		_, ok8 := m.Uint8(c)
		_, ok16 := m.Uint16(c)
		_, ok32 := m.Uint32(c)
		_, okAddr := m.Addr(c)
		if ok8 || ok16 || ok32 || okAddr {
			t.Errorf("option %d of another length is taken", c)
		}
	}
	if diff := cmp.Diff("[10.0.0.1 10.0.0.2]", strings.TrimSpace(sprint(m.Addrs(3)))); diff != "" {
		t.Error(diff)
	}
	if list := m.Addrs(6); len(list) != 64 || list[63].String() != "10.0.0.2" {
		t.Errorf("%d addresses", len(list))
	}
	if m.Addrs(99) != nil || m.Addrs(26) != nil {
		t.Error("addresses of nothing")
	}
	if s := m.String(12); s != "ho" {
		t.Errorf("String = %q", s)
	}
}

func sprint(list []netip.Addr) string {
	var s []string
	for _, a := range list {
		s = append(s, a.String())
	}
	return "[" + strings.Join(s, " ") + "]"
}

func TestIgnore(t *testing.T) {
	m := ack(tlv(3, ips("10.0.0.1")) + tlv(12, "host"))
	m.Ignore([]uint8{3, optType, optServerID, optLeaseTime, 200})
	if m.Has(3) || !m.Has(12) || !m.Has(optType) || !m.Has(optServerID) || !m.Has(optLeaseTime) {
		t.Errorf("options left: %v", all(m))
	}
	if m.Clone().Has(3) {
		t.Error("ignored option comes back in the clone")
	}
}

func TestFields(t *testing.T) {
	parse := func(r reply) *Message {
		var m Message
		if d := Parse(&m, r.bytes(), netip.AddrPort{}, false); d != DropNone {
			t.Fatal(d)
		}
		return &m
	}
	plain := parse(reply{file: "boot\x00x", sname: "srv"})
	if plain.BootFile() != "boot" || plain.ServerName() != "srv" {
		t.Errorf("%q, %q", plain.BootFile(), plain.ServerName())
	}
	named := parse(reply{file: "boot", sname: "srv", options: tlv(66, "opt66") + tlv(67, "opt67")})
	if named.BootFile() != "opt67" || named.ServerName() != "opt66" {
		t.Errorf("%q, %q", named.BootFile(), named.ServerName())
	}
	file := parse(reply{file: tlv(12, "h"), sname: "srv", options: tlv(52, "\x01")})
	if file.BootFile() != "" || file.ServerName() != "srv" || file.Field(108, 128) != nil || file.Field(44, 64) == nil {
		t.Error("overloaded file is shown")
	}
	sname := parse(reply{file: "boot", sname: tlv(12, "h"), options: tlv(52, "\x02")})
	if sname.BootFile() != "boot" || sname.ServerName() != "" || sname.Field(108, 128) == nil || sname.Field(40, 8) != nil {
		t.Error("overloaded sname is shown")
	}
	tests := []struct {
		off, n uint32
		want   int
	}{{0, 1, 1}, {4, 4, 4}, {240, 60, 1}, {241, 1, 0}, {0, 0xffffffff, 241}, {0xffffffff, 0xffffffff, 0}, {236, 4, 4}}
	for _, tt := range tests {
		if got := plain.Field(tt.off, tt.n); len(got) != tt.want {
			t.Errorf("Field(%d, %d) has %d octets, want %d", tt.off, tt.n, len(got), tt.want)
		}
	}
}

func TestVendor(t *testing.T) {
	tests := []struct {
		name, area string
		want       string
		ok         bool
	}{
		{"there", tlv(1, "a") + tlv(2, "b"), "b", true},
		{"first counts", tlv(2, "a") + tlv(2, "b"), "a", true},
		{"absent", tlv(1, "a"), "", false},
		{"pads and END", "\x00" + tlv(2, "b") + "\xff" + tlv(3, "c"), "b", true},
		{"after END", "\xff" + tlv(2, "b"), "", false},
		{"overrun later", tlv(2, "b") + "\x03\x05x", "", false},
		{"cut", tlv(1, "a") + "\x02", "", false},
		{"empty", tlv(2, ""), "", true},
	}
	for _, tt := range tests {
		if got, ok := ack(tlv(43, tt.area)).Vendor(2); string(got) != tt.want || ok != tt.ok {
			t.Errorf("%s: %q, %v", tt.name, got, ok)
		}
	}
	if _, ok := ack("").Vendor(2); ok {
		t.Error("sub-option without option 43")
	}
}
