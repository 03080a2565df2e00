package ident

import (
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type fakeLinks map[string]Link

func (f fakeLinks) ByName(name string) (Link, bool) { l, ok := f[name]; return l, ok }

func (f fakeLinks) First() (first Link, ok bool) {
	for _, l := range f {
		if !ok || l.Index < first.Index {
			first, ok = l, true
		}
	}
	return first, ok
}

var (
	eth0  = Link{Name: "eth0", Index: 2, HWType: hwEthernet, HWAddr: []byte{2, 0, 0, 0, 0, 1}}
	alias = Link{Name: "eth0:1", Index: 2, HWType: hwEthernet, HWAddr: []byte{2, 0, 0, 0, 0, 1}, Alias: true}
	ib0   = Link{Name: "ib0", Index: 7, HWType: hwInfiniBand, HWAddr: []byte{
		0x80, 0, 0, 0x48, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
	}}
	ppp0 = Link{Name: "ppp0", Index: 9, HWType: 512}
	// 2001-02-03 04:05:06 UTC is 34488306 s after the epoch of DUIDs.
	testTime = time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
)

const testTimeHex = "020e3ff2"

func newTestStore(t *testing.T) *Store {
	t.Helper()
	return New(Options{
		Dir:       t.TempDir(),
		Links:     fakeLinks{"eth0": eth0, "ppp0": ppp0},
		MachineID: t.TempDir() + "/none",
		Now:       func() time.Time { return testTime },
	})
}

// The host's own DUID in these tests: type 1, Ethernet, the time, eth0's address.
const hostDUID = "00010001" + testTimeHex + "020000000001"

func TestClient4(t *testing.T) {
	long := strings.Repeat("ab", 128)
	for _, c := range []struct {
		name, setting string
		byDUID        bool
		link          Link
		want          string // hex, "" for no option 61
		follows       bool
		bad           bool // Parse refuses the setting
		unusable      bool // Client4 falls back to the default
	}{
		{name: "default, Ethernet", link: eth0, follows: true},
		{name: "default by parameter", byDUID: true, link: eth0, want: "ff" + "00000002" + hostDUID},
		{name: "default, alias", link: alias, want: "ff" + "80000000" + hostDUID},
		{name: "default, IPoIB", link: ib0, want: "0000000000" + "fe80000000000000123456789abcdef0", follows: true},
		{name: "default, no address", link: ppp0, follows: true},
		{name: "mac", setting: "mac", link: eth0, want: "01020000000001", follows: true},
		{name: "mac without one", setting: "mac", link: ppp0, follows: true, unusable: true},
		{name: "duid", setting: "DUID", link: eth0, want: "ff00000002" + hostDUID},
		{name: "text", setting: "host7", link: eth0, want: hex.EncodeToString([]byte("host7"))},
		{name: "text with commas", setting: "a,b", link: eth0, want: hex.EncodeToString([]byte("a,b"))},
		{name: "text like a number", setting: "17", link: eth0, want: hex.EncodeToString([]byte("17"))},
		{name: "octets", setting: "0x01aBcD", link: eth0, want: "01abcd"},
		{name: "octets, capital X", setting: "0X0102", link: eth0, want: "0102"},
		{name: "LLT in full", setting: "1,1,34488306,2:0:0:0:a:b", link: eth0, want: "ff00000002" + "00010001" + testTimeHex + "020000000a0b"},
		{name: "LLT of an interface", setting: "1,,,eth0", link: eth0, want: "ff00000002" + hostDUID, follows: true},
		{name: "LLT, time given", setting: "1,6,1,eth0", link: eth0, want: "ff00000002" + "00010006" + "00000001" + "020000000001", follows: true},
		{name: "EN", setting: "2,4294967295,0102", link: eth0, want: "ff00000002" + "0002ffffffff0102"},
		{name: "EN without octets", setting: "2,9,", link: eth0, want: "ff00000002" + "000200000009"},
		{name: "LL", setting: "3,1,aa:bb:cc:dd:ee:ff", link: eth0, want: "ff00000002" + "00030001aabbccddeeff"},
		{name: "LL of an interface", setting: "3,,eth0", link: alias, want: "ff80000000" + "00030001020000000001", follows: true},
		{name: "LL of a missing interface", setting: "3,,eth9", link: eth0, follows: true, unusable: true},
		{name: "LL of an interface without address", setting: "3,,ppp0", link: eth0, follows: true, unusable: true},
		{name: "UUID", setting: "4,000102030405060708090a0b0c0d0e0f", link: eth0, want: "ff00000002" + "0004000102030405060708090a0b0c0d0e0f"},
		{name: "UUID with dashes", setting: "4,00010203-0405-0607-0809-0a0b0c0d0e0f", link: eth0, want: "ff00000002" + "0004000102030405060708090a0b0c0d0e0f"},
		{name: "other type", setting: "65535,aa", link: eth0, want: "ff00000002" + "ffffaa"},
		{name: "type 0", setting: "0,aa", link: eth0, want: "ff00000002" + "0000aa"},
		{name: "longest DUID", setting: "7," + long, link: eth0, want: "ff00000002" + "0007" + long},

		{name: "DUID too long", setting: "7," + long + "ab", link: eth0, bad: true},
		{name: "DUID too short", setting: "7,", link: eth0, bad: true},
		{name: "DUID type too large", setting: "65536,aa", link: eth0, bad: true},
		{name: "odd hex", setting: "0x123", link: eth0, bad: true},
		{name: "no hex", setting: "0xzz", link: eth0, bad: true},
		{name: "one octet", setting: "0x01", link: eth0, bad: true},
		{name: "one character", setting: "x", link: eth0, bad: true},
		{name: "256 octets", setting: strings.Repeat("x", 256), link: eth0, bad: true},
		{name: "control characters", setting: "a\x01b", link: eth0, bad: true},
		{name: "not ASCII", setting: "hôte", link: eth0, bad: true},
		{name: "LLT too short", setting: "1,1,eth0", link: eth0, bad: true},
		{name: "LLT hardware type", setting: "1,65536,0,eth0", link: eth0, bad: true},
		{name: "LLT time", setting: "1,1,4294967296,eth0", link: eth0, bad: true},
		{name: "LLT address without type", setting: "1,,5,aa:bb", link: eth0, bad: true},
		{name: "LL interface with a slash", setting: "3,,a/b", link: eth0, bad: true},
		{name: "LL without a place", setting: "3,1,", link: eth0, bad: true},
		{name: "LL with one field", setting: "3,1", link: eth0, bad: true},
		{name: "EN enterprise", setting: "2,x,aa", link: eth0, bad: true},
		{name: "EN with one field", setting: "2,9", link: eth0, bad: true},
		{name: "short UUID", setting: "4,00", link: eth0, bad: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			set, err := Parse(c.setting)
			if (err != nil) != c.bad {
				t.Fatalf("Parse: %v, want an error: %v", err, c.bad)
			}
			if c.bad {
				return
			}
			id, err := newTestStore(t).Client4(&set, c.byDUID, c.link)
			if (err != nil) != c.unusable {
				t.Errorf("Client4: %v, want an error: %v", err, c.unusable)
			}
			if got := hex.EncodeToString(id.Octets); got != c.want || id.FollowsHW != c.follows {
				t.Errorf("%s follows %v\nwant %s follows %v", got, id.FollowsHW, c.want, c.follows)
			}
		})
	}
}

