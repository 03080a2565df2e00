package dhcpctl

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

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

func environment(ctx context.Context, args0 string, out, errs *bytes.Buffer) applet.Env {
	return applet.Env{
		Ctx: ctx, Args0: args0, Version: "test",
		Stdin: strings.NewReader(""), Stdout: out, Stderr: errs,
		Getenv: func(string) string { return "" },
	}
}

func run(args ...string) outcome {
	var out, errs bytes.Buffer
	status := Main(environment(context.Background(), "dhcpctl", &out, &errs), args)
	return outcome{status, out.String(), errs.String()}
}

// request is what an agent was asked.
type request struct {
	Cmd, If string
	Family  int
	Timeout string
	Args    string
}

func note(r *control.Request) request {
	n := request{Cmd: r.Cmd, If: r.If, Family: r.Family, Timeout: "default", Args: string(r.Args)}
	if r.TimeoutMS != nil {
		n.Timeout = fmt.Sprint(*r.TimeoutMS)
	}
	return n
}

func TestWhatIsAsked(t *testing.T) {
	for _, c := range []struct {
		args string
		want request
	}{
		{"eth0 start", request{"start", "eth0", 4, "default", "{}"}},
		{"eth0 start primary", request{"start", "eth0", 4, "default", `{"primary":true}`}},
		{"eth0 primary start", request{"start", "eth0", 4, "default", `{"primary":true}`}},
		{"eth0 wait 7 start", request{"start", "eth0", 4, "7000", "{}"}},
		{"eth0 start wait forever", request{"start", "eth0", 4, "-1", "{}"}},
		{"eth0 start wait 0 primary", request{"start", "eth0", 4, "0", `{"primary":true}`}},
		{"-4 eth0 extend --hostname host7", request{"extend", "eth0", 4, "default", `{"hostname":"host7"}`}},
		{"-6 eth0 release", request{"release", "eth0", 6, "default", "{}"}},
		{"eth0:1 drop", request{"drop", "eth0:1", 4, "default", "{}"}},
		{"eth0 inform", request{"inform", "eth0", 4, "default", "{}"}},
		{"eth0 ping", request{"ping", "eth0", 4, "default", ""}},
	} {
		t.Run(c.args, func(t *testing.T) {
			var got request
			a := fakeagent.Start(t, func(r *control.Request) {
				got = note(r)
				fakeagent.Answer(r, api.Success, nil)
			})
			o := run(append([]string{"--socket", a.Socket}, strings.Fields(c.args)...)...)
			if o != (outcome{}) {
				t.Errorf("%+v", o)
			}
			a.Lock()
			defer a.Unlock()
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{
		"", "eth0", "-a", "eth0 frobnicate", "eth0 get-tag", "eth0 list", "eth0 start stop", "eth0 start drop", "eth0 start wait", "eth0 start wait -1", "eth0 start wait x",
		"eth0 start wait 1.5", "eth0 start wait 4294967296", "eth0 -4 -6 start", "-a start primary", "eth0 --bogus start", "subscribe a b", "-a subscribe", "eth0 eth1 start",
	} {
		got := run(append([]string{"--socket", "/nonexistent/sock"}, strings.Fields(args)...)...)
		if got.Status != exitUsage || got.Stdout != "" || !strings.Contains(got.Stderr, "usage: dhcpctl") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := run("", "start"); got.Status != exitUsage {
		t.Errorf("empty name: %+v", got)
	}
}

func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		args string
		code api.Code
		want int
	}{
		{"eth0 start", api.Success, exitOK},
		{"eth0 start", api.Timeout, exitTimeout},
		{"eth0 start wait 5", api.Timeout, exitTimeout},
		{"eth0 start wait 0", api.Timeout, exitOK},
		{"eth0 start wait 0", api.InvIf, exitFailure},
		{"eth0 start", api.Running, exitFailure},
		{"eth0 start", api.Perm, exitFailure},
		{"eth0 start", api.Memory, exitSystem},
		{"eth0 start", api.Int, exitSystem},
		{"eth0 extend", api.OutState, exitFailure},
		{"eth0 ping", api.UnkIf, exitFailure},
		{"eth0 status", api.UnkIf, exitFailure},
		{"eth0 ping", 77, exitFailure},
	} {
		a := fakeagent.Start(t, func(r *control.Request) { fakeagent.Answer(r, c.code, nil) })
		got := run(append([]string{"--socket", a.Socket}, strings.Fields(c.args)...)...)
		if got.Status != c.want || got.Stdout != "" {
			t.Errorf("%s, %s: %+v, want status %d", c.args, c.code.Name(), got, c.want)
		}
		if complained := strings.Contains(got.Stderr, "eth0: "+c.code.Text()); complained != (c.want != exitOK) {
			t.Errorf("%s, %s: says %q", c.args, c.code.Name(), got.Stderr)
		}
	}
}

// An agent that takes a request and never answers it.
func TestNoAnswer(t *testing.T) {
	a := fakeagent.Start(t, func(*control.Request) {})
	if got := run("--socket", a.Socket, "eth0", "start", "wait", "0"); got != (outcome{}) {
		t.Errorf("%+v", got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	var out, errs bytes.Buffer
	status := Main(environment(ctx, "dhcpctl", &out, &errs), []string{"--socket", a.Socket, "eth0", "start"})
	if status != exitTimeout || !strings.Contains(errs.String(), api.Timeout.Text()) {
		t.Errorf("status %d, %s", status, &errs)
	}
}

func TestWaitLimits(t *testing.T) {
	for _, c := range []struct {
		w    wait
		d    time.Duration
		ok   bool
		sent string
	}{
		{wait{}, 122 * time.Second, true, "default"},
		{wait{given: true}, 2 * time.Second, true, "0"},
		{wait{given: true, seconds: 7}, 9 * time.Second, true, "7000"},
		{wait{given: true, seconds: maxWait}, (maxWait + 2) * time.Second, true, "2147483647000"},
		{wait{given: true, forever: true}, 0, false, "-1"},
	} {
		d, ok := c.w.limit()
		sent := "default"
		if ms := c.w.milliseconds(); ms != nil {
			sent = fmt.Sprint(*ms)
		}
		if d != c.d || ok != c.ok || sent != c.sent {
			t.Errorf("%+v: %v %v, sent %s", c.w, d, ok, sent)
		}
	}
}

// Without an agent nothing is under its control; only start and inform are
// worth starting one for.
func TestNoAgent(t *testing.T) {
	socket := t.TempDir() + "/sock"
	got := run("--socket", socket, "eth0", "ping")
	if got.Status != exitFailure || !strings.Contains(got.Stderr, "eth0: "+api.UnkIf.Text()) {
		t.Errorf("ping: %+v", got)
	}
	if got := run("--socket", socket, "-a", "drop"); got != (outcome{}) {
		t.Errorf("drop of all: %+v", got)
	}
	if got := run("--socket", socket, "subscribe"); got.Status != exitFailure {
		t.Errorf("subscribe: %+v", got)
	}
}

func at(s string) *time.Time {
	t, err := time.ParseInLocation("2006-01-02 15:04:05", s, time.Local)
	if err != nil {
		panic(err)
	}
	return &t
}

// statuses are the interfaces of an agent in most tests.
func statuses() []api.StatusResult {
	return []api.StatusResult{
		{
			Interface: "eth0", Family: 4, State: "BOUND", Flags: []string{"PRIMARY"}, Primary: true,
			Address: "192.0.2.9", PrefixLen: 24, Server: "192.0.2.1",
			Began: at("2031-07-16 15:40:12"), Expires: at("2031-07-16 16:40:12"), T1: at("2031-07-16 16:10:12"),
			Routers: []string{"192.0.2.1"}, Routes: []string{"0.0.0.0/0 via 192.0.2.1", "10.0.0.0/8 via 192.0.2.3"},
			DNS: []string{"192.0.2.5", "192.0.2.6"}, Domain: "example.org", Search: []string{"example.org", "example.net"},
			NTP: []string{"192.0.2.7"}, MTU: 1400, Counters: api.Counters{Sent: 4, Recv: 2},
		},
		{
			Interface: "eth0:1", Family: 4, State: "RENEWING", Flags: []string{"BOOTP", "BUSY"},
			Began: at("2031-07-16 15:40:12"), Counters: api.Counters{Sent: 12345, Recv: 54321, BadOffers: 123456789},
			LastError: "no answer", Wait: api.Wait{For: "answer", Seconds: 7.25},
		},
		{
			Interface: "wlan0", Family: 4, State: "INIT_REBOOT", Flags: []string{}, Wait: api.Wait{For: "carrier"},
			Began: at("2031-07-16 15:40:12"), Expires: at("2031-07-16 16:40:12"),
		},
		{Interface: "wlan0", Family: 6, State: "BOUND"},
	}
}

// agentWith answers list and status from a table.
func agentWith(t *testing.T, list []api.StatusResult) *fakeagent.Agent {
	return fakeagent.Start(t, func(r *control.Request) {
		switch r.Cmd {
		case "list":
			var items []api.ListItem
			for _, s := range list {
				items = append(items, api.ListItem{Interface: s.Interface, Family: s.Family})
			}
			fakeagent.Answer(r, api.Success, items)
		case "status":
			for _, s := range list {
				if s.Interface == r.If && s.Family == r.Family {
					fakeagent.Answer(r, api.Success, s)
					return
				}
			}
			fakeagent.Answer(r, api.UnkIf, nil)
		default:
			fakeagent.Answer(r, api.Success, nil)
		}
	})
}

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s: %s", name, d)
	}
}

func TestStatus(t *testing.T) {
	a := agentWith(t, statuses())
	for name, args := range map[string][]string{
		"status-one.txt":  {"eth0", "status"},
		"status-all.txt":  {"-a", "status"},
		"status-wide.txt": {"-a", "status", "--wide"},
		"status.json":     {"eth0", "status", "--json"},
	} {
		got := run(append([]string{"--socket", a.Socket}, args...)...)
		if got.Status != exitOK || got.Stderr != "" {
			t.Errorf("%q: %+v", args, got)
		}
		if name == "status.json" { // the times carry the zone of this host
			var s api.StatusResult
			if err := json.Unmarshal([]byte(got.Stdout), &s); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(statuses()[0], s); d != "" {
				t.Error(d)
			}
			continue
		}
		golden(t, name, got.Stdout)
	}
	got := run("--socket", a.Socket, "-a", "--json", "status")
	if n := strings.Count(got.Stdout, "\n"); n != 3 {
		t.Errorf("%d lines of JSON, want 3: %s", n, got.Stdout)
	}
}

func TestStatusOfNothing(t *testing.T) {
	a := agentWith(t, nil)
	for _, socket := range []string{a.Socket, t.TempDir() + "/sock"} {
		if got := run("--socket", socket, "-a", "status"); got != (outcome{Stdout: statusHeader}) {
			t.Errorf("%+v", got)
		}
		if got := run("--socket", socket, "-a", "status", "--json"); got != (outcome{}) {
			t.Errorf("%+v", got)
		}
	}
	if got := run("--socket", a.Socket, "eth9", "status"); got.Status != exitFailure || got.Stdout != "" {
		t.Errorf("%+v", got)
	}
}

func TestMalformedStatus(t *testing.T) {
	a := fakeagent.Start(t, func(r *control.Request) { fakeagent.Answer(r, api.Success, "text") })
	if got := run("--socket", a.Socket, "eth0", "status"); got.Status != exitFailure {
		t.Errorf("%+v", got)
	}
	if got := run("--socket", a.Socket, "-a", "drop"); got.Status != exitFailure {
		t.Errorf("%+v", got)
	}
}

// One interface that fails does not end the sweep, and the worst outcome is
// the exit status. All are worked on side by side: nobody is answered here
// before everybody has asked.
func TestSweep(t *testing.T) {
	list := statuses()[:3]
	codes := map[string]api.Code{"eth0": api.Success, "eth0:1": api.Pend, "wlan0": api.Timeout}
	var waiting []*control.Request
	a := fakeagent.Start(t, func(r *control.Request) {
		if r.Cmd == "list" {
			var items []api.ListItem
			for _, s := range list {
				items = append(items, api.ListItem{Interface: s.Interface, Family: 4})
			}
			fakeagent.Answer(r, api.Success, items)
			return
		}
		if waiting = append(waiting, r); len(waiting) == len(list) {
			for _, w := range waiting {
				fakeagent.Answer(w, codes[w.If], nil)
			}
			waiting = nil
		}
	})
	got := run("--socket", a.Socket, "-a", "release")
	want := outcome{Status: exitFailure, Stderr: "dhcpctl: eth0:1: " + api.Pend.Text() + "\ndhcpctl: wlan0: " + api.Timeout.Text() + "\n"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	got = run("--socket", a.Socket, "-a", "--json", "release")
	golden(t, "sweep.json", got.Stdout)
}

func TestWorse(t *testing.T) {
	order := []int{exitOK, exitTimeout, exitFailure, exitSystem}
	for i, a := range order {
		for j, b := range order {
			if got := worse(a, b); got != order[max(i, j)] {
				t.Errorf("worse(%d, %d) = %d", a, b, got)
			}
		}
	}
}

// start -a means the interfaces of the host, of which the loopback is none.
func TestStartAll(t *testing.T) {
	var mu sync.Mutex
	started := map[string]bool{}
	a := fakeagent.Start(t, func(r *control.Request) {
		mu.Lock()
		defer mu.Unlock()
		started[r.If] = true
		fakeagent.Answer(r, api.Success, nil)
	})
	if got := run("--socket", a.Socket, "-a", "start"); got != (outcome{}) {
		t.Errorf("%+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	if started["lo"] || started[""] {
		t.Errorf("started %v", started)
	}
}

func TestIfconfig(t *testing.T) {
	for _, c := range []struct {
		args string
		want order
		bad  bool
	}{
		{args: "eth0 dhcp", want: order{ifname: "eth0", cmd: api.Start, family: 4}},
		{args: "eth0 auto-dhcp", want: order{ifname: "eth0", cmd: api.Start, family: 4}},
		{args: "eth0 inet6 dhcp", want: order{ifname: "eth0", cmd: api.Start, family: 6}},
		{args: "-a dhcp status", want: order{all: true, cmd: api.Status, family: 4}},
		{args: "eth0 dhcp primary wait 5 start", want: order{ifname: "eth0", cmd: api.Start, family: 4, primary: true, wait: wait{given: true, seconds: 5}}},
		{args: "eth0 dhcp wait forever extend", want: order{ifname: "eth0", cmd: api.Extend, family: 4, wait: wait{given: true, forever: true}}},
		{args: "eth0 dhcp drop", want: order{ifname: "eth0", cmd: api.Drop, family: 4}},
		{args: "", bad: true},
		{args: "eth0", bad: true},
		{args: "-a", bad: true},
		{args: "-h", bad: true},
		{args: "eth0 up", bad: true},
		{args: "eth0 192.0.2.1", bad: true},
		{args: "eth0 dhcp inet6", bad: true},
		{args: "eth0 dhcp wait", bad: true},
		{args: "eth0 dhcp wait -1", bad: true},
		{args: "eth0 dhcp reboot", bad: true},
		{args: "eth0 dhcp --json", bad: true},
	} {
		o := order{family: 4}
		err := o.historic(strings.Fields(c.args))
		if (err != nil) != c.bad {
			t.Errorf("%q: %v", c.args, err)
		}
		if err == nil && o != c.want {
			t.Errorf("%q: %+v, want %+v", c.args, o, c.want)
		}
	}
	var out, errs bytes.Buffer
	status := Main(environment(context.Background(), "ifconfig", &out, &errs), []string{"eth0", "up"})
	if status != exitUsage || !strings.Contains(errs.String(), "usage: ifconfig") {
		t.Errorf("status %d, %s", status, &errs)
	}
}

func TestSubscribe(t *testing.T) {
	for _, c := range []struct {
		args  []string
		lines int
	}{
		{[]string{"subscribe"}, 3},
		{[]string{"subscribe", "eth0"}, 2},
		{[]string{"--json", "subscribe", "eth0"}, 2},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			a := fakeagent.Start(t, func(r *control.Request) {
				s := r.Subscribe()
				for _, st := range statuses()[:2] {
					s.Send("status", st)
				}
				s.Send("gone", api.ListItem{Interface: "eth0", Family: 4})
			})
			var errs bytes.Buffer
			out := &watched{until: "gone", what: cancel}
			env := environment(ctx, "dhcpctl", nil, &errs)
			env.Stdout = out
			if status := Main(env, append([]string{"--socket", a.Socket}, c.args...)); status != exitOK {
				t.Errorf("status %d, %s", status, &errs)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(lines) != c.lines {
				t.Errorf("%d lines:\n%s", len(lines), out)
			}
			if c.args[0] == "--json" {
				var frame struct {
					Event, Interface string
				}
				if err := json.Unmarshal([]byte(lines[0]), &frame); err != nil || frame.Event != "status" || frame.Interface != "eth0" {
					t.Errorf("%v: %s", err, lines[0])
				}
				return
			}
			if !strings.HasSuffix(lines[0], " eth0 BOUND 192.0.2.9/24") {
				t.Errorf("%q", lines[0])
			}
		})
	}
}

// watched is an output that calls what when a text has gone by.
type watched struct {
	bytes.Buffer
	until string
	what  func()
}

func (w *watched) Write(b []byte) (int, error) {
	if strings.Contains(string(b), w.until) || strings.Contains(string(b), "no longer") {
		w.what()
	}
	return w.Buffer.Write(b)
}

func TestSubscribeEnds(t *testing.T) {
	a := fakeagent.Start(t, func(r *control.Request) { fakeagent.Answer(r, api.CmdUnknown, nil) })
	if got := run("--socket", a.Socket, "subscribe"); got.Status != exitFailure || !strings.Contains(got.Stderr, "CMD_UNKNOWN") {
		t.Errorf("%+v", got)
	}
}

func TestHelp(t *testing.T) {
	got := run("-h")
	if got.Status != exitOK || got.Stderr != "" {
		t.Errorf("status %d, %q", got.Status, got.Stderr)
	}
	golden(t, "help.txt", got.Stdout)
	if got := run("--version"); got.Status != exitOK || !strings.Contains(got.Stdout, "test") {
		t.Errorf("%+v", got)
	}
}
