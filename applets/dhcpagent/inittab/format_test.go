package inittab

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemonbox/applets/dhcpagent/api"
)

// line is an entry in the form of a file.
func line(e Entry) string {
	consumers := ""
	for i, c := range "sdmi" {
		if e.Consumers>>i&1 != 0 {
			consumers += string(c)
		}
	}
	return fmt.Sprintf("%s %s, %d, %s, %d, %d, %s\n", e.Name, e.Category, e.Code, e.Type, e.Gran, e.Max, consumers)
}

func TestFormat(t *testing.T) {
	std := func(family int, code uint32) Entry {
		e, ok := New(family).ByCode(api.Standard, code)
		if !ok {
			t.Fatalf("no option %d", code)
		}
		return e
	}
	of := func(typ Type, gran, most uint8) Entry { return Entry{Type: typ, Gran: gran, Max: most, Family: 4} }
	tests := []struct {
		name  string
		e     Entry
		value string
		want  []string
		bad   bool
	}{
		{"routers", std(4, 3), "\x0a\x00\x00\x01\xc0\xa8\x01\xfe", []string{"10.0.0.1", "192.168.1.254"}, false},
		{"no routers", std(4, 3), "", []string{}, false},
		{"router cut", std(4, 3), "\x0a\x00\x00", nil, true},
		{"mask", std(4, 1), "\xff\xff\xff\x00", []string{"255.255.255.0"}, false},
		{"two masks", std(4, 1), "\xff\xff\xff\x00\xff\x00\x00\x00", []string{"255.255.255.0"}, false},
		{"static routes", std(4, 33), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10", []string{"1.2.3.4 5.6.7.8", "9.10.11.12 13.14.15.16"}, false},
		{"half a static route", std(4, 33), "\x01\x02\x03\x04", nil, true},
		{"host name", std(4, 12), "host", []string{"host"}, false},
		{"text with NUL", std(4, 12), "ho\x00st", []string{"ho"}, false},
		{"text with escapes", std(4, 12), "a\x1b[2Jb\xff", []string{`a\033[2Jb\377`}, false},
		{"no text", std(4, 12), "", nil, false},
		{"text with maximum", of(ASCII, 1, 4), "abcdef", []string{"abcd"}, false},
		{"octets", std(4, 61), "\x01\xab\x00", []string{"0x01 0xAB 0x00"}, false},
		{"octets with maximum", of(Octet, 1, 2), "\x01\x02\x03", []string{"0x01 0x02"}, false},
		{"time offset", std(4, 2), "\xff\xff\xf1\xf0", []string{"-3600"}, false},
		{"MTU", std(4, 26), "\x05\xdc", []string{"1500"}, false},
		{"lease", std(4, 51), "\xff\xff\xff\xff", []string{"4294967295"}, false},
		{"u8", of(UNumber8, 1, 0), "\x00\xff", []string{"0", "255"}, false},
		{"u24", of(UNumber24, 1, 1), "\x01\x00\x00", []string{"65536"}, false},
		{"u64", of(UNumber64, 1, 0), "\xff\xff\xff\xff\xff\xff\xff\xff", []string{"18446744073709551615"}, false},
		{"s8", of(SNumber8, 2, 0), "\x80\x7f", []string{"-128 127"}, false},
		{"s16", of(SNumber16, 1, 0), "\x80\x00\x7f\xff", []string{"-32768", "32767"}, false},
		{"s64", of(SNumber64, 1, 0), "\x80\x00\x00\x00\x00\x00\x00\x00", []string{"-9223372036854775808"}, false},
		{"number of 1", of(Number, 1, 0), "\xff", []string{"255"}, false},
		{"number of 2", of(Number, 1, 0), "\x01\x00", []string{"256"}, false},
		{"number of 4", of(Number, 1, 0), "\x00\x01\x00\x00", []string{"65536"}, false},
		{"number of 8", of(Number, 1, 0), "\x00\x00\x00\x01\x00\x00\x00\x00", []string{"4294967296"}, false},
		{"number of 3", of(Number, 1, 0), "\x00\x01\x00", nil, true},
		{"IPv6", std(6, 23), "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", []string{"2001:db8::1"}, false},
		{"IPv6 cut", std(6, 23), "\x20\x01", nil, true},
		{"status", std(6, 13), "\x00\x02none left", []string{"2"}, false},
		{"domains", std(6, 24), "\x03eng\x03com\x00\x01a\x00", []string{"eng.com", "a"}, false},
		{"pointer in DHCPv6", std(6, 24), "\x03com\x00\x01a\xc0\x00", []string{"com"}, false},
		{"search list", std(4, 119), "\x03com\x00\x01a\xc0\x00", []string{"com", "a.com"}, false},
		{"search list loop", std(4, 119), "\x03com\x00\xc0\x05", []string{"com"}, false},
		{"escaped label", std(6, 24), "\x04a.b\\\x01\x07\x00", []string{`a\.b\\.\007`}, false},
		{"root", std(6, 24), "\x00", []string{"."}, false},
		{"DUID-LLT", std(6, 1), "\x00\x01\x00\x01\x00\x00\x01\x00\x02\xab\xcd\x00\x00\x01", []string{"1,1,256,02:AB:CD:00:00:01"}, false},
		{"DUID-EN", std(6, 1), "\x00\x02\x00\x00\x00\x2a\xde\xad", []string{"2,42,DEAD"}, false},
		{"DUID-LL", std(6, 1), "\x00\x03\x00\x20\x01\x02", []string{"3,32,01:02"}, false},
		{"DUID-UUID", std(6, 1), "\x00\x04\x01\x02\x03", []string{"4,010203"}, false},
		{"DUID-LLT cut", std(6, 1), "\x00\x01\x00\x01\x00", nil, true},
		{"DUID cut", std(6, 1), "\x00\x01", nil, true},
		{"rapid commit", std(4, 80), "", []string{"1"}, false},
		{"routes", std(4, 121), "\x18\x0a\x01\x02\xc0\xa8\x00\x01\x00\xc0\xa8\x00\xfe\x1f\x0a\x00\x00\x03\x00\x00\x00\x00", []string{
			"10.1.2.0/24 192.168.0.1", "0.0.0.0/0 192.168.0.254", "10.0.0.2/31 0.0.0.0",
		}, false},
		{"routes too wide", std(4, 121), "\x21\x0a\x01\x02\x03\x04\xc0\xa8\x00\x01", nil, true},
		{"routes cut", std(4, 121), "\x18\x0a\x01\x02\xc0\xa8\x00", nil, true},
	}
	for _, tt := range tests {
		got, err := tt.e.Format([]byte(tt.value))
		if tt.bad != errors.Is(err, ErrValue) {
			t.Errorf("%s: error %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	if diff := cmp.Diff([]string{"0x0A", "0x00", "0xFE"}, Canonical([]byte{10, 0, 254})); diff != "" {
		t.Error(diff)
	}
}

func FuzzInittabFile(f *testing.F) {
	f.Add([]byte(sample), 4)
	f.Add([]byte("A SITE,1,IP,1,1,i\x00\nB\tFIELD,0xffff,NUMBER,255,255,"), 6)
	f.Fuzz(func(t *testing.T, data []byte, family int) {
		tab := New(family)
		tab.ParseFile(data)
		if len(tab.extra) > maxEntries {
			t.Fatalf("%d entries", len(tab.extra))
		}
		// What was understood can be written and read back.
		var text strings.Builder
		for _, e := range tab.extra {
			text.WriteString(line(e))
		}
		again := New(family)
		if bad := again.ParseFile([]byte(text.String())); bad != nil {
			t.Fatalf("%q: %v", text.String(), bad)
		}
		if diff := cmp.Diff(tab.extra, again.extra); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzInittabFormat(f *testing.F) {
	for typ := range numTypes {
		f.Add(uint8(typ), uint8(1), uint8(0), uint8(4), uint32(119), []byte("\x03com\x00\x01a\xc0\x00"))
	}
	f.Add(uint8(DUID), uint8(1), uint8(1), uint8(6), uint32(1), []byte("\x00\x01\x00\x01\x00\x00\x01\x00\x02\xab"))
	f.Fuzz(func(t *testing.T, typ, gran, most, family uint8, code uint32, v []byte) {
		e := Entry{Category: api.Standard, Code: code, Type: Type(typ % uint8(numTypes)), Gran: gran, Max: most, Family: family}
		lines, err := e.Format(v)
		if err != nil && lines != nil {
			t.Fatalf("value and error: %q, %v", lines, err)
		}
		if len(lines) > len(v)+1 {
			t.Fatalf("%d lines of %d octets", len(lines), len(v))
		}
		for _, l := range lines {
			for i := range len(l) {
				if l[i] < 0x20 || l[i] > 0x7e {
					t.Fatalf("unprintable octet in %q", l)
				}
			}
		}
	})
}
