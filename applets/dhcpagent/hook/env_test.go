package hook

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemonbox/applets/dhcpagent/dhcp4"
)

// ack makes a message with the given options.
func ack(t testing.TB, options string) *dhcp4.Message {
	t.Helper()
	b := make([]byte, 236, 300)
	b[0], b[1], b[2] = 2, 1, 6
	b = append(b, 99, 130, 83, 99)
	b = append(b, options...)
	b = append(b, 255)
	m := new(dhcp4.Message)
	if r := dhcp4.Parse(m, b, netip.MustParseAddrPort("192.0.2.1:67"), true); r != 0 {
		t.Fatalf("message refused: %v", r)
	}
	return m
}

func option(code byte, value string) string { return string([]byte{code, byte(len(value))}) + value }

func TestEnv(t *testing.T) {
	v := &Values{
		Interface: "eth0", Event: "BOUND", Family: 4, State: "BOUND",
		Net: &dhcp4.NetConfig{
			Addr: netip.MustParsePrefix("192.0.2.9/24"), Broadcast: netip.MustParseAddr("192.0.2.255"),
			Routes: []dhcp4.Route{
				{Dst: netip.MustParsePrefix("192.0.2.1/32")},
				{Dst: netip.MustParsePrefix("10.0.0.0/8"), Gateway: netip.MustParseAddr("192.0.2.3")},
				{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.1")},
				{Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("192.0.2.2")},
			},
			MTU: 1400, Server: netip.MustParseAddr("192.0.2.1"),
			DNS:    []netip.Addr{netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("2001:db8::5")},
			Domain: "example.org", Search: []string{"example.org", "example.net", "bad name", "$(x)"},
			NTP: []netip.Addr{netip.MustParseAddr("192.0.2.6")},
		},
		OldAddress: netip.MustParseAddr("192.0.2.8"),
		Message:    ack(t, option(53, "\x05")+option(51, "\x00\x00\x0e\x10")+option(58, "\x00\x00\x00\x07")+option(12, "host7")+option(17, "/export/root\x00")+option(101, "Europe/Berlin")+option(67, "x;reboot")),
	}
	env := map[string]string{"PATH": "/bin", "LANG": "C", "SECRET": "s", "LD_PRELOAD": "x"}
	got := Env(func(k string) string { return env[k] }, v)
	want := []string{
		"PATH=/bin",
		"LANG=C",
		"DHCP_INTERFACE=eth0",
		"DHCP_EVENT=BOUND",
		"DHCP_FAMILY=4",
		"DHCP_STATE=BOUND",
		"DHCP_OLD_ADDRESS=192.0.2.8",
		"DHCP_ADDRESS=192.0.2.9",
		"DHCP_PREFIXLEN=24",
		"DHCP_BROADCAST=192.0.2.255",
		"DHCP_SERVER=192.0.2.1",
		"DHCP_ROUTERS=192.0.2.1 192.0.2.2",
		"DHCP_DNS=192.0.2.5 2001:db8::5",
		"DHCP_DOMAIN=example.org",
		"DHCP_SEARCH=example.org example.net",
		"DHCP_NTP=192.0.2.6",
		"DHCP_MTU=1400",
		"DHCP_LEASE=3600",
		"DHCP_T1=7",
		"DHCP_T2=3150",
		"DHCP_HOSTNAME=host7",
		"DHCP_ROOT_PATH=/export/root",
		"DHCP_TZ_NAME=Europe/Berlin",
		"DHCP_OPT_12=686f737437",
		"DHCP_OPT_17=2f6578706f72742f726f6f7400",
		"DHCP_OPT_51=00000e10",
		"DHCP_OPT_53=05",
		"DHCP_OPT_58=00000007",
		"DHCP_OPT_67=783b7265626f6f74",
		"DHCP_OPT_101=4575726f70652f4265726c696e",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEnvWithoutLease(t *testing.T) {
	got := Env(func(string) string { return "" }, &Values{Interface: "eth0:1", Event: "DROP", Family: 4, State: "INIT"})
	want := []string{"PATH=" + defaultPath, "DHCP_INTERFACE=eth0:1", "DHCP_EVENT=DROP", "DHCP_FAMILY=4", "DHCP_STATE=INIT"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEnvTimes(t *testing.T) {
	for _, c := range []struct {
		name, options string
		want          []string
	}{
		{"infinite", option(53, "\x05") + option(51, "\xff\xff\xff\xff"), []string{"DHCP_LEASE=4294967295"}},
		{"BOOTP", "", []string{"DHCP_LEASE=4294967295"}},
		{"INFORM", option(53, "\x05"), nil},
		{"computed", option(53, "\x05") + option(51, "\xff\xff\xff\xf0"), []string{"DHCP_LEASE=4294967280", "DHCP_T1=2147483640", "DHCP_T2=3758096370"}},
	} {
		var got []string
		for _, s := range Env(func(string) string { return "" }, &Values{Message: ack(t, c.options)}) {
			if strings.HasPrefix(s, "DHCP_LEASE") || strings.HasPrefix(s, "DHCP_T") {
				got = append(got, s)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// Attacks that have worked against other clients' scripts.
func TestEnvHostileValues(t *testing.T) {
	for _, s := range []string{
		"() { :;}; reboot", "$(reboot)", "`reboot`", "a;b", "a|b", "a&b", "a\nDHCP_DNS=x", "x\x00y", "a\\b", "'a", "a\"b", "a>b", "*", "\x1b[2J", "é",
	} {
		m := ack(t, option(12, s)+option(56, s)+option(114, s)+option(224, s))
		env := Env(func(string) string { return "" }, &Values{Interface: "eth0", Event: "BOUND", Family: 4, Message: m})
		for _, e := range env {
			name, value, _ := strings.Cut(e, "=")
			if n, ok := strings.CutPrefix(name, "DHCP_OPT_"); ok {
				if value != hex.EncodeToString([]byte(s)) {
					t.Errorf("%q: option %s is %q", s, n, value)
				}
				continue
			}
			if strings.Contains(value, s) {
				t.Errorf("%q went to %s", s, name)
			}
		}
	}
}

func FuzzEnv(f *testing.F) {
	f.Add([]byte(option(12, "host") + option(114, "https://x")))
	f.Add([]byte(option(67, "() { :;}; x") + option(0, "")))
	f.Fuzz(func(t *testing.T, options []byte) {
		b := make([]byte, 236)
		b[0], b[1], b[2] = 2, 1, 6
		b = append(b, 99, 130, 83, 99)
		b = append(b, options...)
		m := new(dhcp4.Message)
		if dhcp4.Parse(m, b, netip.AddrPort{}, true) != 0 {
			return
		}
		for _, e := range Env(func(string) string { return "" }, &Values{Event: "BOUND", Message: m}) {
			name, value, ok := strings.Cut(e, "=")
			if !ok || !dhcp4.ValidText(value) || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
				t.Errorf("%q", e)
			}
		}
	})
}
