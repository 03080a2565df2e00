package dnsname

import (
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/rfc1035label"
	"pgregory.net/rapid"
)

func TestNext(t *testing.T) {
	long := strings.Repeat("\x3f"+strings.Repeat("a", 63), 4) // 256 octets without the root
	tests := []struct {
		name, msg string
		off       int
		pointers  bool
		want      string
		next      int
		ok        bool
	}{
		{"plain", "\x03eng\x05apple\x03com\x00rest", 0, false, "eng.apple.com", 15, true},
		{"root", "\x00", 0, false, ".", 1, true},
		{"escapes", "\x04a.\\\x07\x00", 0, false, `a\.\\\007`, 6, true},
		{"blank and 8 bit", "\x03 \x7f\xff\x00", 0, false, `\032\127\255`, 5, true},
		{"pointer back", "\x03com\x00\x01a\xc0\x00", 5, true, "a.com", 9, true},
		{"pointer not allowed", "\x03com\x00\x01a\xc0\x00", 5, false, "", 0, false},
		{"two pointers", "\x03com\x00\x01a\xc0\x00\x01b\xc0\x05", 9, true, "b.a.com", 13, true},
		{"pointer to root", "\x00\xc0\x00", 1, true, ".", 3, true},
		{"pointer to itself", "\xc0\x00", 0, true, "", 0, false},
		{"pointer forward", "\xc0\x02\x01a\x00", 0, true, "", 0, false},
		{"pointer into its own name", "\x01a\xc0\x00", 0, true, "", 0, false},
		{"pointer loop", "\x01a\xc0\x04\x01b\xc0\x00", 4, true, "", 0, false},
		{"half a pointer", "\x00\xc0", 1, true, "", 0, false},
		{"pointer out of the option", "\x00\xc1\x00", 1, true, "", 0, false},
		{"extended label", "\x41a\x00", 0, true, "", 0, false},
		{"cut in a label", "\x05ab", 0, true, "", 0, false},
		{"no root", "\x01a", 0, true, "", 0, false},
		{"nothing", "", 0, true, "", 0, false},
		{"offset beyond", "\x00", 2, true, "", 0, false},
		{"negative offset", "\x00", -1, true, "", 0, false},
		{"too long", long + "\x00", 0, true, "", 0, false},
	}
	for _, tt := range tests {
		got, next, ok := Next([]byte(tt.msg), tt.off, tt.pointers)
		if got != tt.want || next != tt.next || ok != tt.ok {
			t.Errorf("%s: Next = %q, %d, %v, want %q, %d, %v", tt.name, got, next, ok, tt.want, tt.next, tt.ok)
		}
	}
}

func TestAppend(t *testing.T) {
	l63 := strings.Repeat("x", 63)
	longest := l63 + "." + l63 + "." + l63 + "." + l63[:61] // 255 in wire form
	tests := []struct {
		name string
		ok   bool
	}{
		{"a.example.com", true},
		{"a.example.com.", true},
		{"host", true},
		{l63 + ".org", true},
		{longest, true},
		{longest + "x", false},
		{"x" + l63 + ".org", false},
		{"", false},
		{".", false},
		{"a..b", false},
		{".a", false},
		{"a..", false},
	}
	for _, tt := range tests {
		got, ok := Append([]byte("before"), tt.name)
		if ok != tt.ok || !ok && string(got) != "before" {
			t.Errorf("Append(%q) = %q, %v, want %v", tt.name, got, ok, tt.ok)
		}
		if !ok {
			continue
		}
		if name, next, ok := Next(got, 6, false); !ok || next != len(got) || name != strings.TrimSuffix(tt.name, ".") {
			t.Errorf("Next(Append(%q)) = %q, %d, %v", tt.name, name, next, ok)
		}
	}
}

// TestLibrary compares with the decoder of the DHCP library, which is right
// about names without pointers.
func TestLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,20}(\.[a-z0-9-]{1,20}){0,4}`), 1, 8).Draw(t, "names")
		var b []byte
		for _, n := range names {
			b, _ = Append(b, n)
		}
		l, err := rfc1035label.FromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		off := 0
		for i, n := range names {
			got, next, ok := Next(b, off, true)
			if !ok || got != n || l.Labels[i] != n {
				t.Fatalf("name %d: %q, library %q, want %q", i, got, l.Labels[i], n)
			}
			off = next
		}
		if off != len(b) {
			t.Fatalf("%d octets left", len(b)-off)
		}
	})
}

func FuzzNext(f *testing.F) {
	f.Add([]byte("\x03com\x00\x01a\xc0\x00"), 5)
	f.Add([]byte("\x01a\xc0\x04\x01b\xc0\x00"), 4)
	f.Add([]byte("\xc0\x00"), 0)
	f.Fuzz(func(t *testing.T, msg []byte, off int) {
		name, next, ok := Next(msg, off, true)
		if !ok {
			return
		}
		if next <= off || next > len(msg) || name == "" || len(name) > 4*MaxWire {
			t.Fatalf("Next = %q, %d at %d of %d", name, next, off, len(msg))
		}
	})
}