// A server takes another identifier for another client, so every message of a
// process must carry the same one.
func TestClient4Stable(t *testing.T) {
	now := testTime
	s := New(Options{Dir: t.TempDir(), Links: fakeLinks{"eth0": eth0}, Now: func() time.Time { now = now.Add(time.Hour); return now }})
	for _, v := range []string{"", "mac", "duid", "1,,,eth0", "3,,eth0", "text"} {
		set, err := Parse(v)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := s.Client4(&set, true, eth0)
		b, _ := s.Client4(&set, true, eth0)
		if d := cmp.Diff(a, b); d != "" {
			t.Errorf("%q: %s", v, d)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "mac", "duid", "x", "0x0102", "1,1,5,aa:bb:cc", "1,,,eth0", "2,9,aa", "3,,eth0", "3,1,a:b",
		"4,000102030405060708090a0b0c0d0e0f", "65535,00", "0,", ",", "1,,,", "99999999999999999999,aa", "0x", "3,,:::",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		set, err := Parse(v)
		if err != nil {
			return
		}
		s := New(Options{Dir: t.TempDir(), Links: fakeLinks{"eth0": eth0}, MachineID: "/nonexistent"})
		id, err := s.Client4(&set, false, eth0)
		if err == nil && id.Octets != nil && (len(id.Octets) < minOption || len(id.Octets) > maxOption) {
			t.Errorf("%q: %d octets", v, len(id.Octets))
		}
		if set.form == formFixed && (len(set.octets) < minDUID || len(set.octets) > maxDUID) {
			t.Errorf("%q: DUID of %d octets", v, len(set.octets))
		}
	})
}
