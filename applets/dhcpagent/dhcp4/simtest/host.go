package simtest

import (
	"fmt"
	"net/netip"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/sim"
	"daemonbox/core/timer"
)

// Host is a machine with one interface and an agent that manages it. Kernel
// and agent are two nodes: the agent may crash or be stopped while the kernel
// goes on; a suspend halts both.
type Host struct {
	w    *World
	id   int
	name string
	hw   sim.HW

	kern, proc    *sim.Node
	arpPort, port *sim.Port
	k             kernel
	disk          disk
	bootID        [16]byte

	cfg     *dhcp4.Config
	mtu     int
	renamed bool
	static  netip.Prefix // the administrator's own address, for INFORM

	// The process. life changes whenever what was asked for earlier must not
	// be answered any more.
	m        *dhcp4.Client
	life     int
	link     dhcp4.Link // what the machine was told last
	out      dhcp4.Effects
	inbox    []func(now timer.Time)
	stepping bool
	timers   [dhcp4.NumTimers]*sim.Timer
	inst     netip.Prefix // what the agent believes to have put on the link
	instFlap int          // carrier changes at that time
	news     []func()     // netlink events not yet read
	newsT    *sim.Timer
	slotT    *sim.Timer
	answers  []*answer
	hook     hook
	probing  bool
	stopping bool
	amnesia  bool // a process died before its last word was on the disk
	refused  bool // the last Configure failed
	verify   bool // the saved lease must not be used without a server's word
	rx       dhcp4.Message
	rxBuf    []byte
	txBuf    []byte

	// The book-keeping of the checks.
	reqs     []request
	lastID   uint64
	held     holding
	rate     sendRate
	released timer.Time // when it sent a RELEASE last, the world's time
	ended    bool       // Gone was seen in the running step
	bound    timer.Time // when it was seen bound last, the world's time
	asked    int        // REQUESTs for more time since the lease was given or extended
}

// hook is the event script, a process of the host.
type hook struct {
	timer *sim.Timer
	op    uint32 // 0: none runs
	event string
}

// answer is a Configured that is on its way.
type answer struct {
	t    *sim.Timer
	busy bool
	life int
	op   uint32
	err  error
}

// addHost adds a host with its cable plugged in and no client yet.
func (w *World) addHost(cfg *dhcp4.Config) *Host {
	id := len(w.hosts)
	h := &Host{w: w, id: id, name: fmt.Sprintf("h%d", id), cfg: cfg, mtu: 1500, released: -timer.Time(settleTime), held: holding{end: timer.Never, given: timer.Never}}
	h.hw = sim.HW{2, 0, 0, 1, byte(id >> 8), byte(id)}
	h.kern, h.proc = w.Node(h.name+"k"), w.Node(h.name)
	age := w.Duration(0, 90*24*time.Hour)
	h.kern.SetBootAge(age)
	h.proc.SetBootAge(age)
	h.boot()
	h.arpPort, h.port = h.kern.Attach(w.lan, h.hw), h.proc.Attach(w.lan, h.hw)
	h.newKernel()
	h.newDisk()
	h.newProcess()
	w.hosts = append(w.hosts, h)
	return h
}

func (h *Host) boot() {
	for i := range h.bootID {
		h.bootID[i] = byte(h.w.Rand.Uint32())
	}
}

func (h *Host) newProcess() {
	for id := range h.timers {
		h.timers[id] = h.proc.Timer(timerNames[id], func() {
			if h.m.State() == dhcp4.InitReboot && (h.cfg.VerifiedLeaseOnly || h.verify) {
				h.cause("not confirmed") // may be the end of the last wait
			}
			h.count(inTimer)
			h.step(func(now timer.Time) { h.m.Timer(now, dhcp4.TimerID(id), &h.out) })
		})
	}
	h.hook.timer = h.proc.Timer("hook", h.hookEnded)
	h.newsT = h.proc.Timer("netlink", h.readNews)
	h.slotT = h.proc.Timer("slot", func() {
		h.count(inSlot)
		h.step(func(now timer.Time) { h.m.Slot(now, &h.out) })
	})
	h.port.Filter = func(f *sim.Frame) bool {
		return f.Src != h.hw && (udpPort(f) == clientPort || f.Type == etherARP && h.probing)
	}
	h.port.Recv = h.recv
	h.port.Carrier = func(up bool) {
		h.k.flaps++
		h.tellLink()
	}
	h.proc.Crashed = h.processDied
	h.proc.Resumed = func(time.Duration) {
		if h.m != nil {
			h.count(inResume)
			h.step(func(now timer.Time) { h.m.Resume(now, &h.out) })
		}
	}
	h.proc.ClockStepped = func() {
		// A saved lease counts from the wall clock after the next boot.
		if h.m != nil {
			h.save(h.m.Saved())
		}
	}
}

