// Package sim is a deterministic virtual world for tests: nodes with clocks
// and timers, joined by broadcast segments or point-to-point links that delay,
// lose, double and reorder what they carry. It runs the same state machines on
// the same timer queue as the daemons do; only the driver differs.
//
// A run is a function of its seed: one clock, one queue of events, one random
// generator, no goroutines, nothing that sleeps and no iteration over maps.
// Two runs of one seed leave the same hash in their trace, and any failure can
// be replayed from its seed (see Seeds).
//
//	w := sim.New(sim.Seed(t))
//	seg := w.Segment("lan", sim.Link{Delay: time.Millisecond, Loss: 0.1})
//	a, b := w.Node("a"), w.Node("b")
//	pa, pb := a.Attach(seg, hwA), b.Attach(seg, hwB)
//	pb.Recv = func(f *sim.Frame) { ... }
//	w.Invariant("no two holders", func() error { ... })
//	if err := w.Run(30 * 24 * time.Hour); err != nil { t.Fatal(err) }
//
// A World and everything made from it belong to the goroutine that calls Run;
// different worlds are independent.
package sim
