package event

import (
	"slices"
	"testing"
	"time"

	"daemonbox/core/timer"
)

// BenchmarkSparseWakeup is the processor time of one message a millisecond,
// sent by another process: what a daemon costs that has little to do.
func BenchmarkSparseWakeup(b *testing.B) {
	prog := compile(b)
	run := func(c *echoClient) func(n int) sample {
		return func(n int) sample { return clocked(func() { c.run(b, n) }) }
	}
	ticker := func() *echoClient { return newEcho(b, prog, "ticker", 1) }
	s := compete(b, []contender{
		{"parked", run(serveOnLoop(b, ticker(), Parked, false))},
		{"direct", run(serveOnLoop(b, ticker(), Direct, false))},
		{"goroutine", run(serveOnGoroutines(b, ticker(), false))},
	})
	b.ReportMetric(float64(median(s[0], cpu))/float64((b.N+rounds-1)/rounds), "cpu-ns/wakeup")
	b.ReportMetric(ratio(s[0], s[1], cpu), "cpu-x/direct")
	b.ReportMetric(ratio(s[0], s[2], cpu), "cpu-x/goroutine")
}

// BenchmarkLateness is how long after its deadline a timer of the loop runs,
// beside how long after its end time.Sleep returns.
func BenchmarkLateness(b *testing.B) {
	const nap = 1700 * time.Microsecond
	for _, mode := range []Mode{Parked, Direct} {
		b.Run(mode.String(), func(b *testing.B) {
			l := newLoop(b, mode)
			var ours, theirs []time.Duration
			var due timer.Time
			tm := l.Timer("nap", func() {
				ours = append(ours, l.Now().Sub(due))
				l.Stop()
			})
			for range b.N {
				due = l.Now().Add(nap)
				tm.Set(due)
				if err := l.Run(); err != nil {
					b.Fatal(err)
				}
				due = l.Now().Add(nap)
				time.Sleep(nap)
				theirs = append(theirs, l.Now().Sub(due))
			}
			slices.Sort(ours)
			slices.Sort(theirs)
			p50, p50Sleep := ours[len(ours)/2], theirs[len(theirs)/2]
			b.ReportMetric(0, "ns/op") // says nothing
			b.ReportMetric(float64(p50), "late-p50-ns")
			b.ReportMetric(float64(p50)/float64(p50Sleep), "late-p50-x/Sleep")
		})
	}
}
