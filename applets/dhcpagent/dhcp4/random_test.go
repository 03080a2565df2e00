package dhcp4

import (
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

const draws = 10000

// uniform checks bounds and mean of draws that should be uniform in lo..hi, and
// that both ends are reached within 2 % of the range.
func uniform(t *testing.T, name string, lo, hi time.Duration, draw func() time.Duration) {
	t.Helper()
	var sum time.Duration
	least, most := time.Duration(1<<62), time.Duration(-1<<62)
	for range draws {
		d := draw()
		if d < lo || d > hi {
			t.Fatalf("%s: %v is outside of %v..%v", name, d, lo, hi)
		}
		sum += d
		least, most = min(least, d), max(most, d)
	}
	span := hi - lo
	// The standard deviation of the mean is span/sqrt(12*draws), 0.3 %.
	if mean, want := sum/draws, (lo+hi)/2; (mean - want).Abs() > span*3/200 {
		t.Errorf("%s: mean %v, want %v", name, mean, want)
	}
	if least-lo > span/50 || hi-most > span/50 {
		t.Errorf("%s: reached %v..%v of %v..%v", name, least, most, lo, hi)
	}
}

func TestJitterOfRetransmissions(t *testing.T) {
	waits := []time.Duration{4, 8, 16, 32, 64, 64}
	b := newBench(t, testConfig())
	b.command(1, api.Start, -1)
	c := b.c
	var out Effects
	for i, want := range waits {
		uniform(t, "REQUEST wait", want*time.Second-time.Second, want*time.Second+time.Second, func() time.Duration {
			out.Reset()
			c.x.kind = kindReboot
			c.x.wait = 0
			for range i + 1 {
				c.schedule(b.now, &out)
			}
			return c.timers[TimerRetransmit].Sub(b.now)
		})
	}
	for i, want := range []time.Duration{4, 8, 8, 8} {
		uniform(t, "DISCOVER wait", want*time.Second-time.Second, want*time.Second+time.Second, func() time.Duration {
			out.Reset()
			c.x.kind, c.x.wait, c.x.began = kindDiscover, 0, b.now
			for range i + 1 {
				c.schedule(b.now, &out)
			}
			return c.timers[TimerRetransmit].Sub(b.now)
		})
	}
}

func TestJitterOfLeaseTimes(t *testing.T) {
	b := newBench(t, testConfig())
	m := new(Message)
	var t1, t2 timer.Time
	const lease = 1000 * time.Second
	uniform(t, "T1", lease/2-lease/50, lease/2+lease/50, func() time.Duration {
		t1, t2, _ = b.c.leaseTimes(m, 0, 1000)
		if t1 >= t2 {
			t.Fatal("T1 after T2")
		}
		return time.Duration(t1)
	})
	uniform(t, "T2", lease*7/8-lease/50, lease*7/8+lease/50, func() time.Duration {
		_, t2, _ = b.c.leaseTimes(m, 0, 1000)
		return time.Duration(t2)
	})
	for secs := uint32(10); secs < 100; secs++ {
		for range 100 {
			t1, t2, end := b.c.leaseTimes(m, 0, secs)
			if t1 >= t2 || t2 >= end || t1 <= 0 {
				t.Fatalf("lease of %d s: T1 %v T2 %v end %v", secs, t1, t2, end)
			}
		}
	}
}

func TestJitterOfRestarts(t *testing.T) {
	b := newBench(t, testConfig())
	c := b.c
	for n, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 64} {
		d := want * time.Second
		uniform(t, "after NAK", d-d/10, d+d/10, func() time.Duration {
			c.backoff = backoff{refusals: uint8(min(n, 6))}
			return c.restartDelay(byNak)
		})
	}
	for n, want := range []time.Duration{20, 40, 64, 64} {
		d := want * time.Second
		uniform(t, "after DECLINE", d-d/10, d+d/10, func() time.Duration {
			c.backoff = backoff{conflicts: uint8(n + 2)}
			return c.restartDelay(byConflict)
		})
	}
	for range draws {
		c.backoff = backoff{conflicts: 1}
		if d := c.restartDelay(byConflict); d < 10*time.Second || d > 11*time.Second {
			t.Fatalf("first DECLINE waits %v", d)
		}
		c.backoff = backoff{conflicts: maxConflicts}
		if d := c.restartDelay(byConflict); d < time.Minute {
			t.Fatalf("after many conflicts %v", d)
		}
		if d := c.restartDelay(byExpiry); d != 0 {
			t.Fatalf("after expiry %v", d)
		}
	}
	c.backoff = backoff{grace: true}
	if d := c.restartDelay(byNak); d != 0 {
		t.Fatalf("the first NAK waits %v", d)
	}
}

