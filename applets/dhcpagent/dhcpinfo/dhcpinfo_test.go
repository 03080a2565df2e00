package dhcpinfo

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/fakeagent"
	"daemonbox/core/applet"
	"daemonbox/core/control"
)

var update = flag.Bool("update", false, "write the golden files anew")

type outcome struct {
	Status         int
	Stdout, Stderr string
}

func run(t *testing.T, env map[string]string, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	status := Main(applet.Env{
		Ctx: context.Background(), Args0: "dhcpinfo", Version: "test",
		Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(k string) string { return env[k] },
	}, args)
	return outcome{status, out.String(), errs.String()}
}

// question is what an agent was asked.
type question struct {
	Cmd, If string
	Family  int
	Tag     api.TagArgs
}

// agent answers get-tag with the value and the code; other commands with
// SUCCESS. It notes what it was asked.
func agent(t *testing.T, code api.Code, value []byte) (a *fakeagent.Agent, asked *[]question) {
	asked = new([]question)
	a = fakeagent.Start(t, func(r *control.Request) {
		q := question{Cmd: r.Cmd, If: r.If, Family: r.Family}
		if len(r.Args) > 0 {
			if err := json.Unmarshal(r.Args, &q.Tag); err != nil {
				t.Error(err)
			}
		}
		*asked = append(*asked, q)
		if r.Cmd != api.GetTag.String() {
			fakeagent.Answer(r, api.Success, nil)
			return
		}
		if code != api.Success {
			fakeagent.Answer(r, code, nil)
			return
		}
		fakeagent.Answer(r, code, api.TagResult{Code: q.Tag.Code, Present: value != nil, Value: value})
	})
	return a, asked
}

func TestValues(t *testing.T) {
	routers := []byte{192, 0, 2, 1, 192, 0, 2, 2, 192, 0, 2, 3}
	for _, c := range []struct {
		name  string
		args  []string
		value []byte
		want  string
		asked question
	}{
		{"by name", []string{"router"}, routers, "192.0.2.1\n192.0.2.2\n192.0.2.3\n", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 3}}},
		{"by code", []string{"3"}, routers, "192.0.2.1\n192.0.2.2\n192.0.2.3\n", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 3}}},
		{"limit", []string{"-n2", "Router"}, routers, "192.0.2.1\n192.0.2.2\n", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 3}}},
		{"limit beyond", []string{"-n", "9", "Router"}, routers[:4], "192.0.2.1\n", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 3}}},
		{"canonical", []string{"-c", "3"}, []byte{192, 0, 2, 1}, "0xC0\n0x00\n0x02\n0x01\n", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 3}}},
		{"canonical, combined", []string{"-cn1", "3"}, routers, "0xC0\n", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 3}}},
		{"interface", []string{"-i", "eth0", "Hostname"}, []byte("host7"), "host7\n", question{If: "eth0", Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 12}}},
		{"no value", []string{"Router"}, nil, "", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 3}}},
		{"pairs", []string{"StaticRt"}, routers[:8], "192.0.2.1 192.0.2.2\n", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 33}}},
		{"field", []string{"Yiaddr"}, []byte{192, 0, 2, 9}, "192.0.2.9\n", question{Family: 4, Tag: api.TagArgs{Category: api.Field, Code: 16, Size: 4}}},
		{"vendor by number", []string{"266"}, []byte{192, 0, 2, 9}, "192.0.2.9\n", question{Family: 4, Tag: api.TagArgs{Category: api.Vendor, Code: 10}}},
		{"vendor by name", []string{"SrootPTH"}, []byte("/export"), "/export\n", question{Family: 4, Tag: api.TagArgs{Category: api.Vendor, Code: 4}}},
		{"site, octets", []string{"224"}, []byte{1, 0xab}, "0x01 0xAB\n", question{Family: 4, Tag: api.TagArgs{Category: api.Site, Code: 224}}},
		{"escapes", []string{"Hostname"}, []byte("a\x1b[2J"), "a\\033[2J\n", question{Family: 4, Tag: api.TagArgs{Category: api.Standard, Code: 12}}},
		{"DHCPv6", []string{"-v", "6", "DNSAddresses"}, []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, "2001:db8::1\n", question{Family: 6, Tag: api.TagArgs{Category: api.Standard, Code: 23}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, asked := agent(t, api.Success, c.value)
			got := run(t, nil, append([]string{"--socket", a.Socket}, c.args...)...)
			if d := cmp.Diff(outcome{Stdout: c.want}, got); d != "" {
				t.Error(d)
			}
			a.Lock()
			defer a.Unlock()
			c.asked.Cmd = "get-tag"
			if d := cmp.Diff([]question{c.asked}, *asked); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{},
		{"Router", "3"},
		{"Nonsense"},
		{"256"},
		{"-n", "0", "3"},
		{"-n", "-1", "3"},
		{"-n", "x", "3"},
		{"-v", "5", "3"},
		{"-v", "x", "3"},
		{"-x", "3"},
		{"--bogus"},
		{"-i"},
		{""},
		{"99999999999"},
	} {
		got := run(t, nil, append(slices.Clone(args), "--socket", "/nonexistent")...)
		if got.Status != exitUsage || got.Stdout != "" || !strings.Contains(got.Stderr, "usage: dhcpinfo") {
			t.Errorf("%q: %+v", args, got)
		}
	}
}