// processDied forgets what lived in the process. The kernel keeps the address
// until its lifetime ends.
func (h *Host) processDied() {
	h.forgetClient()
	h.amnesia = h.amnesia || h.disk.dirty
	h.disk.lose()
	h.news = nil
	h.inst = netip.Prefix{}
	h.reqs = nil // the connections break
	h.stopping = false
}

// forgetClient removes the machine and all that was under way for it.
func (h *Host) forgetClient() {
	for _, t := range h.timers {
		t.Stop()
	}
	h.m = nil
	h.life++
	h.inbox = nil
	h.hook.timer.Stop()
	h.hook.op = 0
	h.probing = false
	h.slotT.Stop()
	h.w.pacer.Yield(h)
}

// powerOff halts the whole host: address, process and what was not on disk are
// gone.
func (h *Host) powerOff() {
	h.proc.Crash()
	h.kern.Crash()
	h.k.addr, h.k.taken = netip.Prefix{}, false
	h.w.dirty = true
}

// powerOn boots the host.
func (h *Host) powerOn() {
	h.kern.Reboot()
	h.proc.Reboot()
	h.k.flaps = 0
	h.boot()
}

// suspend puts kernel and processes to sleep. The kernel's lifetimes stand
// still meanwhile, which only an agent can put right: an address that a dead
// one left behind would live too long, so such a host stays awake.
func (h *Host) suspend(d time.Duration) {
	if h.kern.Awake() && h.proc.Awake() && h.k.addr == h.inst {
		h.kern.Suspend(d)
		h.proc.Suspend(d)
	}
}

// cable plugs or pulls the cable.
func (h *Host) cable(up bool) {
	h.arpPort.SetUp(up)
	h.port.SetUp(up)
}

// linkState is what the kernel tells of the interface now.
func (h *Host) linkState() dhcp4.Link {
	l := dhcp4.Link{Name: h.name, Up: h.port.Up(), HWType: 1, HWAddr: h.hw[:], MTU: h.mtu}
	if h.renamed {
		l.Name += "x"
	}
	return l
}

func (h *Host) tellLink() {
	h.news = append(h.news, func() {
		if h.m == nil {
			return
		}
		l := h.linkState()
		if string(l.HWAddr) != string(h.link.HWAddr) {
			h.cause("hardware address changed")
		}
		h.link = l
		h.link.HWAddr = append([]byte(nil), l.HWAddr...)
		h.rate.event(h.w.Now())
		h.count(inLink)
		h.step(func(now timer.Time) { h.m.LinkChange(now, l, &h.out) })
	})
	h.newsT.Set(h.proc.Now())
}

// tellRemoved is the kernel's word that the address p is not there any more.
func (h *Host) tellRemoved(p netip.Prefix) {
	h.news = append(h.news, func() {
		if h.m != nil && h.inst == p && h.k.addr != p {
			h.inst = netip.Prefix{}
			h.count(inAddress)
			h.step(func(now timer.Time) { h.m.AddressChanged(now, dhcp4.AddrDeleted, &h.out) })
		}
	})
	h.newsT.Set(h.proc.Now())
}

// tellTaken is the kernel's word that somebody made the address permanent.
func (h *Host) tellTaken(p netip.Prefix) {
	h.news = append(h.news, func() {
		if h.m != nil && h.inst == p && h.k.addr == p {
			h.inst = netip.Prefix{}
			h.count(inAddress)
			h.step(func(now timer.Time) { h.m.AddressChanged(now, dhcp4.AddrTaken, &h.out) })
		}
	})
	h.newsT.Set(h.proc.Now())
}

func (h *Host) readNews() {
	list := h.news
	h.news = nil
	for _, fn := range list {
		fn()
	}
}

