package dhcpagent

import (
	"math"
	"testing"
	"time"

	"daemonbox/core/timer"
)

func TestLifetimes(t *testing.T) {
	const now = timer.Time(1000 * time.Second)
	for _, tc := range []struct {
		expires          timer.Time
		preferred, valid uint32
	}{
		{timer.Never, math.MaxUint32, math.MaxUint32},
		{now.Add(time.Hour), 3600, 3601},
		{now.Add(time.Hour + 1), 3601, 3602},
		{now.Add(time.Nanosecond), 1, 2},
		{now, 0, 1},
		{now.Add(-time.Hour), 0, 1},
		// Longer than the kernel can count without meaning "for ever".
		{now.Add(math.MaxUint32 * time.Second), math.MaxUint32 - 2, math.MaxUint32 - 1},
	} {
		p, v := lifetimes(now, tc.expires)
		if p != tc.preferred || v != tc.valid {
			t.Errorf("lifetimes until %v = %d, %d; want %d, %d", tc.expires.Sub(now), p, v, tc.preferred, tc.valid)
		}
	}
}

// The kernel takes the address away after the lease, never before it and never
// more than two seconds late.
func TestLifetimesBracketTheLease(t *testing.T) {
	const now = timer.Time(1000 * time.Second)
	for d := time.Millisecond; d < 10*time.Second; d += 37 * time.Millisecond {
		_, v := lifetimes(now, now.Add(d))
		if late := time.Duration(v)*time.Second - d; late < 0 || late > 2*time.Second {
			t.Fatalf("a lease of %v is valid for %d s in the kernel", d, v)
		}
	}
}
