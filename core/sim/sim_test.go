package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"daemonbox/core/timer"
)

var (
	hwA = HW{2, 0, 0, 0, 0, 1}
	hwB = HW{2, 0, 0, 0, 0, 2}
	hwC = HW{2, 0, 0, 0, 0, 3}
)

// pinger sends a numbered frame each interval and counts what comes back.
type pinger struct {
	node     *Node
	port     *Port
	interval time.Duration
	t        *Timer
	sent     byte
	got      []byte
	times    []timer.Time
	buf      [64]byte
}

func newPinger(n *Node, p *Port, interval time.Duration) *pinger {
	x := &pinger{node: n, port: p, interval: interval}
	x.t = n.Timer("ping", x.fire)
	p.Recv = func(f *Frame) {
		x.got = append(x.got, f.Data[0])
		x.times = append(x.times, n.Now())
	}
	n.Crashed = func() { x.sent = 0 }
	n.Restarted = func() { x.t.Set(n.Now().Add(interval)) }
	x.t.Set(n.Now().Add(interval))
	return x
}

func (x *pinger) fire() {
	x.sent++
	x.buf[0] = x.sent
	x.port.Send(Broadcast, 1, x.buf[:])
	x.t.Set(x.node.Now().Add(x.interval))
}

func echo(p *Port) { p.Recv = func(f *Frame) { p.Send(f.Src, f.Type, f.Data) } }

// busyWorld uses every fault there is.
func busyWorld(seed uint64) *World {
	w := New(seed)
	s := w.Segment("lan", Link{Delay: time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.1, Dup: 0.05, Reorder: 0.1, MTU: 1500})
	var pings []*pinger
	for i := range 5 {
		n := w.Node(fmt.Sprintf("n%d", i))
		n.SetBootAge(w.Duration(0, time.Hour))
		pings = append(pings, newPinger(n, n.Attach(s, HW{2, 0, 0, 0, 1, byte(i)}), 100*time.Millisecond))
	}
	e := w.Node("echo")
	echo(e.Attach(s, hwA))
	w.Every(7*time.Second, "faults", func() {
		n := pings[w.Rand.IntN(len(pings))].node
		switch w.Rand.IntN(6) {
		case 0:
			n.Crash()
			w.After(w.Duration(0, 5*time.Second), "restart", n.Restart)
		case 1:
			n.Suspend(w.Duration(0, 5*time.Second))
		case 2:
			n.Pause(w.Duration(0, 5*time.Second))
		case 3:
			s.Partition(pings[0].port, pings[1].port)
			w.After(w.Duration(0, 5*time.Second), "heal", s.Heal)
		case 4:
			n.StepWall(w.Duration(-time.Hour, time.Hour))
		case 5:
			p := pings[0].port
			p.SetUp(!p.Up())
		}
	})
	return w
}

func TestSameSeedSameTrace(t *testing.T) {
	seen := map[uint64]uint64{}
	Seeds(t, 20, func(seed uint64) error {
		var hashes, events [2]uint64
		for i := range 2 {
			w := busyWorld(seed)
			if err := w.Run(2 * time.Minute); err != nil {
				return err
			}
			hashes[i], events[i] = w.Trace().Hash(), w.Events()
		}
		if hashes[0] != hashes[1] || events[0] != events[1] {
			return fmt.Errorf("hashes %x, events %d of two runs", hashes, events)
		}
		if other, ok := seen[hashes[0]]; ok {
			return fmt.Errorf("same trace as seed %d", other)
		}
		seen[hashes[0]] = seed
		return nil
	})
}