// recv is the packet and the ARP socket.
func (h *Host) recv(f *sim.Frame) {
	if h.m == nil {
		return
	}
	if f.Type == etherARP {
		h.recvARP(f)
		return
	}
	// The machine must not keep what points into the receive buffer: it is
	// overwritten when the call has returned.
	h.rxBuf = append(h.rxBuf[:0], f.Data...)
	defer func() {
		for i := range h.rxBuf {
			h.rxBuf[i] = 0xa5
		}
	}()
	u, err := frame.ParseUDP4(h.rxBuf, false)
	if err != nil || u.Dst.Port() != clientPort {
		return
	}
	if r := dhcp4.Parse(&h.rx, u.Payload, u.Src, u.Dst.Addr() == broadcastIP); r != dhcp4.DropNone {
		h.m.CountDrop(r)
		h.countEvent("parser: " + r.String())
		return
	}
	if !h.m.Expecting(h.rx.Xid) {
		return
	}
	switch h.rx.Type {
	case typeNak:
		h.cause("NAK")
	case typeAck:
		if h.rx.YIAddr != h.held.addr.Addr() {
			h.cause("ACK for another address")
		}
	}
	h.count(inPacket)
	before, xid := h.m.Status(), h.rx.Xid
	h.step(func(now timer.Time) { h.m.Packet(now, &h.rx, &h.out) })
	h.countDrops(&before.Dropped)
	if h.rx.Type == typeNak {
		h.checkNak(&before, xid)
	}
}

// checkNak looks what became of a refusal. One that was heeded ends the lease
// there and then. One of an honest server must be heeded in INIT-REBOOT and
// REBINDING, and in RENEWING if it is the lease's own server.
func (h *Host) checkNak(before *dhcp4.Status, xid uint32) {
	if h.m == nil || !h.m.Expecting(xid) {
		h.endLease()
		return
	}
	switch s := before.State; {
	case s == dhcp4.InitReboot, s == dhcp4.Rebinding, s == dhcp4.Renewing && h.rx.ServerID() == before.Server:
		if h.w.books.naks[string(h.rx.Raw)] {
			h.bad("NAK of an honest server ignored in %v", s)
		}
	}
}

func (h *Host) recvARP(f *sim.Frame) {
	p, err := frame.ParseARP(f.Data)
	if err != nil || !h.probing {
		return
	}
	if h.held.addr.IsValid() && (p.SenderIP == h.held.addr.Addr() || p.SenderIP == anyIP && p.TargetIP == h.held.addr.Addr()) {
		h.cause("address conflict")
	}
	h.count(inARP)
	h.step(func(now timer.Time) { h.m.ARP(now, p, false, &h.out) })
}

// hookEnded is the end of the event script.
func (h *Host) hookEnded() {
	op := h.hook.op
	h.hook.op = 0
	h.count(inHookDone)
	h.step(func(now timer.Time) { h.m.HookDone(now, op, &h.out) })
}

// createClient makes the machine, as the agent does for the first command.
func (h *Host) createClient() {
	h.link = h.linkState()
	h.link.HWAddr = append([]byte(nil), h.hw[:]...)
	h.m = dhcp4.New(h.cfg, h.linkState(), h.w.Source())
	h.rate = sendRate{}
	h.refused = false
	h.life++
}

// takeOver looks at the address an agent that died left on the link: the one
// the saved lease names is ours again, any other is removed.
func (h *Host) takeOver(s *dhcp4.Saved) {
	if !h.k.addr.IsValid() || h.k.taken || h.inst.IsValid() {
		return
	}
	if s != nil {
		if d := dhcp(s.Current); d.ok() && d.addr(offYIAddr) == h.k.addr.Addr() {
			h.inst = h.k.addr
			s.Held = h.port.Up() && h.instFlap == h.k.flaps
			s.Stands = !s.Held
			return
		}
	}
	h.cause("left over")
	h.delAddr()
}

// start gives the machine a START with what is on the disk.
func (h *Host) start(r dhcp4.Request) {
	r.Cmd = api.Start
	if len(h.reqs) < 2 { // else it will be refused
		r.Saved = h.load()
		h.takeOver(r.Saved)
	}
	h.verify = r.Saved != nil && r.Saved.Verify
	h.cause("user")
	h.command(r)
}

func (h *Host) command(r dhcp4.Request) {
	h.rate.event(h.w.Now())
	h.count(inCommand)
	h.step(func(now timer.Time) {
		h.m.SetConfig(h.cfg)
		h.m.Command(now, r, &h.out)
	})
}
