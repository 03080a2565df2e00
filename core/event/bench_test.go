package event

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The benchmarks of this package measure the loop beside what a reader might
// propose instead, in turns within one run, and report ratios: a metric
// rate-x/C of 0.9 means nine tenths of the rate of the C program, cpu-x/
// goroutine of 0.5 half the processor time. They need a C compiler, two idle
// processors, and belong to no test run.

// rounds is in how many turns the contenders take their share: many, since
// what else the host does disturbs some of them. Ratios compare the medians.
const rounds = 20

// contender is one of the things compared.
type contender struct {
	name string
	// run does n operations and tells how long they took.
	run func(n int) sample
}

type sample struct{ wall, cpu time.Duration }

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		panic(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// clocked measures fn in this process.
func clocked(fn func()) sample {
	wall, cpu := time.Now(), cpuTime()
	fn()
	return sample{time.Since(wall), cpuTime() - cpu}
}

// compete runs b.N operations of each contender. The benchmark's own time is
// that of the first, whose samples come back first.
func compete(b *testing.B, contenders []contender) [][]sample {
	b.ReportAllocs()
	n := (b.N + rounds - 1) / rounds
	samples := make([][]sample, len(contenders))
	b.ResetTimer()
	for range rounds {
		for i, c := range contenders {
			if i > 0 {
				b.StopTimer()
			}
			samples[i] = append(samples[i], c.run(n))
		}
		b.StartTimer()
	}
	b.StopTimer()
	return samples
}

func wall(s sample) time.Duration { return s.wall }
func cpu(s sample) time.Duration  { return s.cpu }

// ratio compares the medians of two contenders.
func ratio(a, b []sample, of func(sample) time.Duration) float64 {
	return float64(median(a, of)) / float64(max(median(b, of), 1))
}

func median(samples []sample, of func(sample) time.Duration) time.Duration {
	ds := make([]time.Duration, len(samples))
	for i, s := range samples {
		ds[i] = of(s)
	}
	slices.Sort(ds)
	return ds[len(ds)/2]
}

// startLoop runs a loop in the background until the benchmark ends.
func startLoop(b *testing.B, mode Mode, setup func(l *Loop)) *Loop {
	l := newLoop(b, mode)
	setup(l)
	done := make(chan error)
	go func() { done <- l.Run() }()
	b.Cleanup(func() {
		l.Stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
		l.Close()
	})
	return l
}
