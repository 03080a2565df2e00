package inittab

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"daemonbox/applets/dhcpagent/api"
)

// TestTables checks what a slip of the pen would break.
func TestTables(t *testing.T) {
	sizes := map[string]int{"Chaddr": 16, "BootSrvN": 64, "BootFile": 128, "Options": 60, "Flags": 2, "TransId": 3, "LinkAddr": 16, "Xid": 4}
	for _, family := range []int{4, 6} {
		tab := New(family)
		for _, cat := range []api.Category{api.Standard, api.Vendor, api.Field} {
			names := map[string]bool{}
			last := -1
			for i := range builtins(tab.family, cat) {
				r := &builtins(tab.family, cat)[i]
				if int(r.code) < last || names[strings.ToLower(r.name)] || r.gran == 0 || r.name == "" {
					t.Errorf("v%d %s: bad row %v", family, cat, *r)
				}
				last = int(r.code)
				names[strings.ToLower(r.name)] = true
				e, ok := tab.Lookup(strings.ToUpper(r.name), cat)
				if !ok || e.Code != uint32(r.code) || e.Type != r.typ || int(e.Family) != family {
					t.Errorf("Lookup(%s) = %+v, %v", r.name, e, ok)
				}
				if cat == api.Field && e.Size() == 0 {
					t.Errorf("field %s has no size", r.name)
				}
				if want, ok := sizes[r.name]; ok && e.Size() != want {
					t.Errorf("%s has %d octets, want %d", r.name, e.Size(), want)
				}
			}
		}
	}
	if n := len(standard4); n != 95 {
		t.Errorf("%d standard options for DHCPv4, want 95", n)
	}
}

func TestLookup(t *testing.T) {
	tests := []struct {
		family int
		arg    string
		cat    api.Category
		code   uint32
		name   string
		ok     bool
	}{
		{4, "router", api.Standard, 3, "Router", true},
		{4, "ROUTER", api.Standard, 3, "Router", true},
		{4, "3", api.Standard, 3, "Router", true},
		{4, "0x3", api.Standard, 3, "Router", true},
		{4, "014", api.Standard, 12, "Hostname", true},
		{4, "FQDN", api.Standard, 81, "FQDN", true},
		{4, "fqdn89", api.Standard, 89, "FQDN89", true},
		{4, "100", api.Standard, 100, "TzPosix", true},
		{4, "Tz1", api.Standard, 100, "Tz1", true},
		{4, "Yiaddr", api.Field, 16, "Yiaddr", true},
		{4, "SrootIP4", api.Vendor, 2, "SrootIP4", true},
		{4, "258", api.Vendor, 2, "SrootIP4", true},
		{4, "457", api.Vendor, 201, "", true},
		{4, "200", api.Site, 200, "", true},
		{4, "254", api.Site, 254, "", true},
		{4, "255", "", 0, "", false},
		{4, "256", "", 0, "", false},
		{4, "127", "", 0, "", false},
		{4, "0", "", 0, "", false},
		{4, "513", "", 0, "", false},
		{4, "09", "", 0, "", false},
		{4, "3x", "", 0, "", false},
		{4, "99999999999", "", 0, "", false},
		{4, "Nothing", "", 0, "", false},
		{4, "", "", 0, "", false},
		{6, "dnsaddresses", api.Standard, 23, "DNSAddresses", true},
		{6, "23", api.Standard, 23, "DNSAddresses", true},
		{6, "65539", api.Vendor, 3, "", true},
		{6, "65536", "", 0, "", false},
		{6, "3", "", 0, "", false},
		{6, "TransId", api.Field, 1, "TransId", true},
	}
	for _, tt := range tests {
		e, ok := New(tt.family).Resolve(tt.arg)
		if ok != tt.ok || e.Category != tt.cat || e.Code != tt.code || e.Name != tt.name {
			t.Errorf("v%d Resolve(%q) = %+v, %v", tt.family, tt.arg, e, ok)
		}
	}
}

func TestParseList(t *testing.T) {
	tests := []struct {
		family int
		list   string
		want   []uint16
		bad    []string
	}{
		{4, "1,121,3,6,12,15,26,28,33,42,119", []uint16{1, 121, 3, 6, 12, 15, 26, 28, 33, 42, 119}, nil},
		{4, " subnet, Router ,0x79,014", []uint16{1, 3, 121, 12}, nil},
		{4, "3,Router,3", []uint16{3}, nil},
		{4, "", nil, nil},
		{4, ",,", nil, nil},
		{4, "0,255,256,254,x,08,-1,Yiaddr", []uint16{254}, []string{"0", "255", "256", "x", "08", "-1", "Yiaddr"}},
		{6, "23,24,0x1f,NTPServer,65535", []uint16{23, 24, 31, 56, 65535}, nil},
		{6, "65536", nil, []string{"65536"}},
	}
	for _, tt := range tests {
		got, bad := New(tt.family).ParseList(tt.list)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseList(%q): %s", tt.list, diff)
		}
		if diff := cmp.Diff(tt.bad, bad); diff != "" {
			t.Errorf("ParseList(%q) bad items: %s", tt.list, diff)
		}
	}
}

const sample = `# options of our own
Hostname  STANDARD, 12, ASCII, 1, 16, si
LatLong	site , 0xe1,IP ,	2, 0, sdmi # comment

MyVend   VENDOR, 1, UNUMBER16, 1, 1, i
Hidden   SITE, 226, OCTET, 1, 0, sd
Far      FIELD, 300, OCTET, 1, 4, i
Other    STANDARD, 3, OCTET, 1, 0, sdmi
`

