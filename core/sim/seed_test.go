package sim

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeTB records what a failing test would print.
type fakeTB struct {
	testing.TB
	text   strings.Builder
	errors int
}

var errGaveUp = errors.New("gave up")

func (f *fakeTB) Helper()      {}
func (f *fakeTB) Name() string { return "TestFake" }

func (f *fakeTB) Logf(format string, args ...any) { fmt.Fprintf(&f.text, format+"\n", args...) }

func (f *fakeTB) Errorf(format string, args ...any) {
	f.errors++
	f.Logf(format, args...)
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(errGaveUp)
}

// run catches what ends the fake test.
func (f *fakeTB) run(n int, fn func(uint64) error) (end any) {
	defer func() { end = recover() }()
	Seeds(f, n, fn)
	return nil
}

// setFlags sets the flags for one test: a soak or a replay of the whole package
// must not change what these tests see.
func setFlags(t *testing.T, seed, seeds, first int64) {
	t.Helper()
	a, b, c := *flagSeed, *flagSeeds, *flagFirst
	*flagSeed, *flagSeeds, *flagFirst = seed, seeds, first
	t.Cleanup(func() { *flagSeed, *flagSeeds, *flagFirst = a, b, c })
}

func TestSeedsTellHowToReplay(t *testing.T) {
	setFlags(t, -1, 0, -1)
	var f fakeTB
	var ran []uint64
	n := 9
	want := []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	if raceEnabled {
		n *= 10
	}
	end := f.run(n, func(seed uint64) error {
		ran = append(ran, seed)
		if seed != 4 {
			return nil
		}
		w := New(seed)
		w.After(time.Minute, "burst", func() { w.Fail("pipe", errors.New("it leaks")) })
		return fmt.Errorf("wrapped: %w", w.Run(time.Hour))
	})
	if end != nil || f.errors != 1 || !slices.Equal(ran, want) {
		t.Errorf("ended with %v, %d errors, seeds %v", end, f.errors, ran)
	}
	for _, want := range []string{"seed 4", "at 1m0s", "it leaks", "burst", "go test daemonbox/core/sim -run '^TestFake$' -sim.seed=4"} {
		if !strings.Contains(f.text.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, f.text.String())
		}
	}
}

func TestSeedsGiveUp(t *testing.T) {
	setFlags(t, -1, 50, 1000)
	var f fakeTB
	var ran []uint64
	end := f.run(9, func(seed uint64) error { ran = append(ran, seed); return errors.New("no") })
	if end != errGaveUp || len(ran) != maxFailures || ran[0] != 1000 {
		t.Errorf("ended with %v after seeds %v", end, ran)
	}
}

func TestSeedsTellSeedOfPanic(t *testing.T) {
	setFlags(t, 77, 0, -1)
	var f fakeTB
	end := f.run(9, func(uint64) error { panic("boom") })
	if end != "boom" || !strings.Contains(f.text.String(), "-sim.seed=77") {
		t.Errorf("ended with %v:\n%s", end, f.text.String())
	}
}
