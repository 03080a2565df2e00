package main

import (
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		in   series
		want time.Duration
	}{
		{nil, 0},
		{series{7 * ms}, 7 * ms},
		{series{9 * ms, 1 * ms, 5 * ms}, 5 * ms},
		{series{4 * ms, 1 * ms, 2 * ms, 9 * ms}, 3 * ms},
		{series{1 * ms, never, 2 * ms}, 2 * ms},
		{series{1 * ms, never, 2 * ms, never}, never},
		{series{never, never, 1 * ms}, never},
	} {
		if got := tt.in.median(); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.in, got, tt.want)
		}
	}
}

// TestVerdict says met and missed by absolute limits and by ratios.
func TestVerdict(t *testing.T) {
	one := func(d time.Duration) series { return series{d} }
	for _, tt := range []struct {
		name string
		got  map[string]series
		due  limit
		want bool
	}{
		{"below", map[string]series{ours: one(3 * ms)}, limit{most: 3 * ms}, true},
		{"above", map[string]series{ours: one(4 * ms)}, limit{most: 3 * ms}, false},
		{"never", map[string]series{ours: one(never)}, limit{most: time.Hour}, false},
		{"ratio to the best", map[string]series{ours: one(3 * ms), "udhcpc": one(10 * ms), "dhcpcd": one(99 * ms)}, limit{ratio: 0.3}, true},
		{"over the ratio", map[string]series{ours: one(4 * ms), "udhcpc": one(10 * ms), "dhcpcd": one(99 * ms)}, limit{ratio: 0.3}, false},
		{"ratio to nobody", map[string]series{ours: one(ms)}, limit{ratio: 0.3}, false},
		{"ratio to never", map[string]series{ours: one(ms), "dhcpcd": one(never)}, limit{ratio: 0.3}, false},
	} {
		var tb table
		tb.addTimes(tt.name, tt.got, tt.due)
		if got := tb.rows[0].met; got != tt.want {
			t.Errorf("%s: met is %v", tt.name, got)
		}
		var out strings.Builder
		tb.print(&out)
		if missed := strings.Contains(out.String(), "MISSED"); missed == tt.want {
			t.Errorf("%s is printed as\n%s", tt.name, out.String())
		}
	}
}
