package sim

import (
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// The flags of every test binary that uses this package:
//
//	-sim.seed=N    run this seed only
//	-sim.seeds=N   run N seeds instead of the fixed ones (soak)
//	-sim.first=N   first of them; by default one made from the time of day
//	-sim.trace     print the whole trace while running
var (
	flagSeed  = flag.Int64("sim.seed", -1, "simulate this seed only")
	flagSeeds = flag.Int64("sim.seeds", 0, "simulate so many fresh seeds instead of the fixed ones")
	flagFirst = flag.Int64("sim.first", -1, "first of the fresh seeds (default: from the time of day)")
	flagTrace = flag.Bool("sim.trace", false, "print the trace of every simulated world")
)

// maxFailures ends a run of many seeds: one defect usually shows in many.
const maxFailures = 5

// progressEvery is how many seeds of a soak pass between two progress lines.
const progressEvery = 500

// Seed returns the seed for a test that needs one world: -sim.seed, or a
// number made from the test's name. When the test fails it logs the command
// that replays it.
func Seed(t testing.TB) uint64 {
	t.Helper()
	seed := *flagSeed
	if seed < 0 {
		h := fnv.New32a()
		h.Write([]byte(t.Name()))
		seed = int64(h.Sum32())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d; replay: %s", seed, replay(t.Name(), seed))
		}
	})
	return uint64(seed)
}

// Seeds runs fn for the seeds 1..n, or for those the flags ask for. Worlds have
// no goroutines, so under the race detector a tenth of them has to do. An error
// fails the test with the seed, the end of the trace where the error has one,
// and the command that replays it; so does a panic.
func Seeds(t testing.TB, n int, fn func(seed uint64) error) {
	t.Helper()
	first, count := int64(1), int64(n)
	if raceEnabled {
		count = max(1, count/10)
	}
	soak := false
	switch {
	case *flagSeed >= 0:
		first, count = *flagSeed, 1
	case *flagSeeds > 0:
		soak = true
		count = *flagSeeds
		if first = *flagFirst; first < 0 {
			first = time.Now().Unix() * 1_000_000
		}
		fmt.Fprintf(os.Stdout, "%s: %d seeds from -sim.first=%d\n", t.Name(), count, first)
	}
	failures := 0
	begun := time.Now()
	for i := range count {
		seed := uint64(first + i)
		if err := guard(t, int64(seed), fn); err != nil {
			failures++
			if soak {
				fmt.Fprintf(os.Stdout, "%s: seed %d failed: %v\n", t.Name(), seed, err)
			}
			t.Errorf("seed %d: %v%s\nreplay: %s", seed, err, tail(err), replay(t.Name(), int64(seed)))
			if failures == maxFailures {
				t.Fatalf("%d failures, giving up after %d of %d seeds", failures, i+1, count)
			}
		}
		if soak && (i+1)%progressEvery == 0 {
			fmt.Fprintf(os.Stdout, "%s: %d of %d seeds in %v, %d failures; go on with -sim.first=%d\n",
				t.Name(), i+1, count, time.Since(begun).Round(time.Second), failures, first+i+1)
		}
	}
	if soak {
		fmt.Fprintf(os.Stdout, "%s: %d seeds from %d, %d failures\n", t.Name(), count, first, failures)
	}
}

// guard runs one seed; a panic goes on after the seed has been told.
func guard(t testing.TB, seed int64, fn func(uint64) error) error {
	done := false
	defer func() {
		if !done {
			t.Logf("panic or exit with seed %d\nreplay: %s", seed, replay(t.Name(), seed))
		}
	}()
	err := fn(uint64(seed))
	done = true
	return err
}

// tail returns the end of the trace of a failed world.
func tail(err error) string {
	var f *Failure
	if !errors.As(err, &f) || *flagTrace {
		return ""
	}
	return "\n" + f.World.trace.Last(60)
}

// Fixed reports whether Seeds runs all fixed seeds: only then may a test say
// what must have happened over all of them.
func Fixed() bool { return *flagSeed < 0 && *flagSeeds == 0 && !raceEnabled }

// Verbose reports whether -sim.trace was given; a driver then sets Trace.Out.
func Verbose() bool { return *flagTrace }

// replay returns the command that runs one seed of a test.
func replay(test string, seed int64) string {
	pkg := "."
	if info, ok := debug.ReadBuildInfo(); ok {
		pkg = strings.TrimSuffix(info.Path, ".test")
	}
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + p + "$"
	}
	return fmt.Sprintf("go test %s -run '%s' -sim.seed=%d", pkg, strings.Join(parts, "/"), seed)
}
