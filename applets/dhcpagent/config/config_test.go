package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/ident"
	"daemonbox/applets/dhcpagent/resolver"
)

var compareAddrs = cmpopts.EquateComparable(netip.Prefix{})

// symbols stands for the option table.
func symbols(name string, v6 bool) (uint16, bool) {
	switch strings.ToLower(name) {
	case "subnet":
		return 1, !v6
	case "router":
		return 3, !v6
	case "dnsaddresses":
		return 23, v6
	}
	return 0, false
}

// open returns a Config over a file with the given text.
func open(t testing.TB, text string, set ...string) *Config {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "dhcpagent")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Path: path, Set: set, OptionCode: symbols, Etc: dir})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func warnings(c *Config) []string {
	var out []string
	for _, w := range c.Warnings() {
		out = append(out, w.String())
	}
	return out
}

// Every source that can name a value, strongest first. In each case the ones
// from the given one on are there; the strongest must win, for the interface it
// is meant for and no other.
func TestPrecedence(t *testing.T) {
	sources := []struct {
		cmdline bool
		key     string
		// applies to eth0, eth1, wlan0
		applies [3]bool
	}{
		{true, "eth0.", [3]bool{true, false, false}},
		{true, "eth?.", [3]bool{true, true, false}},
		{true, "", [3]bool{true, true, true}},
		{false, "eth0.", [3]bool{true, false, false}},
		{false, "e*.", [3]bool{true, true, false}},
		{false, "", [3]bool{true, true, true}},
	}
	names := [3]string{"eth0", "eth1", "wlan0"}
	for mask := range 1 << len(sources) {
		for _, six := range []bool{false, true} {
			var file strings.Builder
			var set []string
			for i, s := range sources {
				key := s.key
				if six {
					key = strings.TrimSuffix(key, ".") + ".V6."
				}
				line := fmt.Sprintf("%sOFFER_WAIT=%d", key, i+1)
				switch {
				case mask>>i&1 == 0:
				case s.cmdline:
					set = append(set, line)
				default:
					file.WriteString(line + "\n")
				}
			}
			// The other family's settings must never show.
			other := ".V6.OFFER_WAIT=20\neth0.V6.OFFER_WAIT=20\n"
			if six {
				other = "OFFER_WAIT=20\neth0.OFFER_WAIT=20\n"
			}
			c := open(t, other+file.String(), set...)
			c.refresh()
			for n, name := range names {
				want := "0"
				for i := len(sources) - 1; i >= 0; i-- {
					if mask>>i&1 == 1 && sources[i].applies[n] {
						want = fmt.Sprint(i + 1)
					}
				}
				if got := c.value(OfferWait, name, six); got != want {
					t.Errorf("mask %06b v6 %v %s: %s, want %s", mask, six, name, got, want)
				}
			}
			if w := warnings(c); len(w) > 0 {
				t.Fatalf("mask %06b: %q", mask, w)
			}
		}
	}
}

func TestSplitKey(t *testing.T) {
	for _, c := range []struct {
		key, ifname string
		six         bool
		name        string
	}{
		{"ACD", "", false, "ACD"},
		{".ACD", "", false, "ACD"},
		{"eth0.ACD", "eth0", false, "ACD"},
		{"eth0:1.ACD", "eth0:1", false, "ACD"},
		{"eth0.10.ACD", "eth0.10", false, "ACD"},
		{".V6.ACD", "", true, "ACD"},
		{"eth0.v6.ACD", "eth0", true, "ACD"},
		{"eth0.10.V6.ACD", "eth0.10", true, "ACD"},
		{"V6.ACD", "V6", false, "ACD"}, // no dot before it: an interface's name
		{"ethV6.ACD", "ethV6", false, "ACD"},
		{"eth0.", "eth0", false, ""},
	} {
		ifname, six, name := splitKey(c.key)
		if ifname != c.ifname || six != c.six || name != c.name {
			t.Errorf("%s: %q %v %q", c.key, ifname, six, name)
		}
	}
}

