package simtest

import (
	"net/netip"
	"time"

	"daemonbox/core/sim"
	"daemonbox/core/timer"
)

func (w *World) crashServer() {
	w.anyServer().restart(w.Duration(0, maxAbsence), !w.Chance(w.opt.LoseDatabase))
}

// crashAgent kills a host's agent; a supervisor starts it again, and it manages
// its interface as before.
func (w *World) crashAgent() {
	h := w.anyHost()
	if !h.proc.Awake() {
		return
	}
	running := h.m != nil
	h.proc.Crash()
	w.After(w.Duration(0, time.Minute), "agent back", func() {
		if h.kern.Alive() && !h.proc.Alive() {
			h.proc.Restart()
			if running {
				h.ensureStarted()
			}
		}
	})
}

// cutPower lets a whole host boot.
func (w *World) cutPower() {
	h := w.anyHost()
	if !h.kern.Alive() {
		return
	}
	running := h.m != nil
	h.powerOff()
	w.After(w.Duration(time.Second, maxAbsence), "power back", func() {
		h.bootClock()
		h.powerOn()
		if running {
			h.ensureStarted()
		}
	})
}

// bootClock sets the wall clock as a host may find it at boot: right; ahead,
// which makes saved leases look older than they are; or years back, as without
// a battery, which makes them come from the future. A clock that is back by
// less than the age of the saved lease would make it look younger: no client
// can find that out, so it is left out.
func (h *Host) bootClock() {
	switch h.w.Rand.IntN(8) {
	case 0:
		h.kern.StepWall(h.w.Duration(0, time.Hour))
	case 1:
		h.kern.StepWall(-40 * 365 * 24 * time.Hour)
	}
}

func (w *World) pullCable() {
	h := w.anyHost()
	h.cable(false)
	d := w.Duration(0, 3*time.Second)
	switch w.Rand.IntN(4) {
	case 0:
		d = w.Duration(0, maxAbsence)
	case 1: // a loose contact
		for i := range 1 + w.Rand.IntN(10) {
			at := d + time.Duration(i)*w.Duration(0, 2*time.Second)
			w.After(at, "cable", func() { h.cable(!h.port.Up()) })
		}
		d += 25 * time.Second
	}
	w.After(d, "cable", func() { h.cable(true) })
}

// partition separates some hosts from the rest, servers included or not.
func (w *World) partition() {
	var ports []*sim.Port
	for _, h := range w.hosts {
		if w.Chance(0.4) {
			ports = append(ports, h.port, h.arpPort)
		}
	}
	for _, s := range w.servers {
		if !s.opt.Relayed && w.Chance(0.3) {
			ports = append(ports, s.port)
		}
	}
	w.lan.Partition(ports...)
	w.After(w.Duration(0, maxAbsence), "heal", w.lan.Heal)
}

// stepClock sets the wall clock of a running host. The agent writes its lease
// files anew then, so that a later boot finds the right age; a host whose agent
// does not run is left alone, as bootClock explains.
func (w *World) stepClock() {
	h := w.anyHost()
	if !h.proc.Awake() || !h.kern.Awake() {
		return
	}
	d := w.Duration(-48*time.Hour, 48*time.Hour)
	if h.m == nil || h.m.Saved() == nil {
		d = max(d, -d)
	}
	h.kern.StepWall(d)
	h.proc.StepWall(d)
	h.flush() // until then a power cut would find a stale file
}

// newHardware gives the interface another hardware address, as a virtual
// machine that was cloned or a replaced card.
func (h *Host) newHardware() {
	if !h.kern.Awake() {
		return
	}
	h.hw[2]++
	h.port.HW, h.arpPort.HW = h.hw, h.hw
	h.w.Trace().Add(h.kern, "hardware", h.hw.String(), 0, 0)
	if h.proc.Alive() {
		h.tellLink()
	}
}

// squat lets a foreign host take an address of a pool, or leave.
func (w *World) squat() {
	s := w.squatters[w.Rand.IntN(len(w.squatters))]
	if s.addr.IsValid() && w.Chance(0.6) {
		s.addr = netip.Addr{}
		return
	}
	o := &w.anyServer().opt
	a := o.First
	for range w.Rand.IntN(16) {
		if a == o.Last {
			break
		}
		a = a.Next()
	}
	if w.Chance(0.5) {
		if h := w.anyHost(); h.k.addr.IsValid() {
			a = h.k.addr.Addr()
		}
	}
	s.settle(a, w.Chance(0.7))
}

// foreignChange lets an administrator delete the leased address or make it his
// own for a while.
func (h *Host) foreignChange() {
	if !h.k.addr.IsValid() || h.k.taken || !h.kern.Awake() {
		return
	}
	p := h.k.addr
	h.w.Trace().Add(h.kern, "foreign", "changes "+p.String(), 0, 0)
	if h.w.Chance(0.5) {
		h.delAddr()
		h.tellRemoved(p)
		return
	}
	h.k.taken = true
	h.k.jiffies = timer.Never
	h.k.expiry.Stop()
	h.tellTaken(p)
	h.w.After(h.w.Duration(time.Second, time.Minute), "foreign address goes", func() {
		if h.k.taken && h.k.addr == p {
			h.delAddr()
			h.tellRemoved(p)
		}
	})
}

// unplug removes the interface, as when a card is pulled out, and brings one
// of the same name back later. The client ends; the agent starts a new one.
func (h *Host) unplug() {
	if !h.proc.Awake() || !h.kern.Awake() {
		return
	}
	h.w.Trace().Add(h.kern, "unplug", "", 0, 0)
	if h.k.addr.IsValid() {
		h.delAddr()
	}
	h.inst = netip.Prefix{}
	h.cable(false)
	if h.m != nil {
		h.cause("interface gone")
		h.count(inGone)
		h.step(func(now timer.Time) { h.m.LinkGone(now, &h.out) })
	}
	h.w.After(h.w.Duration(time.Second, time.Minute), "plug", func() {
		h.cable(true)
		h.ensureStarted()
	})
}

// rename gives the interface another name and another MTU.
func (h *Host) rename() {
	if !h.kern.Awake() {
		return
	}
	h.mtu = 1500 - h.w.Rand.IntN(900)
	h.renamed = !h.renamed
	if h.proc.Alive() {
		h.tellLink()
	}
}

// hint tells the machine that the network lives.
func (h *Host) hint() {
	if h.m != nil && h.proc.Awake() && h.kern.Awake() {
		h.count(inHint)
		h.step(func(now timer.Time) { h.m.Hint(now, &h.out) })
	}
}