func TestFailures(t *testing.T) {
	for code, want := range map[api.Code]int{
		api.UnkIf: exitFailure, api.NoPrimary: exitFailure, api.OutState: exitFailure, api.Int: exitFailure,
		api.Timeout: exitTimeout, 99: exitFailure,
	} {
		a, _ := agent(t, code, nil)
		got := run(t, nil, "--socket", a.Socket, "Router")
		if got.Status != want || got.Stdout != "" || !strings.Contains(got.Stderr, code.Text()) {
			t.Errorf("%s: %+v", code.Name(), got)
		}
	}
	t.Run("no agent", func(t *testing.T) {
		got := run(t, nil, "--socket", t.TempDir()+"/sock", "Router")
		if got.Status != exitFailure || !strings.Contains(got.Stderr, "does not run") {
			t.Errorf("%+v", got)
		}
	})
	t.Run("bad value", func(t *testing.T) {
		a, _ := agent(t, api.Success, []byte{1, 2, 3})
		got := run(t, nil, "--socket", a.Socket, "Router")
		if got.Status != exitFailure || got.Stdout != "" {
			t.Errorf("%+v", got)
		}
		got = run(t, nil, "--socket", a.Socket, "-c", "Router")
		if got.Status != exitOK || got.Stdout != "0x01\n0x02\n0x03\n" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		a := fakeagent.Start(t, func(r *control.Request) { fakeagent.Answer(r, api.Success, "text") })
		if got := run(t, nil, "--socket", a.Socket, "Router"); got.Status != exitFailure {
			t.Errorf("%+v", got)
		}
	})
}

// A named interface that is not under DHCP control is asked about by
// DHCPINFORM, and let go again.
func TestInform(t *testing.T) {
	var asked []string
	informed, allowed := false, true
	a := fakeagent.Start(t, func(r *control.Request) {
		asked = append(asked, r.Cmd+" "+r.If)
		switch r.Cmd {
		case "get-tag":
			if !informed {
				fakeagent.Answer(r, api.UnkIf, nil)
				return
			}
			fakeagent.Answer(r, api.Success, api.TagResult{Present: true, Value: []byte{192, 0, 2, 1}})
		case "inform":
			if !allowed {
				fakeagent.Answer(r, api.Perm, nil)
				return
			}
			informed = true
			fakeagent.Answer(r, api.Success, nil)
		default:
			informed = false
			fakeagent.Answer(r, api.Success, nil)
		}
	})
	check := func(want outcome, commands ...string) {
		t.Helper()
		got := run(t, nil, "--socket", a.Socket, "-i", "eth0", "Router")
		a.Lock()
		defer a.Unlock()
		if want.Status != exitOK {
			got.Stderr = ""
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(commands, asked); d != "" {
			t.Error(d)
		}
		asked = nil
	}
	check(outcome{Stdout: "192.0.2.1\n"}, "get-tag eth0", "inform eth0", "get-tag eth0", "drop eth0")
	a.Lock()
	allowed = false
	a.Unlock()
	check(outcome{Status: exitFailure}, "get-tag eth0", "inform eth0")
}

func TestInittabFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "inittab")
	if err := os.WriteFile(path, []byte("Colour SITE, 224, ASCII, 1, 0, i\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, _ := agent(t, api.Success, []byte("blue"))
	env := map[string]string{"DHCP_INITTAB_PATH": path}
	if got := run(t, env, "--socket", a.Socket, "colour"); got != (outcome{Stdout: "blue\n"}) {
		t.Errorf("%+v", got)
	}
	env["DHCP_INITTAB_DEBUG"] = "1"
	got := run(t, env, "--socket", a.Socket, "colour")
	if got.Stdout != "blue\n" || !strings.Contains(got.Stderr, "line 2") {
		t.Errorf("%+v", got)
	}
}

func TestHelp(t *testing.T) {
	const golden = "testdata/help.txt"
	got := run(t, nil, "-h")
	if got.Status != exitOK || got.Stderr != "" {
		t.Errorf("status %d, %q", got.Status, got.Stderr)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.Stdout), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.Stdout); d != "" {
		t.Error(d)
	}
	if got := run(t, nil, "--version"); got.Status != exitOK || !strings.Contains(got.Stdout, "test") {
		t.Errorf("%+v", got)
	}
}
