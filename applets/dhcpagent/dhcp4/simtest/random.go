package simtest

import (
	"math/rand/v2"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/sim"
)

// RandomOptions draws a world: how many hosts and servers of which kind, which
// faults and how often.
func RandomOptions(seed uint64) Options {
	r := rand.New(rand.NewPCG(seed, 0x6f707469))
	o := Options{Link: randomLink(r)}
	hosts := 2 + r.IntN(9)
	leases := []time.Duration{8, 20, 45, 120, 120, 300, 600, 1800, 3600}
	lease := leases[r.IntN(len(leases))] * time.Second
	for i := range 1 + r.IntN(3) {
		o.Servers = append(o.Servers, randomServer(r, i, lease))
	}
	for range hosts {
		o.Hosts = append(o.Hosts, HostOptions{Config: randomConfig(r), Static: r.IntN(12) == 0})
	}
	// Each kind of fault is there in a part of the worlds only, so that all
	// sorts of company occur, also peace.
	mean := func(share float64, lo, hi time.Duration) time.Duration {
		if r.Float64() >= share {
			return 0
		}
		return lo + time.Duration(r.Int64N(int64(hi-lo)))
	}
	const m = time.Minute
	o.ServerCrash, o.ServerPause = mean(0.5, m, 20*m), mean(0.3, m, 20*m)
	o.Crash, o.PowerCut = mean(0.6, m/2, 10*m), mean(0.5, m, 20*m)
	o.Suspend, o.Pause = mean(0.5, m, 15*m), mean(0.3, m, 15*m)
	o.Cable, o.Partition = mean(0.5, m/2, 10*m), mean(0.3, 2*m, 20*m)
	o.ClockStep, o.NewHardware = mean(0.4, m, 15*m), mean(0.15, 5*m, 30*m)
	o.Squat, o.Foreign = mean(0.4, m/2, 10*m), mean(0.2, 2*m, 20*m)
	o.Unplug, o.Rename, o.Hint = mean(0.2, 2*m, 20*m), mean(0.2, m, 20*m), mean(0.3, m/4, 5*m)
	o.Users, o.Shutdown = mean(0.7, m/6, 3*m), mean(0.3, 2*m, 15*m)
	o.LoseDatabase = []float64{0, 0, 0.3, 1}[r.IntN(4)]
	o.Liars = r.IntN(4) == 0
	share := func(p, most float64) float64 {
		if r.Float64() >= p {
			return 0
		}
		return r.Float64() * most
	}
	o.ConfigureFails, o.SlowConfigure = share(0.2, 0.1), share(0.5, 0.5)
	o.SlowSlot = share(0.3, 0.3)
	o.NoHook = []float64{1, 1, 0.5, 0}[r.IntN(4)]
	return o
}

// randomLink draws a network. Transit times stay well under a second, which is
// what the rule for the start of a lease after a retransmission rests on: an
// ACK that comes within a second of a transmission may answer the one before,
// an older one it may not.
func randomLink(r *rand.Rand) sim.Link {
	l := sim.Link{Delay: time.Millisecond, MTU: 1500}
	if r.IntN(3) == 0 {
		l.Delay = time.Duration(r.IntN(40)) * time.Millisecond
	}
	if r.IntN(2) == 0 {
		l.Jitter = time.Duration(r.IntN(60)) * time.Millisecond
	}
	if r.IntN(2) == 0 {
		l.Loss = r.Float64() * 0.4
	}
	if r.IntN(3) == 0 {
		l.Dup, l.Reorder = r.Float64()*0.2, r.Float64()*0.2
	}
	return l
}

// randomServer draws the i-th server. Pools have room for all hosts, for what
// is set aside after a DECLINE, and for hosts that changed their hardware
// address, so that a client without a lease is never the fault of the pool.
func randomServer(r *rand.Rand, i int, lease time.Duration) ServerOptions {
	s := ServerOptions{
		Addr: lanIP(0, 1+i), Prefix: subnet, Lease: lease,
		First: lanIP(1, 1+70*i), Last: lanIP(1, 70+70*i), Authoritative: r.IntN(3) > 0, RapidCommit: r.IntN(8) == 0,
	}
	switch r.IntN(6) {
	case 0:
		s.T1, s.T2 = lease/4, lease/2
	case 1:
		s.T1, s.T2 = lease, lease/2 // nonsense
	}
	if i == 0 {
		s.Relayed = r.IntN(5) == 0
		return s
	}
	switch r.IntN(7) {
	case 6:
		s.BOOTP = true
	case 0: // the same pool as the first server's, unknown to it
		s.First, s.Last = lanIP(1, 1), lanIP(1, 70)
	case 1, 2:
		s.Rogue = true
		if r.IntN(2) == 0 {
			s.First, s.Last = lanIP(1, 1), lanIP(1, 70)
		}
	}
	return s
}

// randomConfig draws what an administrator may have set.
func randomConfig(r *rand.Rand) dhcp4.Config {
	c := dhcp4.Config{
		ParamRequest: []uint8{1, 3, 6, 15, 26, 28, 33, 58, 59, 119, 121},
		LeaseTime:    0xffffffff, ACDDefend: r.IntN(4) > 0, ClientIDFollowsHW: true,
		VendorClass: "dhcpagent", MTU: dhcp4.MTUMode(r.IntN(3)),
		VerifiedLeaseOnly: r.IntN(8) == 0, ReleaseOnSigterm: r.IntN(4) == 0,
		HookExtra: r.IntN(4) == 0, Broadcast: r.IntN(8) == 0,
	}
	c.ACD = []dhcp4.ACDMode{
		dhcp4.ACDFast, dhcp4.ACDFast, dhcp4.ACDFast, dhcp4.ACDFull, dhcp4.ACDOff, dhcp4.ACDOptimistic,
	}[r.IntN(6)]
	if r.IntN(4) == 0 {
		c.OfferWait = time.Duration(1+r.IntN(5)) * time.Second
	}
	if r.IntN(6) == 0 {
		c.StartDelay = time.Duration(r.IntN(10)) * time.Second
	}
	switch r.IntN(4) {
	case 0: // an identity of its own
		c.ClientID, c.ClientIDFollowsHW = make([]byte, 9), false
		for i := range c.ClientID {
			c.ClientID[i] = byte(r.Uint32())
		}
	case 1:
		c.LeaseTime = []uint32{0, 15, 60, 400}[r.IntN(4)]
	}
	return c
}
