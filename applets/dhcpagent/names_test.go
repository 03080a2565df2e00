package dhcpagent

import "testing"

func TestSplitName(t *testing.T) {
	for _, tc := range []struct {
		in, base string
		alias    bool
		ok       bool
	}{
		{"eth0", "eth0", false, true},
		{"eth0:1", "eth0", true, true},
		{"eth0:0", "eth0", false, true},
		{"eth0.10", "eth0.10", false, true},
		{"eth0:01", "", false, false},
		{"eth0:-1", "", false, false},
		{"eth0:", "", false, false},
		{"eth0:1:2", "", false, false},
		{"", "", false, false},
		{".", "", false, false},
		{"..", "", false, false},
		{"../eth0", "", false, false},
		{"a b", "", false, false},
		{"eth\x00", "", false, false},
		{"eth\xc3\xa9", "", false, false},
		{"0123456789abcdef", "", false, false},
		{"0123456789abcde", "0123456789abcde", false, true},
		{"0123456789abc:1", "0123456789abc", true, true},
		{"0123456789abcd:1", "", false, false},
	} {
		base, alias, ok := splitName(tc.in)
		if base != tc.base || alias != tc.alias || ok != tc.ok {
			t.Errorf("splitName(%q) = %q, %v, %v; want %q, %v, %v", tc.in, base, alias, ok, tc.base, tc.alias, tc.ok)
		}
	}
}

func TestDebugLevel(t *testing.T) {
	for in, want := range map[string]int{"": 0, "1": 1, "02": 2, "0x3": 3, "9": 3, "-1": 0, "two": 0} {
		if got := debugLevel(in); got != want {
			t.Errorf("debugLevel(%q) = %d, want %d", in, got, want)
		}
	}
}