func TestSyntax(t *testing.T) {
	long := strings.Repeat("x", 1023-len("CLIENT_ID="))
	for _, c := range []struct {
		name, text, want string // want: CLIENT_ID on eth0
		warnings         int
	}{
		{"plain", "CLIENT_ID=ab\n", "ab", 0},
		{"no newline at the end", "CLIENT_ID=ab", "ab", 0},
		{"carriage return", "CLIENT_ID=ab\r\n", "ab", 0},
		{"blanks", " \t CLIENT_ID = ab \t \r\n", "ab", 0},
		{"case of the name", "client_Id=ab", "ab", 0},
		{"case of the interface", "ETH0.CLIENT_ID=xy\neth0.CLIENT_ID=ab", "ab", 0},
		{"comment", "#CLIENT_ID=xy\n  # CLIENT_ID=xy\nCLIENT_ID=ab#c", "ab#c", 0},
		{"no equals sign", "CLIENT_ID\nfoo\n\n   \nCLIENT_ID=ab", "ab", 0},
		{"equals sign in the value", "CLIENT_ID=a=b", "a=b", 0},
		{"the last one counts", "CLIENT_ID=xy\nCLIENT_ID=ab\n", "ab", 0},
		{"the last pattern counts", "e*.CLIENT_ID=xy\n*0.CLIENT_ID=ab\n", "ab", 0},
		{"empty value", "CLIENT_ID=xy\neth0.CLIENT_ID=\n", "", 0},
		{"NUL", "CLIENT_ID=a\x00b\nCLIENT_ID=ab\n", "ab", 1},
		{"NUL lines", strings.Repeat("\x00", 100) + "\nCLIENT_ID=ab\n", "ab", 0},
		{"longest line", "PD_ASSIGN=" + "\n" + "CLIENT_ID=ab\n#" + strings.Repeat("x", 1022) + "\n", "ab", 1},
		{"line too long", "CLIENT_ID=" + long + "y\nCLIENT_ID=ab\n", "ab", 1},
		{"line too long at the end", "CLIENT_ID=ab\nCLIENT_ID=" + long + "y", "ab", 1},
		{"line of 1 MiB", "CLIENT_ID=ab\n" + strings.Repeat("CLIENT_ID=xy", 1<<17) + "\n", "ab", 1},
		{"unknown parameter", "CLIENT_IT=xy\n=z\neth0.=z\nCLIENT_ID=ab", "ab", 3},
		{"obsolete", "IGNORE_FAILED_ARP=yes\nARP_WAIT=3\nCLIENT_ID=ab", "ab", 2},
		{"family", ".V6.ACD=off\nRA_TRIGGER=auto\neth0.VERBOSE=yes\n.V6.DEBUG_LEVEL=1\nCLIENT_ID=ab", "ab", 4},
		{"malformed pattern", "eth[.CLIENT_ID=xy\nCLIENT_ID=ab", "ab", 1},
		{"binary", "\xff\xfe\x01=\x02\nCLIENT_ID=ab", "ab", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t, c.text)
			f.refresh()
			if got := f.value(ClientID, "eth0", false); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if w := warnings(f); len(w) != c.warnings {
				t.Errorf("%d warnings, want %d: %q", len(w), c.warnings, w)
			}
		})
	}
}

func TestBadValues(t *testing.T) {
	for _, c := range []struct {
		param     Param
		good, bad []string
	}{
		{RequestHostname, []string{"yes", "YES", "True", "1", "no", "false", "0"}, []string{"", "on", "2", "y"}},
		{OfferWait, []string{"0", "020", "20"}, []string{"", "-1", "+1", "21", "1s", "x1", "0x1", "1 2", "99999999999999999999"}},
		{DNSDomainname, []string{"", "example.org", "a_b.c"}, []string{"-a", "a..b", "a b", "$x"}},
		{SetMTU, []string{"yes", "no", "route", "ROUTE"}, []string{"", "maybe", "1500"}},
		{LeaseTime, []string{"none", "1", "4294967295"}, []string{"", "0", "4294967296", "forever"}},
		{ACD, []string{"fast", "Full", "off", "optimistic"}, []string{"", "no", "fas", "fast|full"}},
		{RouteMetric, []string{"", "auto", "0", "4294967295"}, []string{"-1", "x", "4294967296"}},
		{RouteTable, []string{"", "auto", "main", "default", "1", "1000"}, []string{"0", "local", "x"}},
		{ResolvConf, []string{"auto", "resolvconf", "resolved", "file", "none"}, []string{"", "yes"}},
		{ClientID, []string{"", "mac", "duid", "0x0102", "text", "3,1,aa:bb"}, []string{"x", "0x1", "3,1", "\x7f\x7f"}},
		{VendorClass, []string{"", "foo bar", strings.Repeat("x", 255)}, []string{strings.Repeat("x", 256), "a\x1b"}},
	} {
		for _, v := range c.good {
			f := open(t, "eth0."+c.param.String()+"="+v)
			f.refresh()
			if w := warnings(f); len(w) > 0 || f.value(c.param, "eth0", false) != v {
				t.Errorf("%v=%q: %q, %q", c.param, v, f.value(c.param, "eth0", false), w)
			}
		}
		for _, v := range c.bad {
			// A bad value leads to the built-in one, not to the next best.
			f := open(t, "eth0."+c.param.String()+"="+v+"\n"+c.param.String()+"="+c.good[0])
			f.refresh()
			if w := warnings(f); len(w) != 1 || f.value(c.param, "eth0", false) != c.param.builtin(false) {
				t.Errorf("%v=%q: %q, %q", c.param, v, f.value(c.param, "eth0", false), w)
			}
			if _, err := New(Options{Set: []string{c.param.String() + "=" + v}}); err == nil {
				t.Errorf("-o %v=%q is accepted", c.param, v)
			}
		}
	}
}

