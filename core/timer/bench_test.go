package timer

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// These benchmarks measure the queue beside the timers of package time, in
// turns within one run, and report the ratio of the two times: x/AfterFunc
// of 0.2 means a fifth of the time.

// rounds is in how many turns the two sides of a comparison take their share.
const rounds = 10

// compare runs b.N operations of ours, which is what the benchmark reports,
// and as many of theirs, which tell themselves how long they took. Each side
// does at least one a round.
func compare(b *testing.B, name string, ours func(n int), theirs func(n int) time.Duration) {
	b.ReportAllocs()
	n := (b.N + rounds - 1) / rounds
	var own, other time.Duration
	b.ResetTimer()
	for range rounds {
		start := time.Now()
		ours(n)
		own += time.Since(start)
		b.StopTimer()
		other += theirs(n)
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(float64(other.Nanoseconds())/float64(n*rounds), name+"-ns/op")
	b.ReportMetric(float64(own)/float64(other), "x/"+name)
}

func sizes(b *testing.B, sizes []int, bench func(b *testing.B, pending int)) {
	for _, n := range sizes {
		b.Run(fmt.Sprintf("pending=%d", n), func(b *testing.B) { bench(b, n) })
	}
}

// delays are random distances between one and two hours, a power of two many.
func delays() []time.Duration {
	rnd := rand.New(rand.NewPCG(1, 2))
	ds := make([]time.Duration, 1<<12)
	for i := range ds {
		ds[i] = time.Hour + time.Duration(rnd.Int64N(int64(time.Hour)))
	}
	return ds
}

// fill sets that many timers on a queue and on the runtime.
func fill(b *testing.B, pending int) (q *Queue, ours []*Timer, theirs []*time.Timer) {
	ds := delays()
	q = &Queue{}
	for i := range pending {
		d := ds[i%len(ds)]
		t := q.Timer("", func() {})
		t.Set(Time(d))
		ours = append(ours, t)
		theirs = append(theirs, time.AfterFunc(d, func() {}))
	}
	b.Cleanup(func() {
		for _, t := range theirs {
			t.Stop()
		}
	})
	return q, ours, theirs
}

// BenchmarkScheduleCancel: a timer is set and stopped while others wait.
func BenchmarkScheduleCancel(b *testing.B) {
	sizes(b, []int{1e3, 1e4, 1e5, 1e6}, func(b *testing.B, pending int) {
		q, _, _ := fill(b, pending)
		ds := delays()
		t := q.Timer("", func() {})
		compare(b, "AfterFunc",
			func(n int) {
				for i := range n {
					t.Set(Time(ds[i%len(ds)]))
					t.Stop()
				}
			},
			func(n int) time.Duration {
				start := time.Now()
				for i := range n {
					time.AfterFunc(ds[i%len(ds)], func() {}).Stop()
				}
				return time.Since(start)
			})
	})
}

// BenchmarkAdjust: one after the other, pending timers get new deadlines.
func BenchmarkAdjust(b *testing.B) {
	sizes(b, []int{1e3, 1e6}, func(b *testing.B, pending int) {
		_, ours, theirs := fill(b, pending)
		ds := delays()
		var i, j int
		compare(b, "Reset",
			func(n int) {
				for ; n > 0; n-- {
					ours[i%pending].Set(Time(ds[(i*7)%len(ds)]))
					i++
				}
			},
			func(n int) time.Duration {
				start := time.Now()
				for ; n > 0; n-- {
					theirs[j%pending].Reset(ds[(j*7)%len(ds)])
					j++
				}
				return time.Since(start)
			})
	})
}

// BenchmarkFireReschedule: timers fire and set themselves again, among as many
// others. The runtime's are always overdue, so it is as fast as it can be.
func BenchmarkFireReschedule(b *testing.B) {
	sizes(b, []int{1e3, 1e5}, func(b *testing.B, pending int) {
		compare(b, "AfterFunc", fireOurs(pending), fireTheirs(b, pending))
	})
}

func fireOurs(pending int) func(n int) {
	const period = Time(time.Millisecond)
	var q Queue
	var now Time
	left := 0
	rnd := rand.New(rand.NewPCG(1, 2))
	for range pending {
		var t *Timer
		t = q.Timer("", func() {
			left--
			t.Set(now + 1 + Time(rnd.Int64N(int64(period))))
		})
		t.Set(Time(rnd.Int64N(int64(period))))
	}
	return func(n int) {
		for left = n; left > 0; {
			now += period / 100
			q.FireUntil(now)
		}
	}
}

func fireTheirs(b *testing.B, pending int) func(n int) time.Duration {
	var mu sync.Mutex
	var left int
	done := make(chan struct{})
	stopped := false
	timers := make([]*time.Timer, pending)
	rnd := rand.New(rand.NewPCG(1, 2))
	delay := func() time.Duration { return time.Duration(rnd.Int64N(int64(time.Millisecond))) }
	fire := func(i int) {
		mu.Lock()
		defer mu.Unlock()
		if stopped {
			return
		}
		timers[i].Reset(delay())
		if left--; left == 0 {
			stopped = true
			close(done)
		}
	}
	for i := range timers {
		timers[i] = time.AfterFunc(time.Hour, func() { fire(i) })
	}
	halt := func() {
		for _, t := range timers {
			t.Stop()
		}
	}
	b.Cleanup(halt)
	return func(n int) time.Duration {
		mu.Lock()
		left, stopped, done = n, false, make(chan struct{})
		for _, t := range timers {
			t.Reset(delay())
		}
		start := time.Now()
		mu.Unlock()
		<-done
		took := time.Since(start)
		halt()
		return took
	}
}
