package simtest

import (
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/sim"
)

// BenchmarkIdleClient measures simulated seconds per second of wall time for
// one bound client that renews its lease with a real server through real
// octets, all checks on. Budget: 1e8 with a lease of a day.
func BenchmarkIdleClient(b *testing.B) {
	for _, lease := range []time.Duration{24 * time.Hour, time.Hour} {
		b.Run(lease.String(), func(b *testing.B) {
			w := NewWorld(1, Options{
				Link: sim.Link{Delay: time.Millisecond}, Servers: oneServer(lease),
				Hosts: hosts(1, fullConfig(dhcp4.ACDFast)), NoHook: 1,
			})
			startAll(w, time.Second)
			if err := w.Run(time.Hour); err != nil {
				b.Fatal(err)
			}
			from := w.Now()
			b.ReportAllocs()
			for b.Loop() {
				if err := w.Run(24 * time.Hour); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(w.Now().Sub(from).Seconds()/b.Elapsed().Seconds(), "sim-s/s")
		})
	}
}

// BenchmarkWorld measures a world full of faults, an hour of it per turn.
func BenchmarkWorld(b *testing.B) {
	var seconds float64
	var events uint64
	seed := uint64(0)
	for b.Loop() {
		seed++
		w := randomWorld(seed, nil)
		if err := w.Soak(chaosTime); err != nil {
			b.Fatal(err)
		}
		seconds += time.Duration(w.Now()).Seconds()
		events += w.Events()
	}
	b.ReportMetric(seconds/b.Elapsed().Seconds(), "sim-s/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}
