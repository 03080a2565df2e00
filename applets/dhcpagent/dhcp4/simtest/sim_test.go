package simtest

import (
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/sim"
)

func oneServer(lease time.Duration) []ServerOptions {
	return []ServerOptions{{
		Addr: lanIP(0, 1), Prefix: subnet, First: lanIP(1, 10), Last: lanIP(1, 60), Lease: lease, Authoritative: true,
	}}
}

func hosts(n int, cfg dhcp4.Config) (list []HostOptions) {
	for range n {
		list = append(list, HostOptions{Config: cfg})
	}
	return list
}

func TestSmoke(t *testing.T) {
	w := NewWorld(sim.Seed(t), Options{
		Link: sim.Link{Delay: time.Millisecond}, Servers: oneServer(time.Hour), Hosts: hosts(3, dhcp4.Config{LeaseTime: 0xffffffff, ACDDefend: true}), NoHook: 1,
	})
	for _, h := range w.hosts {
		w.After(0, "start", h.ensureStarted)
	}
	if err := w.Run(24 * time.Hour); err != nil {
		t.Fatalf("%v\n%s", err, w.Trace().Last(60))
	}
	w.checkLiveness()
	if err := w.Failed(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events", w.Events())
}

// chaosTime is how long the faults of a random world last.
const chaosTime = time.Hour

func randomWorld(seed uint64, c *Coverage) *World {
	o := RandomOptions(seed)
	o.Coverage = c
	w := NewWorld(seed, o)
	for _, h := range w.hosts {
		if !h.static.IsValid() && w.Chance(0.8) {
			w.After(w.Duration(0, 20*time.Second), "start", h.ensureStarted)
		}
	}
	return w
}

// TestWorlds lets worlds of all kinds live through their faults.
func TestWorlds(t *testing.T) {
	c := NewCoverage()
	sim.Seeds(t, fixedSeeds, func(seed uint64) error { return randomWorld(seed, c).Soak(chaosTime) })
	t.Log("\n" + c.String())
}

const fixedSeeds = 200
