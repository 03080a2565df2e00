package sim

import (
	"testing"
	"time"
)

// BenchmarkProbingPair measures simulated seconds per second of wall time for
// two nodes of which one probes the other once a second over a lossy link and
// checks an invariant after every event. Budget: 1e6.
func BenchmarkProbingPair(b *testing.B) {
	w := New(1)
	p, q := w.Node("p"), w.Node("q")
	pp, pq := w.Join(p, q, hwA, hwB, Link{Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.01})
	echo(pq)
	answered, sent := 0, 0
	pp.Recv = func(*Frame) { answered++ }
	buf := make([]byte, 64)
	var tick *Timer
	tick = p.Timer("probe", func() {
		sent++
		pp.Send(hwB, 1, buf)
		tick.Set(p.Now().Add(time.Second))
	})
	tick.Set(0)
	w.Invariant("answers", func() error {
		if answered > sent {
			b.Fatal("more answers than probes")
		}
		return nil
	})
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Run(1000 * time.Second); err != nil {
			b.Fatal(err)
		}
	}
	report(b, time.Duration(w.Now()).Seconds(), w.Events())
}

// BenchmarkIdle is the least the simulator can cost: a timer every 30 minutes.
func BenchmarkIdle(b *testing.B) {
	var seconds float64
	var events uint64
	b.ReportAllocs()
	for b.Loop() {
		w := New(1) // 292 years are all a clock can hold
		n := w.Node("n")
		var tick *Timer
		tick = n.Timer("tick", func() { tick.Set(n.Now().Add(30 * time.Minute)) })
		tick.Set(0)
		if err := w.Run(24 * 365 * time.Hour); err != nil {
			b.Fatal(err)
		}
		seconds += time.Duration(w.Now()).Seconds()
		events += w.Events()
	}
	report(b, seconds, events)
}

func report(b *testing.B, seconds float64, events uint64) {
	b.ReportMetric(seconds/b.Elapsed().Seconds(), "sim-s/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}