func TestV6Values(t *testing.T) {
	f := open(t, ".V6.CLIENT_ID=text\neth0.V6.CLIENT_ID=3,1,aa:bb\neth1.V6.CLIENT_ID=0x0102\n"+
		".V6.VENDOR_CLASS=9,text\neth0.V6.VENDOR_CLASS=text\n.V6.PARAM_REQUEST_LIST=DNSAddresses,300,Router\n")
	f.refresh()
	if w := warnings(f); len(w) != 4 {
		t.Errorf("%d warnings, want 4: %q", len(w), w)
	}
	if got := f.value(ClientID, "eth0", true); got != "3,1,aa:bb" {
		t.Errorf("CLIENT_ID %q", got)
	}
	if got := f.value(VendorClass, "eth1", true); got != "9,text" {
		t.Errorf("VENDOR_CLASS %q", got)
	}
}

// builtin4 is what a client gets that nobody configured.
func builtin4() *dhcp4.Config {
	return &dhcp4.Config{
		ClientIDFollowsHW: true,
		ParamRequest:      []uint8{1, 121, 3, 6, 12, 15, 26, 28, 33, 42, 119},
		VendorClass:       "dhcpagent",
		LeaseTime:         4294967295,
		RequestHostname:   true,
		RequestFQDN:       true,
		ACDDefend:         true,
	}
}