func TestFrameStatistics(t *testing.T) {
	const n = 20000
	w := New(Seed(t))
	a, b := w.Node("a"), w.Node("b")
	pa, pb := w.Join(a, b, hwA, hwB, Link{Delay: 10 * time.Millisecond, Jitter: 20 * time.Millisecond, Loss: 0.2, Dup: 0.1, Reorder: 0.05, MTU: 100})
	var sentAt []timer.Time
	var got []int
	inversions, late := 0, time.Duration(0)
	pb.Recv = func(f *Frame) {
		i := int(f.Data[0])<<8 | int(f.Data[1])
		if len(got) > 0 && i < slices.Max(got[max(0, len(got)-50):]) {
			inversions++
		}
		got = append(got, i)
		d := w.Now().Sub(sentAt[i])
		if d < 10*time.Millisecond {
			t.Fatalf("frame %d took %v", i, d)
		}
		late = max(late, d)
	}
	for i := range n {
		sentAt = append(sentAt, w.Now())
		pa.Send(hwB, 1, []byte{byte(i >> 8), byte(i)})
		if err := w.Run(4 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	pa.Send(hwB, 1, make([]byte, 101))
	if err := w.Run(time.Second); err != nil {
		t.Fatal(err)
	}
	near := func(what string, got, want float64) {
		// Six standard deviations: never by chance, and the seed is fixed.
		if math.Abs(got-want) > 6*math.Sqrt(want) {
			t.Errorf("%s: %v, want about %v", what, got, want)
		}
	}
	st := pb.seg.Stats
	near("lost", float64(st.Lost), n*0.2)
	near("dups", float64(st.Dups), n*0.8*0.1)
	near("reordered", float64(st.Reordered), n*0.8*1.1*0.05)
	if st.TooBig != 1 || st.Sent != n+1 {
		t.Errorf("too big %d, sent %d", st.TooBig, st.Sent)
	}
	if st.Delivered != uint64(len(got)) || st.Sent-st.TooBig-st.Lost+st.Dups != st.Delivered {
		t.Errorf("frames do not add up: %+v", st)
	}
	if inversions < 100 || inversions > n/10 {
		t.Errorf("%d frames were overtaken", inversions)
	}
	if late > 160*time.Millisecond {
		t.Errorf("a frame took %v", late)
	}
}

func TestJitterKeepsOrder(t *testing.T) {
	w := New(Seed(t))
	a, b := w.Node("a"), w.Node("b")
	pa, pb := w.Join(a, b, hwA, hwB, Link{Jitter: time.Second})
	x := newPinger(b, pb, time.Hour)
	for i := range 200 {
		pa.Send(hwB, 1, []byte{byte(i)})
		if err := w.Run(time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Run(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	if len(x.got) != 200 || !slices.IsSorted(x.got) {
		t.Errorf("%d frames, in order: %v", len(x.got), slices.IsSorted(x.got))
	}
}

func TestAddressing(t *testing.T) {
	w := New(Seed(t))
	s := w.Segment("lan", Link{})
	var log []string
	port := func(name string, hw HW) *Port {
		p := w.Node(name).Attach(s, hw)
		p.Recv = func(f *Frame) { log = append(log, fmt.Sprintf("%s<%d", name, f.Data[0])) }
		return p
	}
	a, b, c, d := port("a", hwA), port("b", hwB), port("c", hwC), port("d", HW{2, 9})
	c.Promiscuous = true
	d.Filter = func(f *Frame) bool { return f.Type == 7 }
	a.Send(Broadcast, 7, []byte{1})
	a.Send(hwB, 7, []byte{2})
	b.Send(hwA, 8, []byte{3})
	b.Send(Broadcast, 8, []byte{4})
	s.Partition(a, b)
	a.Send(Broadcast, 7, []byte{5})
	if err := w.Run(time.Second); err != nil {
		t.Fatal(err)
	}
	// Frames sent before the partition but not yet arrived are cut as well.
	want := []string{"b<1", "b<2", "a<3", "a<4", "b<5"}
	if diff := cmp.Diff(want, log); diff != "" {
		t.Errorf("partitioned (-want +got):\n%s", diff)
	}
	log = nil
	s.Heal()
	a.Send(Broadcast, 7, []byte{6})
	a.Send(hwB, 7, []byte{7})
	d.SetUp(false)
	if err := w.Run(time.Second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b<6", "c<6", "b<7", "c<7"}, log); diff != "" {
		t.Errorf("healed (-want +got):\n%s", diff)
	}
}

func TestCrashAndRestart(t *testing.T) {
	w := New(Seed(t))
	a, b := w.Node("a"), w.Node("b")
	pa, pb := w.Join(a, b, hwA, hwB, Link{Delay: 10 * time.Millisecond})
	x := newPinger(a, pa, time.Second)
	y := newPinger(b, pb, time.Hour)
	w.At(timer.Time(2500*time.Millisecond), "crash", a.Crash)
	w.At(timer.Time(4200*time.Millisecond), "reboot", a.Reboot)
	w.At(timer.Time(6205*time.Millisecond), "crash receiver", b.Crash)
	if err := w.Run(8 * time.Second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]byte{1, 2, 1}, y.got); diff != "" {
		t.Errorf("frames (-want +got):\n%s", diff)
	}
	if got, want := a.Now(), timer.Time(3800*time.Millisecond); got != want {
		t.Errorf("clock of the rebooted node %v, want %v", got, want)
	}
	if !x.t.Pending() || y.t.Pending() {
		t.Errorf("pending timers: running %v, crashed %v", x.t.Pending(), y.t.Pending())
	}
}

func TestSleep(t *testing.T) {
	for _, tc := range []struct {
		name  string
		sleep func(*Node, time.Duration)
		got   []byte // frames received
		told  int
		slept time.Duration
	}{
		{"suspend", (*Node).Suspend, []byte{1, 6, 7}, 1, 4 * time.Second},
		{"pause", (*Node).Pause, []byte{1, 2, 3, 4, 5, 6, 7}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := New(Seed(t))
			a, b := w.Node("a"), w.Node("b")
			pa, pb := w.Join(a, b, hwA, hwB, Link{Delay: time.Millisecond})
			newPinger(a, pa, time.Second)
			y := newPinger(b, pb, time.Hour)
			var log []string
			b.Resumed = func(d time.Duration) { log = append(log, "resumed"); tc.told-- }
			b.ClockStepped = func() { log = append(log, "stepped") }
			pb.Carrier = func(up bool) { log = append(log, fmt.Sprint("carrier ", up)) }
			late := b.Timer("late", func() { log = append(log, fmt.Sprint("late ", b.Now().Sub(0))) })
			later := b.Timer("later", func() { log = append(log, "later") })
			stopped := b.Timer("stopped", func() { log = append(log, "stopped") })
			late.Set(timer.Time(2 * time.Second))
			later.Set(timer.Time(4 * time.Second))
			stopped.Set(timer.Time(3 * time.Second))
			w.After(1500*time.Millisecond, "sleep", func() { tc.sleep(b, 4*time.Second) })
			w.After(5*time.Second, "stop", func() {
				if !stopped.Pending() || !stopped.Stop() {
					t.Error("an overdue timer counts as pending")
				}
				b.StepWall(time.Hour)
			})
			if err := w.Run(7500 * time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.got, y.got); diff != "" {
				t.Errorf("frames (-want +got):\n%s", diff)
			}
			if tc.told != 0 {
				t.Errorf("told of the resume %+d times too seldom", tc.told)
			}
			text := strings.Join(log, ",")
			if !strings.Contains(text, "late 5.5s,later") || !strings.Contains(text, "stepped") || strings.Contains(text, "stopped") {
				t.Errorf("after waking: %s", text)
			}
			if b.Asleep() != tc.slept || b.Now() != timer.Time(7500*time.Millisecond) {
				t.Errorf("slept %v, clock %v", b.Asleep(), b.Now())
			}
			if b.Woke() != timer.Time(5500*time.Millisecond) || a.Woke() != 0 {
				t.Errorf("woke at %v and %v", b.Woke(), a.Woke())
			}
		})
	}
}

func TestCarrierMissedInSleep(t *testing.T) {
	w := New(Seed(t))
	a, b := w.Node("a"), w.Node("b")
	_, pb := w.Join(a, b, hwA, hwB, Link{})
	var log []bool
	pb.Carrier = func(up bool) { log = append(log, up) }
	b.Suspend(time.Second)
	pb.SetUp(false)
	pb.SetUp(true)
	if err := w.Run(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]bool{false, true}, log); diff != "" {
		t.Errorf("carrier events (-want +got):\n%s", diff)
	}
}

func TestPauseBacklogIsBounded(t *testing.T) {
	w := New(Seed(t))
	a, b := w.Node("a"), w.Node("b")
	pa, pb := w.Join(a, b, hwA, hwB, Link{})
	y := newPinger(b, pb, time.Hour)
	b.Pause(time.Second)
	for i := range 200 {
		pa.Send(hwB, 1, []byte{byte(i)})
	}
	if err := w.Run(2 * time.Second); err != nil {
		t.Fatal(err)
	}
	if len(y.got) != maxBacklog {
		t.Errorf("%d frames after a pause, want %d", len(y.got), maxBacklog)
	}
}

func TestInvariantEndsRun(t *testing.T) {
	w := New(Seed(t))
	n := w.Node("n")
	count := 0
	var tick *Timer
	tick = n.Timer("tick", func() { count++; tick.Set(n.Now().Add(time.Second)) })
	tick.Set(1)
	broken := errors.New("three")
	w.Invariant("count", func() error {
		if count == 3 {
			return broken
		}
		return nil
	})
	err := w.Run(time.Hour)
	if !errors.Is(err, broken) || count != 3 {
		t.Fatalf("run ended with %v after %d ticks", err, count)
	}
	if again := w.Run(time.Hour); again != err || count != 3 {
		t.Errorf("a failed world went on: %v, %d", again, count)
	}
	var f *Failure
	if !errors.As(err, &f) || f.Name != "count" || f.At != timer.Time(2*time.Second+1) {
		t.Errorf("failure %+v", f)
	}
	if last := w.Trace().Last(2); !strings.Contains(last, "FAILURE") || !strings.Contains(last, "tick") {
		t.Errorf("end of trace:\n%s", last)
	}
}

func TestStandstillIsFound(t *testing.T) {
	w := New(Seed(t))
	n := w.Node("n")
	var x *Timer
	x = n.Timer("again", func() { x.Set(n.Now()) })
	x.Set(0)
	if err := w.Run(time.Second); err == nil || !strings.Contains(err.Error(), "clock stands still") {
		t.Errorf("a timer that always fires at once: %v", err)
	}
}

func TestRunWhile(t *testing.T) {
	w := New(Seed(t))
	n := 0
	w.Every(time.Second, "count", func() { n++ })
	still, err := w.RunWhile(time.Minute, func() bool { return n < 5 })
	if still || err != nil || w.Now() != timer.Time(5*time.Second) {
		t.Errorf("ended with %v, %v at %v", still, err, w.Now())
	}
	still, err = w.RunWhile(time.Minute, func() bool { return true })
	if !still || err != nil || w.Now() != timer.Time(65*time.Second) {
		t.Errorf("ended with %v, %v at %v", still, err, w.Now())
	}
}

func TestTraceRing(t *testing.T) {
	w := New(1)
	w.Trace().Describe = func(typ uint16, data []byte) string { return fmt.Sprintf("type %d: %s", typ, data) }
	for i := range ringSize + 10 {
		w.Trace().Add(nil, "note", "x", int64(i), 1)
	}
	a, b := w.Node("a"), w.Node("b")
	pa, pb := w.Join(a, b, hwA, hwB, Link{})
	echo(pb)
	pa.Send(hwB, 3, []byte("hello"))
	last := w.Trace().Last(2)
	if !strings.Contains(last, "type 3: hello") || !strings.Contains(last, "x 4105 1") {
		t.Errorf("last records:\n%s", last)
	}
	if n := strings.Count(w.Trace().Last(1<<20), "\n"); n != ringSize {
		t.Errorf("ring holds %d records, want %d", n, ringSize)
	}
}

func TestHashSeesEverything(t *testing.T) {
	base := func() *World { w := New(1); w.Node("a"); return w }
	hashes := map[uint64]string{}
	for name, do := range map[string]func(w *World){
		"nothing":  func(*World) {},
		"kind":     func(w *World) { w.Trace().Add(nil, "a", "", 0, 0) },
		"text":     func(w *World) { w.Trace().Add(nil, "", "a", 0, 0) },
		"number a": func(w *World) { w.Trace().Add(nil, "", "", 1, 0) },
		"number b": func(w *World) { w.Trace().Add(nil, "", "", 0, 1) },
		"node":     func(w *World) { w.Trace().Add(w.nodes[0], "", "", 0, 0) },
		"time":     func(w *World) { w.now = 1; w.Trace().Add(nil, "", "", 0, 0) },
		"empty":    func(w *World) { w.Trace().Add(nil, "", "", 0, 0) },
		"longer":   func(w *World) { w.Trace().Add(nil, "", "aaaaaaaab", 0, 0) },
		"frame":    func(w *World) { w.Trace().frame(w.nodes[0], "send", 1, make([]byte, 17)) },
		"frame 2":  func(w *World) { w.Trace().frame(w.nodes[0], "send", 1, make([]byte, 16)) },
		"frame 3":  func(w *World) { w.Trace().frame(w.nodes[0], "send", 2, make([]byte, 16)) },
	} {
		w := base()
		do(w)
		h := w.Trace().Hash()
		if other, ok := hashes[h]; ok {
			t.Errorf("%q and %q have one hash", name, other)
		}
		hashes[h] = name
	}
}

func TestReplayCommand(t *testing.T) {
	want := `go test daemonbox/core/sim -run '^TestX$/^y$' -sim.seed=17`
	if got := replay("TestX/y", 17); got != want {
		t.Errorf("replay command %q, want %q", got, want)
	}
}