func TestJitterOfProbes(t *testing.T) {
	b := newBench(t, testConfig())
	c := b.c
	c.lease = &lease{addr: testAddr}
	var out Effects
	wait := func() time.Duration {
		out.Reset()
		c.startProbing(b.now, acdProbing, &out)
		return c.timers[TimerACD].Sub(b.now)
	}
	b.cfg.ACD = ACDFast
	uniform(t, "fast probe wait", 0, 50*time.Millisecond, wait)
	if c.probeInterval(false) != 200*time.Millisecond || c.probeInterval(true) != 400*time.Millisecond {
		t.Error("fast intervals")
	}
	b.cfg.ACD = ACDFull
	uniform(t, "full probe wait", 0, time.Second, wait)
	uniform(t, "full probe interval", time.Second, 2*time.Second, func() time.Duration { return c.probeInterval(false) })
	if c.probeInterval(true) != 2*time.Second {
		t.Error("full last wait")
	}
}

func TestJitterOfStart(t *testing.T) {
	b := newBench(t, testConfig())
	b.cfg.StartDelay = 2 * time.Second
	var out Effects
	uniform(t, "start delay", 0, 2*time.Second, func() time.Duration {
		out.Reset()
		b.c.start(b.now, nil, &out)
		if b.c.state == Selecting {
			return 0
		}
		return b.c.timers[TimerDelay].Sub(b.now)
	})
	b = newBench(t, testConfig())
	b.bind()
	l := b.link
	uniform(t, "spread", 0, time.Second, func() time.Duration {
		out.Reset()
		b.c.refreshes = [refreshBurst]timer.Time{longAgo, longAgo, longAgo}
		l.Up, l.Spread = false, false
		b.c.LinkChange(b.now, l, &out)
		l.Up, l.Spread = true, true
		b.c.LinkChange(b.now, l, &out)
		if b.c.timers[TimerRefresh] == timer.Never {
			return 0
		}
		return b.c.timers[TimerRefresh].Sub(b.now)
	})
}

func TestXids(t *testing.T) {
	b := newBench(t, testConfig())
	taken := uint32(0)
	b.c.AvoidXids(func(x uint32) bool {
		if taken == 0 {
			taken = x
		}
		return x == taken
	})
	seen := map[uint32]bool{}
	for range draws {
		x := b.c.newXid()
		if x == 0 || x == taken {
			t.Fatalf("xid %#x", x)
		}
		seen[x] = true
	}
	if len(seen) < draws-5 { // one collision in 86 runs is to be expected
		t.Fatalf("only %d different ones", len(seen))
	}
}

func TestRenewalWaits(t *testing.T) {
	b := newBench(t, testConfig())
	b.bind()
	for _, tt := range []struct {
		left, lo, hi time.Duration // 0: no further transmission
	}{
		{1000 * time.Second, 499 * time.Second, 501 * time.Second},
		{130 * time.Second, 64 * time.Second, 66 * time.Second},
		{121 * time.Second, 60 * time.Second, 61500 * time.Millisecond},
		{100 * time.Second, 60 * time.Second, 60 * time.Second},
		{61 * time.Second, 60 * time.Second, 60 * time.Second},
		{60 * time.Second, 0, 0},
		{5 * time.Second, 0, 0},
	} {
		for range 1000 {
			var out Effects
			b.c.timers[TimerRetransmit] = timer.Never
			b.c.scheduleRenewal(b.now, b.now.Add(tt.left), &out)
			at := b.c.timers[TimerRetransmit]
			if tt.hi == 0 {
				if at != timer.Never {
					t.Fatalf("%v left: sends again after %v", tt.left, at.Sub(b.now))
				}
				continue
			}
			if d := at.Sub(b.now); d < tt.lo || d > tt.hi {
				t.Fatalf("%v left: waits %v", tt.left, d)
			}
		}
	}
}
