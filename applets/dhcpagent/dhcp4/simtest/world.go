package simtest

import (
	"net/netip"
	"os"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/sim"
)

// Options are the faults of a world. The zero value is a fair network without
// anybody in it.
type Options struct {
	Link    sim.Link
	Servers []ServerOptions
	Hosts   []HostOptions

	// OneAgent: all hosts are interfaces of one agent, which paces them.
	OneAgent bool

	// Coverage, if set, counts what happens to machines.
	Coverage *Coverage

	// Strict counts every pair of holders; see holders.go for what such a world
	// must not have.
	Strict bool

	// Mean times between faults of a kind; 0 is never. Those about hosts are
	// per world, not per host.
	ServerCrash, ServerPause        time.Duration
	Crash, PowerCut, Suspend, Pause time.Duration
	Cable, Partition                time.Duration
	ClockStep, NewHardware          time.Duration
	Squat, Foreign                  time.Duration
	Users, Shutdown                 time.Duration
	Unplug, Rename, Hint            time.Duration
	// LoseDatabase is the share of server crashes that cost the database.
	LoseDatabase float64
	// Liars: a hostile node forges answers during half of the time.
	Liars bool

	// ConfigureFails is the probability that the kernel refuses, SlowConfigure
	// that its answer takes a while, SlowSlot that a slot does, NoHook that
	// there is no event script.
	ConfigureFails, SlowConfigure, SlowSlot, NoHook float64
}

// HostOptions describe one host.
type HostOptions struct {
	Config dhcp4.Config
	// Static hosts have an address of their own and use INFORM.
	Static bool
}

// World is a segment with hosts, servers and whatever else disturbs them.
type World struct {
	*sim.World
	opt       Options
	lan, back *sim.Segment
	relay     *Relay
	hosts     []*Host
	ranOut    []int // REQUESTs that were made before each lease that ran out
	servers   []*Server
	squatters []*squatter
	liar      *liar
	books     books
	pacer     dhcp4.Pacer[*Host]
	slots     *sim.Timer // of the one agent
	granting  bool
	dirty     bool // something about addresses changed
	fair      bool // no faults any more
}

// Subnet of all worlds: servers at .0.1 to .0.9, the router at .0.254, static
// hosts at .3.x, pools where the server's options say.
var subnet = netip.MustParsePrefix("10.0.0.0/22")

func lanIP(c, d int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(c), byte(d)}) }

// NewWorld builds a world; nothing has happened yet.
func NewWorld(seed uint64, o Options) *World {
	w := &World{World: sim.New(seed), opt: o, books: newBooks()}
	w.Trace().Describe = describe
	if sim.Verbose() {
		w.Trace().Out = os.Stdout
	}
	w.lan = w.Segment("lan", o.Link)
	for _, s := range o.Servers {
		w.addServer(s)
	}
	if o.OneAgent {
		w.slots = w.Node("agent").Timer("slots", w.grantSlots)
	}
	for i := range o.Hosts {
		cfg := o.Hosts[i].Config
		cfg.LogLevel = debugLevel()
		h := w.addHost(&cfg)
		if o.Hosts[i].Static {
			h.static = netip.PrefixFrom(lanIP(3, 1+h.id), subnet.Bits())
		}
	}
	if o.Squat > 0 {
		w.addSquatter()
		w.addSquatter()
	}
	if o.Liars {
		w.addLiar()
	}
	w.Invariant("late", w.checkLate)
	w.Invariant("holders", w.checkHolders)
	w.startFaults()
	return w
}

// livenessBound is how long after the network became fair every client must
// have a lease. The longest way there is: a REQUEST of INIT-REBOOT or of a
// chosen offer was just sent to a server that is not there any more, with the
// 32 s wait before its last try ahead (32+1 s, then 64+1 s: RFC 2131 §4.1 with
// four tries, or a wait of a DISCOVER, 64+1 s); its failure costs a restart
// that may be put off by 64 s ±10 % or, after many conflicts, by 60 to 66 s;
// the answer to the last message before the network became fair is a refusal
// by somebody who has gone now, which costs such a restart again; DISCOVER,
// OFFER, REQUEST, ACK and the probes of the address take 8 s; three event
// scripts that hang until they are killed take 58 s each. A START of a user who
// came before waits for none of these.
const livenessBound = 33*time.Second + 65*time.Second + 2*71*time.Second + 8*time.Second + 3*hookLimit

