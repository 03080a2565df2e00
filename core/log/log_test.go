package log

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func lines(t *testing.T, b *bytes.Buffer) []string {
	t.Helper()
	stamp := regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d\d\d `)
	var out []string
	for l := range strings.Lines(b.String()) {
		if !stamp.MatchString(l) || !strings.HasSuffix(l, "\n") {
			t.Errorf("line %q", l)
		}
		out = append(out, strings.TrimSuffix(stamp.ReplaceAllString(l, ""), "\n"))
	}
	return out
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	l := New(Options{Applet: "dhcpagent", Level: LevelDebug2, Stderr: &b})
	l.Info("lease obtained", "ifname", "eth0", "address", "10.0.0.1", "took", 3*time.Millisecond)
	l.Warn("trouble", "err", errors.New(`bad "thing"`), "n", 5, "u", uint64(7), "ok", true, "empty", "")
	l.With("ifname", "eth1", "state", "BOUND").WithGroup("a").With("b", 1).Debug("x", "c", 2)
	l.Info("two\nlines\x1b[31m\u202e\xff", "v", "two\nlines", "ifname", "e\nth")
	l.Info("group", slog.Group("g", "x", 1, slog.Group("h", "y", []byte{0, 'a'})), slog.Attr{})
	l.WithGroup("").Info("plain", "ünï", "ünï")
	for _, level := range []slog.Level{LevelCritical, LevelError, LevelNotice, LevelVerbose, LevelDebug2} {
		l.Log(t.Context(), level, "m")
	}
	want := []string{
		`dhcpagent: eth0: lease obtained address=10.0.0.1 took=3ms`,
		`dhcpagent: warning: trouble err="bad \"thing\"" n=5 u=7 ok=true empty=""`,
		`dhcpagent: debug: eth1: x state=BOUND a.b=1 a.c=2`,
		`dhcpagent: e\nth: two\nlines\x1b[31m\u202e\xff v="two\nlines"`,
		`dhcpagent: group g.x=1 g.h.y="\x00a"`,
		`dhcpagent: plain ünï=ünï`,
		`dhcpagent: critical: m`,
		`dhcpagent: error: m`,
		`dhcpagent: m`,
		`dhcpagent: verbose: m`,
		`dhcpagent: debug2: m`,
	}
	if d := cmp.Diff(want, lines(t, &b)); d != "" {
		t.Error(d)
	}
}

func TestLevels(t *testing.T) {
	var b bytes.Buffer
	var v slog.LevelVar
	v.Set(LevelNotice)
	l := New(Options{Level: &v, Stderr: &b})
	l.Info("no")
	l.Log(t.Context(), LevelNotice, "yes")
	v.Set(LevelDebug)
	l.Debug("now")
	New(Options{Stderr: &b}).Log(t.Context(), LevelVerbose, "no")
	if d := cmp.Diff([]string{"yes", "debug: now"}, lines(t, &b)); d != "" {
		t.Error(d)
	}
}

func TestLongLine(t *testing.T) {
	var b bytes.Buffer
	l := New(Options{Stderr: &b})
	l.Info(strings.Repeat("x", 1<<20), "k", strings.Repeat("y", 1<<20))
	if b.Len() > maxLine+64 {
		t.Errorf("line of %d octets", b.Len())
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	ring := NewRing(4)
	l := New(Options{Applet: "lamd", Stderr: &b, JSON: true, Ring: ring}).With("ifname", "eth0")
	l.Warn("m\n", "n", 5)
	l.WithGroup("g").Info("x", "level", "own")
	var got struct {
		Level, Msg, Applet, Ifname string
		N                          int
	}
	if err := json.NewDecoder(&b).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Level != "warning" || got.Msg != "m\n" || got.Applet != "lamd" || got.Ifname != "eth0" || got.N != 5 {
		t.Errorf("%+v", got)
	}
	if n := ring.Lines(); len(n) != 2 || n[0].Text != `eth0: m\n n=5` {
		t.Errorf("ring %+v", n)
	}
}

func TestRing(t *testing.T) {
	ring := NewRing(3)
	l := New(Options{Stderr: io.Discard, Ring: ring})
	var want []string
	for i := range 8 {
		l.Warn("line", "n", i)
		want = append(want, "line n="+string(rune('0'+i)))
		var got []string
		for _, l := range ring.Lines() {
			if l.Level != "warning" || time.Since(l.Time) > time.Minute {
				t.Errorf("%+v", l)
			}
			got = append(got, l.Text)
		}
		if d := cmp.Diff(want[max(0, len(want)-3):], got); d != "" {
			t.Fatal(d)
		}
	}
	var zero Ring
	l = New(Options{Stderr: io.Discard, Ring: &zero})
	for range 500 {
		l.Info(strings.Repeat("x", 5000))
	}
	if got := zero.Lines(); len(got) != defaultRing || len(got[0].Text) != maxRingLine {
		t.Errorf("%d lines of %d", len(got), len(got[0].Text))
	}
}

// syslogd is a listener in place of the system's.
func syslogd(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	t.Cleanup(func() { c.Close() })
	return c
}

func datagram(t *testing.T, c *net.UnixConn) string {
	t.Helper()
	var b [16 << 10]byte
	n, err := c.Read(b[:])
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`^(<\d+>)[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d (.*)$`).FindStringSubmatch(string(b[:n]))
	if m == nil {
		t.Fatalf("datagram %q", b[:n])
	}
	return m[1] + strings.Replace(m[2], "["+itoa(os.Getpid())+"]", "[PID]", 1)
}

func itoa(n int) string { return slog.IntValue(n).String() }

func TestSyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := &syslogSink{tag: "dhcpagent", path: path}
	l := slog.New(&handler{level: LevelDebug, sinks: []sink{s}})

	l.Info("nobody listens") // lost
	l.Info("nobody listens") // lost
	if s.open {
		t.Fatal("connected to nobody")
	}
	c := syslogd(t, path)
	l.Warn("hello", "ifname", "eth0")
	for _, want := range []string{
		"<28>dhcpagent[PID]: lines lost before this one: 2",
		"<28>dhcpagent[PID]: eth0: hello",
	} {
		if d := cmp.Diff(want, datagram(t, c)); d != "" {
			t.Error(d)
		}
	}
	// The daemon goes and comes back: nothing that can be kept is lost.
	c.Close()
	os.Remove(path)
	c = syslogd(t, path)
	l.Error("again")
	if d := cmp.Diff("<27>dhcpagent[PID]: again", datagram(t, c)); d != "" {
		t.Error(d)
	}
	l.Log(t.Context(), LevelCritical, "c")
	l.Log(t.Context(), LevelNotice, "n")
	l.Log(t.Context(), LevelVerbose, "v")
	l.Debug("d")
	for _, want := range []string{"<26>", "<29>", "<30>", "<31>"} {
		if got := datagram(t, c); !strings.HasPrefix(got, want) {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

// A syslog daemon that hangs does not hang us: what it cannot take is counted.
func TestSyslogNeverBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	c := syslogd(t, path)
	s := &syslogSink{tag: "x", path: path}
	l := slog.New(&handler{level: LevelDebug, sinks: []sink{s}})
	sent := 0
	for s.lost < 10 {
		l.Info(strings.Repeat("x", 1000))
		if sent++; sent > 1<<16 {
			t.Fatal("the queue never filled")
		}
	}
	for range 3 { // make room
		datagram(t, c)
	}
	before := s.lost
	l.Info("through")
	if s.lost != 0 {
		t.Errorf("%d lost, %d before", s.lost, before)
	}
}

// Making a logger opens nothing.
func TestCheap(t *testing.T) {
	l := New(Options{Applet: "x"})
	s := l.Handler().(*handler).sinks[0].(*syslogSink)
	if s.open || s.path != "/dev/log" {
		t.Errorf("%+v", s)
	}
	if n := testing.AllocsPerRun(100, func() { New(Options{Applet: "x"}) }); n > 5 {
		t.Errorf("%v allocations", n)
	}
}