func TestV4BuiltIn(t *testing.T) {
	c, err := New(Options{Etc: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(builtin4(), c.V4(ident.Link{Name: "eth0"}, false), compareAddrs); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Local{AutoMetric: true}, c.Local("eth0")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Agent{}, c.Agent()); d != "" {
		t.Error(d)
	}
	if w := warnings(c); len(w) > 0 {
		t.Errorf("warnings %q without a file to look at", w)
	}
}

func TestV4Everything(t *testing.T) {
	c := open(t, `
RELEASE_ON_SIGTERM=yes
OFFER_WAIT=3
START_DELAY=2
CLIENT_ID=0x0001
PARAM_REQUEST_LIST=Subnet, router,0x79,0171,254,bogus,255,0,256,1
PARAM_IGNORE_LIST=Router,51,53,54,7
REQUEST_HOSTNAME=no
REQUEST_FQDN=no
DNS_DOMAINNAME=example.org
ADOPT_DOMAINNAME=yes
VERIFIED_LEASE_ONLY=yes
SET_MTU=route
VENDOR_CLASS=acme
LEASE_TIME=none
BROADCAST=yes
ACD=optimistic
ACD_DEFEND=no
MS_ROUTES=yes
ALLOW_240=yes
ROUTE_ALLOW=default-only
ROUTE_DENY_PREFIXES=10.1.2.3/8, 192.0.2.1,bad,2001:db8::/32
ROUTE_METRIC=7
ROUTE_TABLE=main
RESOLV_CONF=none
KEEP_ON_EXIT=yes
KEEP_ON_EXPIRY=yes
HOOK_EXTRA=yes
LINK_DOWN_DELAY=5
AUTOSTART=yes
DHCP_IPC_GROUP=netdev
DEBUG_LEVEL=2
VERBOSE=yes
`)
	write(t, c, "resolv.conf", "search example.net other.example\nnameserver 192.0.2.1\n")
	c.o.Identity = ident.New(ident.Options{Dir: t.TempDir()})
	got := c.V4(ident.Link{Name: "eth0", Alias: true}, true)
	want := &dhcp4.Config{
		Alias: true, Primary: true,
		OfferWait: 3 * time.Second, StartDelay: 2 * time.Second,
		ClientID:     []byte{0, 1},
		ParamRequest: []uint8{1, 121, 3, 254},
		ParamIgnore:  []uint8{3, 7},
		VendorClass:  "acme", Broadcast: true,
		DNSDomain: "example.org", AdoptDomain: true, ResolverDomain: "example.net",
		VerifiedLeaseOnly: true, ReleaseOnSigterm: true, KeepOnExpiry: true,
		ACD: dhcp4.ACDOptimistic, MTU: dhcp4.MTURoute,
		MSRoutes: true, Allow240: true, RouteAllow: dhcp4.RoutesDefaultOnly,
		RouteDeny: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")},
		HookExtra: true,
	}
	if d := cmp.Diff(want, got, compareAddrs); d != "" {
		t.Error(d)
	}
	wantLocal := Local{Metric: 7, Table: 254, ResolvConf: resolver.None, KeepOnExit: true, LinkDownDelay: 5 * time.Second, Autostart: true}
	if d := cmp.Diff(wantLocal, c.Local("eth0")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Agent{DebugLevel: 2, Verbose: true, Group: "netdev"}, c.Agent()); d != "" {
		t.Error(d)
	}
	if !c.Mentions(Autostart) || c.Mentions(RapidCommit) {
		t.Error("Mentions is wrong about AUTOSTART or RAPID_COMMIT")
	}
	// bogus, 255, 0, 256; 51, 53, 54; bad, 2001:db8::/32
	if w := warnings(c); len(w) != 9 {
		t.Errorf("%d warnings, want 9: %q", len(w), w)
	}
	c.V4(ident.Link{Name: "eth0"}, true)
	if w := warnings(c); len(w) != 0 {
		t.Errorf("warned again: %q", w)
	}
}

func TestRequestList(t *testing.T) {
	for _, c := range []struct {
		text string
		want []uint8
	}{
		{"PARAM_REQUEST_LIST=", nil},
		{"PARAM_REQUEST_LIST=,,", nil},
		{"PARAM_REQUEST_LIST=3,33,121", []uint8{121, 3, 33}},
		{"PARAM_REQUEST_LIST=6,33,1,121,3", []uint8{6, 121, 33, 1, 3}},
		{"PARAM_REQUEST_LIST=121,3", []uint8{121, 3}},
		{"PARAM_REQUEST_LIST=121,6", []uint8{121, 6}},
		{"PARAM_REQUEST_LIST=3,3,3", []uint8{3}},
		{"PARAM_REQUEST_LIST=08,0x,1_0,0b1", nil},
		{"PARAM_REQUEST_LIST=3\nMS_ROUTES=yes", []uint8{3}},
		{"MS_ROUTES=yes", []uint8{1, 121, 3, 6, 12, 15, 26, 28, 33, 42, 119, 249}},
	} {
		if got := open(t, c.text).V4(ident.Link{Name: "eth0"}, false).ParamRequest; string(got) != string(c.want) {
			t.Errorf("%s: %v, want %v", c.text, got, c.want)
		}
	}
}

func write(t testing.TB, c *Config, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.o.Etc, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHostnames(t *testing.T) {
	for _, c := range []struct {
		name, ifFile, nodeFile string
		primary                bool
		wantIf, wantNode       string
	}{
		{"none", "", "", true, "", ""},
		{"both", "inet host7\n", "node1\n", true, "host7", "node1"},
		{"not primary", "inet host7", "node1", false, "host7", ""},
		{"comments", "# inet no\n\nether x\n inet\n  inet host7 netmask\n", "# no\n\n node1 \n", true, "host7", "node1"},
		{"other lines", "inet6 host7\nhost8\n", "", true, "", ""},
		{"invalid", "inet ho$t\ninet host7\n", "a;b\nnode1\n", true, "", ""},
		{"hostile", "\x00\x01\xff", strings.Repeat("x", 1<<20), true, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := open(t, "")
			write(t, f, "hostname.eth0", c.ifFile)
			write(t, f, "hostname", c.nodeFile)
			got := f.V4(ident.Link{Name: "eth0"}, c.primary)
			if got.IfHostname != c.wantIf || got.NodeName != c.wantNode {
				t.Errorf("%q, %q; want %q, %q", got.IfHostname, got.NodeName, c.wantIf, c.wantNode)
			}
		})
	}
}

func TestReload(t *testing.T) {
	c := open(t, "OFFER_WAIT=1\nbogus=1\n")
	wait := func() time.Duration { return c.V4(ident.Link{Name: "eth0"}, false).OfferWait }
	check := func(want time.Duration, warned int) {
		t.Helper()
		if got := wait(); got != want*time.Second {
			t.Errorf("OFFER_WAIT %v, want %v s", got, want)
		}
		wait()
		if w := warnings(c); len(w) != warned {
			t.Errorf("%d warnings, want %d: %q", len(w), warned, w)
		}
	}
	check(1, 1)
	write(t, c, "dhcpagent", "OFFER_WAIT=2\nbogus=1\n") // the same size, another time
	check(2, 1)
	check(2, 0)
	if err := os.Remove(c.o.Path); err != nil {
		t.Fatal(err)
	}
	check(0, 1)
	check(0, 0)
	write(t, c, "dhcpagent", "OFFER_WAIT=3")
	check(3, 0)
	// A new file of the same size and time, as a package manager or a backup
	// puts there.
	st, err := os.Stat(c.o.Path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, c, "new", "OFFER_WAIT=4")
	if err := os.Chtimes(filepath.Join(c.o.Etc, "new"), time.Time{}, st.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(c.o.Etc, "new"), c.o.Path); err != nil {
		t.Fatal(err)
	}
	check(4, 0)
}

func TestUnreadableFile(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"directory":  func(p string) error { return os.Mkdir(p, 0o700) },
		"FIFO":       func(p string) error { return unix.Mkfifo(p, 0o600) },
		"device":     func(p string) error { return os.Symlink("/dev/zero", p) },
		"link loop":  func(p string) error { return os.Symlink(p, p) },
		"nowhere":    func(p string) error { return os.Symlink("nowhere", p) },
		"below file": func(p string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "dhcpagent")
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			c, err := New(Options{Path: path, Set: []string{"OFFER_WAIT=2"}, Etc: dir})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				want := builtin4()
				want.OfferWait = 2 * time.Second
				if d := cmp.Diff(want, c.V4(ident.Link{Name: "eth0"}, false), compareAddrs); d != "" {
					t.Error(d)
				}
			}
			if w := warnings(c); len(w) != 1 {
				t.Errorf("warnings %q, want one", w)
			}
		})
	}
}