// makeFair ends all faults and starts DHCP wherever it does not run.
func (w *World) makeFair() {
	w.fair = true
	w.lan.Link = sim.Link{Delay: time.Millisecond}
	w.lan.Heal()
	for _, s := range w.squatters {
		s.addr = netip.Addr{}
	}
	if w.liar != nil {
		w.liar.on, w.liar.refuseAll = false, false
	}
	for _, s := range w.servers {
		s.deaf = s.opt.Rogue
	}
	w.opt.ConfigureFails = 0
	for _, h := range w.hosts {
		h.cable(true)
	}
	w.After(maxAbsence, "everybody is back", func() {
		for _, h := range w.hosts {
			if !h.static.IsValid() {
				w.After(w.Duration(0, time.Second), "start", h.ensureStarted)
			}
		}
	})
}

// maxAbsence bounds how long nodes are down, asleep or stopped.
const maxAbsence = 5 * time.Minute

// Soak lets the world live with its faults for d, then makes it fair and waits
// until every client must be bound.
func (w *World) Soak(d time.Duration) error {
	if err := w.Run(d); err != nil {
		return err
	}
	w.Event(nil, "fair", w.makeFair)
	if err := w.Run(maxAbsence + time.Second + livenessBound); err != nil {
		return err
	}
	w.checkLiveness()
	if err := w.Failed(); err != nil {
		return err
	}
	// Leases go on being renewed in peace.
	w.Event(nil, "peace", func() {})
	if err := w.Run(10 * time.Minute); err != nil {
		return err
	}
	w.checkLiveness()
	return w.Failed()
}

// checkLiveness: every client is bound, or was bound a while ago. The lease of
// a rogue that has gone ends with the refusal of an honest server, at any time;
// then the client needs a new one, which takes no longer than the first. A lease
// that ended while a user waits is cleaned up when that wait is over.
func (w *World) checkLiveness() {
	for _, h := range w.hosts {
		if h.static.IsValid() {
			continue
		}
		if h.m == nil {
			h.bad("there is no client, though the network is fair")
			return
		}
		s := h.m.State()
		isBound := s == dhcp4.Bound || s == dhcp4.Renewing || s == dhcp4.Rebinding
		switch {
		case isBound && !h.k.addr.IsValid() && h.hook.op == 0 && len(h.reqs) == 0:
			h.bad("%v without an address, though the network is fair", s)
		case !isBound && w.Now().Sub(h.bound) > livenessBound:
			h.bad("%v, though the network is fair (waits for %q)", s, h.m.Status().WaitFor)
		}
	}
}

// startFaults schedules what the options ask for.
func (w *World) startFaults() {
	o := &w.opt
	w.often(o.ServerCrash, "server crash", w.crashServer)
	w.often(o.ServerPause, "server pause", func() { w.anyServer().node.Pause(w.Duration(0, time.Minute)) })
	w.often(o.Crash, "crash", w.crashAgent)
	w.often(o.PowerCut, "power cut", w.cutPower)
	w.often(o.Suspend, "suspend", func() { w.anyHost().suspend(w.Duration(time.Second, maxAbsence)) })
	w.often(o.Pause, "pause", func() { w.anyHost().proc.Pause(w.Duration(time.Second, 90*time.Second)) })
	w.often(o.Cable, "cable", w.pullCable)
	w.often(o.Partition, "partition", w.partition)
	w.often(o.ClockStep, "clock step", w.stepClock)
	w.often(o.NewHardware, "new hardware address", func() { w.anyHost().newHardware() })
	w.often(o.Squat, "squat", w.squat)
	w.often(o.Foreign, "foreign change", func() { w.anyHost().foreignChange() })
	w.often(o.Users, "user", func() { w.anyHost().user() })
	w.often(o.Shutdown, "shutdown", func() { w.anyHost().shutdown() })
	w.often(o.Unplug, "unplug", func() { w.anyHost().unplug() })
	w.often(o.Rename, "rename", func() { w.anyHost().rename() })
	w.often(o.Hint, "hint", func() { w.anyHost().hint() })
	if o.Liars {
		w.often(3*time.Minute, "liar", func() { w.liar.on = !w.liar.on })
		w.often(floodEvery, "flood", func() {
			if w.liar.on {
				w.liar.flood(1 + w.Rand.IntN(150))
			}
		})
	}
	for _, s := range w.servers {
		if s.opt.Rogue {
			w.often(5*time.Minute, "rogue", func() { s.deaf = !s.deaf })
		}
	}
}

// often has fn called at random times, about every mean, until the world is
// fair.
func (w *World) often(mean time.Duration, name string, fn func()) {
	if mean <= 0 {
		return
	}
	var next func()
	next = func() {
		if w.fair {
			return
		}
		fn()
		w.After(w.Duration(0, 2*mean), name, next)
	}
	w.After(w.Duration(0, 2*mean), name, next)
}

func (w *World) anyHost() *Host     { return w.hosts[w.Rand.IntN(len(w.hosts))] }
func (w *World) anyServer() *Server { return w.servers[w.Rand.IntN(len(w.servers))] }
