package log

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daemonbox/core/timer"
)

func TestLimiter(t *testing.T) {
	var l Limiter
	at := func(s int) timer.Time { return timer.Time(0).Add(time.Duration(s) * time.Second) }
	for _, tc := range []struct {
		s          int
		key        string
		ok         bool
		suppressed int
	}{
		{0, "a", true, 0},
		{1, "a", false, 1},
		{2, "b", true, 0},
		{9, "a", false, 2},
		{10, "a", true, 2},
		{11, "a", false, 1},
		{12, "b", true, 0},
		{100, "a", true, 1},
	} {
		ok, n := l.Allow(at(tc.s), tc.key)
		if ok != tc.ok || n != tc.suppressed {
			t.Errorf("%d s %s: %v %d", tc.s, tc.key, ok, n)
		}
	}
}

// However many keys there are: the table is bounded, no key gets more than one
// line per interval, and every call is either a line or counted.
func TestLimiterModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Limiter{Interval: time.Second}
		last := map[string]timer.Time{}
		now := timer.Time(0)
		calls, shown, counted := 0, 0, 0
		for range rapid.IntRange(1, 400).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
			key := fmt.Sprint(rapid.IntRange(0, 120).Draw(t, "key"))
			calls++
			ok, n := l.Allow(now, key)
			if len(l.seen) > maxKeys {
				t.Fatalf("%d keys", len(l.seen))
			}
			if !ok {
				continue
			}
			shown++
			counted += n
			if before, seen := last[key]; seen && now.Sub(before) < time.Second {
				t.Fatalf("two lines of %s within %v", key, now.Sub(before))
			}
			last[key] = now
		}
		counted += l.other.suppressed
		for _, e := range l.seen {
			counted += e.suppressed
		}
		if shown+counted != calls {
			t.Fatalf("%d calls, %d shown, %d counted", calls, shown, counted)
		}
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"plain text":              "plain text",
		"a\nb\tc":                 `a\x0ab\x09c`,
		`back\slash`:              `back\\slash`,
		"\x1b[2Jü\x7f\x00":        `\x1b[2J\xc3\xbc\x7f\x00`,
		strings.Repeat("x", 1024): strings.Repeat("x", 1024),
		strings.Repeat("x", 1025): strings.Repeat("x", 1024) + "...",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\\\xff\n")
	f.Add(strings.Repeat("\\", 3000))
	f.Fuzz(func(t *testing.T, s string) {
		p := Printable(s)
		if len(p) > 4*maxPrintable+3 {
			t.Fatalf("%d octets", len(p))
		}
		for i := range len(p) {
			if p[i] < 0x20 || p[i] > 0x7e {
				t.Fatalf("octet %#x", p[i])
			}
		}
		if b := appendClean(nil, s); strings.ContainsAny(string(b), "\n\r\x1b\x00") {
			t.Fatalf("%q", b)
		}
	})
}