func TestHugeFile(t *testing.T) {
	var b strings.Builder
	for i := range 400000 {
		fmt.Fprintf(&b, "if%d.ACD=off\n", i)
	}
	c := open(t, "OFFER_WAIT=1\n"+b.String())
	if got := c.V4(ident.Link{Name: "eth0"}, false).OfferWait; got != time.Second {
		t.Errorf("OFFER_WAIT %v", got)
	}
	if n := len(c.file.exact); n > maxSettings {
		t.Errorf("%d settings kept", n)
	}
	if w := c.Warnings(); len(w) == 0 || len(w) > maxWarnings+1 {
		t.Errorf("%d warnings", len(w))
	}
	c = open(t, strings.Repeat("x*.ACD=off\n", 100000))
	c.V4(ident.Link{Name: "eth0"}, false)
	if n := len(c.file.globs); n > maxGlobs {
		t.Errorf("%d patterns kept", n)
	}
}

func TestCommandLine(t *testing.T) {
	for _, bad := range []string{"", "ACD", "#ACD=off", "FOO=1", "ACD=maybe", "eth[.ACD=off", "ARP_WAIT=1", "eth0.VERBOSE=yes", "ANONYMITY=yes", "PARAM_REQUEST_LIST=bogus", "ROUTE_DENY_PREFIXES=x"} {
		if _, err := New(Options{Set: []string{bad}}); err == nil {
			t.Errorf("-o %q is accepted", bad)
		}
	}
	c, err := New(Options{Set: []string{"ACD=off", "eth0.ACD=full", "acd=fast"}, Etc: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := c.V4(ident.Link{Name: "eth0"}, false).ACD, c.V4(ident.Link{Name: "eth1"}, false).ACD; a != dhcp4.ACDFull || b != dhcp4.ACDFast {
		t.Errorf("ACD %v, %v", a, b)
	}
}

// The identity a setting asks for may be impossible on an interface: said once
// a version of the file, whatever else goes on.
func TestUnusableIdentity(t *testing.T) {
	c := open(t, "CLIENT_ID=mac\n")
	c.o.Identity = ident.New(ident.Options{Dir: t.TempDir()})
	for range 3 {
		if cfg := c.V4(ident.Link{Name: "ppp0"}, false); cfg.ClientID != nil {
			t.Errorf("client id %x", cfg.ClientID)
		}
	}
	if w := warnings(c); len(w) != 1 {
		t.Errorf("warnings %q, want one", w)
	}
}

func TestOrigins(t *testing.T) {
	c := open(t, "OFFER_WAIT=3\n\neth0.ACD=off\ne*.SET_MTU=yes\nLEASE_TIME=x\nVERBOSE=yes\n", "eth0.OFFER_WAIT=7", "ROUTE_METRIC=5")
	got := make(map[Param]string)
	for _, o := range c.Origins("eth0", false) {
		got[o.Param] = fmt.Sprintf("%s|%s|%s", o.Value, strings.ReplaceAll(o.Where, c.o.Path, "FILE"), o.Key)
	}
	for p, want := range map[Param]string{
		OfferWait:       "7|command line|eth0.OFFER_WAIT",
		ACD:             "off|FILE:3|eth0.ACD",
		SetMTU:          "yes|FILE:4|e*.SET_MTU",
		LeaseTime:       "4294967295|built-in, since FILE:5 is bad|",
		RouteMetric:     "5|command line|ROUTE_METRIC",
		Verbose:         "yes|FILE:6|VERBOSE",
		RequestHostname: "yes|built-in|",
		ClientID:        "|built-in|",
	} {
		if got[p] != want {
			t.Errorf("%v: %s, want %s", p, got[p], want)
		}
	}
	for _, p := range []Param{ARPWait, RATrigger} {
		if o, ok := got[p]; ok {
			t.Errorf("%v is listed: %s", p, o)
		}
	}
	six := c.Origins("eth0", true)
	for _, o := range six {
		if o.Param == ACD {
			t.Error("ACD is listed for DHCPv6")
		}
		if o.Param == ParamRequestList && o.Value != v6RequestList {
			t.Errorf("DHCPv6 asks for %s", o.Value)
		}
	}
}

// The table itself: every row filled, every built-in value good, no name twice.
func TestParams(t *testing.T) {
	seen := make(map[string]bool)
	for i := range params {
		p := &params[i]
		if p.name == "" || p.family == 0 || seen[p.name] || strings.ToUpper(p.name) != p.name {
			t.Errorf("row %d: %+v", i, p)
		}
		seen[p.name] = true
		for _, six := range []bool{false, true} {
			if err := p.check(Param(i).builtin(six), six); err != nil && p.kind != kindObsolete {
				t.Errorf("%s: built-in value: %v", p.name, err)
			}
		}
		if got, ok := paramByName(strings.ToLower(p.name)); !ok || got != Param(i) {
			t.Errorf("%s is found as %d", p.name, got)
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add([]byte("# comment\nOFFER_WAIT=3\neth0.10.V6.CLIENT_ID=3,1,aa:bb\r\n e*.ACD = off \nPARAM_REQUEST_LIST=1,0x3,017,Router"))
	f.Add([]byte("eth[.ACD=off\n=\n.=\nACD\n.V6.=\nLEASE_TIME=none\nROUTE_DENY_PREFIXES=10/8,::/0,192.0.2.1"))
	f.Add([]byte("A\x00CD=off\nVENDOR_CLASS=\xff\nCLIENT_ID=1,,,eth0\n" + strings.Repeat("x", 2000)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s settings
		n := 0
		s.parse(b, len(b)%2 == 1, symbols, func(w Warning) {
			n++
			if w.Line < 1 || w.Line > len(b)+1 || w.Text == "" {
				t.Errorf("warning %+v", w)
			}
			if !printable(w.Text) {
				t.Errorf("unprintable warning %q", w.Text)
			}
		})
		c := &Config{o: Options{OptionCode: symbols, Etc: "/nonexistent"}, file: s, quiet: make(map[string]bool)}
		for _, name := range []string{"eth0", "eth0:1", ""} {
			cfg := c.V4(ident.Link{Name: name, HWAddr: []byte{1}}, true)
			if cfg.OfferWait > 20*time.Second || cfg.ACD > dhcp4.ACDOptimistic || len(cfg.ParamRequest) > 254 {
				t.Errorf("out of range: %+v", cfg)
			}
			c.Local(name)
			for _, six := range []bool{false, true} {
				for _, o := range c.Origins(name, six) {
					if err := params[o.Param].check(o.Value, six); err != nil {
						t.Errorf("%v=%q is in force: %v", o.Param, o.Value, err)
					}
				}
			}
		}
	})
}