func TestParseFile(t *testing.T) {
	tab := New(4)
	if bad := tab.ParseFile([]byte(sample)); bad != nil {
		t.Fatalf("bad lines: %v", bad)
	}
	want := []Entry{
		{"Hostname", api.Standard, 12, ASCII, 1, 16, Snoop | Info, 4},
		{"LatLong", api.Site, 225, IP, 2, 0, allConsumers, 4},
		{"MyVend", api.Vendor, 1, UNumber16, 1, 1, Info, 4},
		{"Hidden", api.Site, 226, Octet, 1, 0, Snoop | Server, 4},
		{"Far", api.Field, 300, Octet, 1, 4, Info, 4},
		{"Other", api.Standard, 3, Octet, 1, 0, allConsumers, 4},
	}
	if diff := cmp.Diff(want, tab.extra); diff != "" {
		t.Error(diff)
	}
	for arg, name := range map[string]string{"12": "Hostname", "hostname": "Hostname", "225": "LatLong", "257": "MyVend", "3": "Other", "router": "Router"} {
		if e, ok := tab.Resolve(arg); !ok || e.Name != name {
			t.Errorf("Resolve(%s) = %+v, %v, want %s", arg, e, ok, name)
		}
	}
	if e, ok := tab.Resolve("Hidden"); ok {
		t.Errorf("Resolve finds %+v, which is not for dhcpinfo", e)
	}
	if codes, bad := tab.ParseList("latlong,hidden"); len(bad) != 0 || !cmp.Equal(codes, []uint16{225, 226}) {
		t.Errorf("ParseList = %v, %v", codes, bad)
	}
}

func TestParseFileBadLines(t *testing.T) {
	tests := []struct{ line, why string }{
		{"Name", "no name and category"},
		{strings.Repeat("n", 65) + " SITE, 225, IP, 1, 0, i", "no name and category"},
		{"Name SITE, 225, IP, 1, 0", "not six fields"},
		{"Name SITE, 225, IP, 1, 0, i, x", "not six fields"},
		{"Name NOWHERE, 225, IP, 1, 0, i", "unknown category"},
		{"Name SITE, 256, IP, 1, 0, i", "bad code"},
		{"Name SITE, , IP, 1, 0, i", "bad code"},
		{"Name SITE, -1, IP, 1, 0, i", "bad code"},
		{"Name SITE, 225, IPX, 1, 0, i", "unknown type"},
		{"Name SITE, 225, IP, 0, 0, i", "bad granularity or maximum"},
		{"Name SITE, 225, IP, 256, 0, i", "bad granularity or maximum"},
		{"Name SITE, 225, IP, 1, 256, i", "bad granularity or maximum"},
		{"Name SITE, 225, IP, 1, 0, z", "unknown consumer"},
		{"Name SITE, 225, IP, 1, 0, i" + strings.Repeat(" ", 9000), "line too long"},
	}
	for _, tt := range tests {
		tab := New(4)
		bad := tab.ParseFile([]byte("\n" + tt.line + "\nGood SITE, 225, IP, 1, 0, i"))
		if diff := cmp.Diff([]LineError{{2, tt.why}}, bad); diff != "" {
			t.Errorf("%.40q: %s", tt.line, diff)
		}
		if _, ok := tab.Lookup("good", api.Site); !ok || len(tab.extra) != 1 {
			t.Errorf("%.40q: the good line is lost", tt.line)
		}
	}
	tab := New(4)
	bad := tab.ParseFile([]byte(strings.Repeat("N SITE, 225, IP, 1, 0, i\n", 2*maxEntries)))
	if len(tab.extra) != maxEntries || len(bad) != maxEntries {
		t.Errorf("%d entries, %d errors, want %d each", len(tab.extra), len(bad), maxEntries)
	}
}

// TestFileRoundTrip writes entries as lines and reads them back.
func TestFileRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Entry{
			Name:     rapid.StringMatching(`[A-Za-z_+][A-Za-z0-9_+]{0,20}`).Draw(t, "name"),
			Category: rapid.SampledFrom([]api.Category{api.Standard, api.Vendor, api.Site, api.Internal, api.Extended}).Draw(t, "category"),
			Code:     rapid.Uint32Range(0, 255).Draw(t, "code"),
			Type:     Type(rapid.IntRange(0, int(numTypes)-1).Draw(t, "type")),
			Gran:     rapid.Uint8Range(1, 255).Draw(t, "gran"),
			Max:      rapid.Uint8().Draw(t, "max"),
			Family:   4,
		}
		e.Consumers = Consumers(rapid.IntRange(0, int(allConsumers)).Draw(t, "consumers"))
		tab := New(4)
		if bad := tab.ParseFile([]byte(line(e))); bad != nil {
			t.Fatalf("%q: %v", line(e), bad)
		}
		if diff := cmp.Diff(e, tab.extra[0]); diff != "" {
			t.Fatal(diff)
		}
		if got, ok := tab.Lookup(e.Name, e.Category); !ok || got != e {
			t.Fatalf("Lookup = %+v, %v", got, ok)
		}
		if got, ok := tab.ByCode(e.Category, e.Code); !ok || got != e {
			t.Fatalf("ByCode = %+v, %v", got, ok)
		}
	})
}
