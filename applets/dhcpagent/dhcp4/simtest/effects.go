package simtest

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/sim"
	"daemonbox/core/timer"
)

var timerNames = [dhcp4.NumTimers]string{
	"retransmit", "offer", "delay", "T1", "T2", "expire", "acd", "op", "refresh", "release",
}

var effectNames = [...]string{
	"", "send", "send-arp", "arm", "disarm", "configure", "refresh", "save", "forget", "run-hook", "stop-hook",
	"reply", "acquire", "yield", "probing", "changed", "note", "gone",
}

var errConfigure = errors.New("simulated: the kernel refuses")

// step gives the machine an input and carries out its effects, as the agent
// does: effects that answer at once queue the answer, so that the machine
// never sees an input before the list of the last one is done.
func (h *Host) step(in func(now timer.Time)) {
	h.inbox = append(h.inbox, in)
	if h.stepping {
		return
	}
	h.stepping = true
	for len(h.inbox) > 0 && h.m != nil {
		next := h.inbox[0]
		h.inbox = h.inbox[1:]
		h.out.Reset()
		h.ended = false
		next(h.proc.Now())
		// The list may not change while it is carried out.
		for i := range h.out.List() {
			h.exec(&h.out.List()[i])
		}
		if h.ended {
			h.gone()
		}
	}
	h.inbox = h.inbox[:0]
	h.stepping = false
	h.w.grantSlots()
	if h.m != nil {
		h.checkMachine()
	}
}

// exec carries out one effect after looking whether it is legal.
func (h *Host) exec(e *dhcp4.Effect) {
	if h.ended {
		h.bad("effect after Gone: %s", effectName(e.Kind))
		return
	}
	h.traceEffect(e)
	switch e.Kind {
	case dhcp4.Send:
		h.send(e)
	case dhcp4.SendARP:
		h.sendARP(e)
	case dhcp4.Arm:
		if e.At == timer.Never {
			h.bad("timer %s armed for never", timerNames[e.Timer])
		}
		h.timers[e.Timer].Set(e.At)
	case dhcp4.Disarm:
		h.timers[e.Timer].Stop()
	case dhcp4.Configure:
		h.configure(e)
	case dhcp4.Refresh:
		h.refresh(e)
	case dhcp4.Save:
		h.checkSaved(e.Saved)
		h.save(e.Saved)
	case dhcp4.Forget:
		h.put(nil)
	case dhcp4.RunHook:
		h.runHook(e)
	case dhcp4.StopHook:
		h.hook.timer.Stop()
		h.hook.op = 0
	case dhcp4.Reply:
		h.reply(e)
	case dhcp4.Acquire:
		h.acquire()
	case dhcp4.Yield:
		h.slotT.Stop()
		h.w.pacer.Yield(h)
	case dhcp4.Probing:
		h.probing = e.Flag
	case dhcp4.Changed, dhcp4.Note:
	case dhcp4.Gone:
		h.ended = true
	default:
		h.bad("unknown effect %d", e.Kind)
	}
}

func effectName(k dhcp4.EffectKind) string {
	if int(k) < len(effectNames) {
		return effectNames[k]
	}
	return "?"
}

func (h *Host) traceEffect(e *dhcp4.Effect) {
	tr := h.w.Trace()
	switch e.Kind {
	case dhcp4.Send, dhcp4.SendARP: // the segment records the octets
	case dhcp4.Arm:
		tr.Add(h.proc, "arm", timerNames[e.Timer], int64(e.At.Sub(h.proc.Now())/time.Millisecond), 0)
	case dhcp4.Disarm:
		tr.Add(h.proc, "disarm", timerNames[e.Timer], 0, 0)
	case dhcp4.Configure, dhcp4.Refresh:
		text := "nothing"
		if e.Net != nil {
			text = e.Net.Addr.String()
		}
		tr.Add(h.proc, effectName(e.Kind), text, int64(e.Op), 0)
	case dhcp4.RunHook:
		tr.Add(h.proc, "run-hook", e.Event, int64(e.Op), 0)
	case dhcp4.Reply:
		tr.Add(h.proc, "reply", e.Code.Name()+" "+e.Text, int64(e.Request), 0)
	case dhcp4.Note:
		h.countEvent("note: " + e.Text)
		tr.Add(h.proc, "note", noteText(e), int64(e.Level), 0)
	default:
		tr.Add(h.proc, effectName(e.Kind), "", 0, 0)
	}
}

func noteText(e *dhcp4.Effect) string {
	if len(e.Attrs) == 0 {
		return e.Text
	}
	var b strings.Builder
	b.WriteString(e.Text)
	for _, a := range e.Attrs {
		fmt.Fprintf(&b, " %s=%s", a.Key, a.Value)
	}
	return b.String()
}

// gone forgets the machine. All users must have had their answers.
func (h *Host) gone() {
	h.w.Trace().Add(h.proc, "gone", "", 0, 0)
	for _, r := range h.reqs {
		h.bad("request %d (%s) was not answered before the client ended", r.id, r.cmd)
	}
	h.reqs = nil
	h.checkGone()
	h.forgetClient()
	h.stopping = false
}

// send puts a BOOTP message on the wire: by the packet socket to everybody, or
// by the kernel's routing to one server.
func (h *Host) send(e *dhcp4.Effect) {
	h.checkSend(e)
	h.w.pacer.Sent(h.w.Now(), h)
	src := e.Src
	if !src.IsValid() {
		src = anyIP
	}
	h.txBuf = appendUDP(h.txBuf[:0], src, clientPort, e.Dst, serverPort, e.Data)
	dst := sim.Broadcast
	if e.Dst != broadcastIP {
		if e.Src != h.k.addr.Addr() && e.Src != h.static.Addr() {
			return // the kernel refuses a source that is not there
		}
		hw, ok := h.w.resolve(e.Dst)
		if !ok {
			return // nobody answers the kernel's ARP requests
		}
		dst = hw
	}
	h.port.Send(dst, etherIPv4, h.txBuf)
}

func (h *Host) sendARP(e *dhcp4.Effect) {
	p, err := frame.ParseARP(e.Data)
	switch {
	case err != nil:
		h.bad("malformed ARP packet: %v", err)
	case !h.probing:
		h.bad("ARP packet sent while not listening to ARP")
	case sim.HW(p.SenderHW) != h.hw && string(h.link.HWAddr) == string(h.hw[:]):
		h.bad("ARP packet with hardware address %x", p.SenderHW)
	case p.SenderIP != anyIP && !h.refused && (!h.k.addr.IsValid() || p.SenderIP != h.k.addr.Addr()):
		h.bad("ARP packet claims %v, which is not configured", p.SenderIP)
	}
	h.rate.arp(h)
	h.port.Send(sim.Broadcast, etherARP, e.Data)
}

// configure changes the kernel now; the news of it may take a while.
func (h *Host) configure(e *dhcp4.Effect) {
	var err error
	h.refused = false
	if e.Op == 0 {
		h.bad("Configure without an operation number")
	}
	switch {
	case e.Net == nil:
		if !e.Flag {
			h.dropped()
			if h.inst.IsValid() && h.k.addr == h.inst {
				h.delAddr()
			}
		}
		h.inst = netip.Prefix{}
	case h.w.Chance(h.w.opt.ConfigureFails):
		err = errConfigure
		h.refused = true
		h.cause("the kernel refused")
	default:
		h.checkNet(e.Net)
		if h.inst.IsValid() && h.inst.Addr() != e.Net.Addr.Addr() {
			h.dropped()
		}
		h.putAddr(e.Net)
	}
	if h.w.Chance(h.w.opt.SlowConfigure) {
		h.answerLater(e.Op, err)
		return
	}
	op := e.Op
	h.count(inConfigured)
	h.step(func(now timer.Time) { h.m.Configured(now, op, err, &h.out) })
}

// refresh gives the kernel the lifetime anew.
func (h *Host) refresh(e *dhcp4.Effect) {
	if e.Net == nil {
		h.bad("Refresh without a lease")
		return
	}
	if h.refused {
		return // the machine has no address to refresh, and will try again
	}
	if !h.inst.IsValid() || h.inst != e.Net.Addr {
		h.bad("Refresh of %v while %v is configured", e.Net.Addr, h.inst)
		return
	}
	h.putAddr(e.Net)
}

func (h *Host) putAddr(n *dhcp4.NetConfig) {
	h.inst, h.instFlap = n.Addr, h.k.flaps
	h.setAddr(n.Addr, n.Expires.Sub(h.proc.Now()), n.Expires == timer.Never)
	h.hold(n)
}

// answerLater delivers Configured after some time.
func (h *Host) answerLater(op uint32, err error) {
	i := slices.IndexFunc(h.answers, func(a *answer) bool { return !a.busy })
	if i < 0 {
		a := &answer{}
		a.t = h.proc.Timer("configured", func() {
			a.busy = false
			if a.life == h.life {
				h.step(func(now timer.Time) { h.m.Configured(now, a.op, a.err, &h.out) })
			}
		})
		h.answers = append(h.answers, a)
		i = len(h.answers) - 1
	}
	a := h.answers[i]
	a.busy, a.life, a.op, a.err = true, h.life, op, err
	a.t.Set(h.proc.Now().Add(h.w.Duration(0, 200*time.Millisecond)))
}

// runHook starts the event script. Where there is none it has ended at once.
func (h *Host) runHook(e *dhcp4.Effect) {
	h.checkHook(e)
	h.countEvent("script: " + e.Event)
	switch e.Event {
	case "BOUND", "EXTEND":
		h.asked = 0
	case "EXPIRE":
		h.w.ranOut = append(h.w.ranOut, h.asked)
	}
	h.hook.timer.Stop()
	h.hook.op = 0
	r := h.w.Rand.Float64()
	var d time.Duration
	switch {
	case r < h.w.opt.NoHook:
		op := e.Op
		h.step(func(now timer.Time) { h.m.HookDone(now, op, &h.out) })
		return
	case r < 0.9:
		d = h.w.Duration(time.Millisecond, 3*time.Second)
	case r < 0.98:
		d = h.w.Duration(3*time.Second, 30*time.Second)
	default:
		d = hookLimit // hangs until it is killed
	}
	h.hook.op, h.hook.event = e.Op, e.Event
	h.hook.timer.Set(h.proc.Now().Add(d))
}

// hookLimit is when the agent has killed a script that hangs: SIGTERM after
// 55 s, SIGKILL 3 s later.
const hookLimit = 58 * time.Second

// acquire grants an exchange slot: at once, or after the time that other
// interfaces of the agent may keep it waiting.
func (h *Host) acquire() {
	if h.w.slots != nil {
		h.w.pacer.Acquire(h)
		return // step grants it
	}
	if h.slotT.Pending() {
		return // waits already
	}
	if h.w.Chance(h.w.opt.SlowSlot) {
		h.slotT.Set(h.proc.Now().Add(h.w.Duration(0, 2*time.Second)))
		return
	}
	h.count(inSlot)
	h.step(func(now timer.Time) { h.m.Slot(now, &h.out) })
}

// grantSlots hands out the slots of the one agent.
func (w *World) grantSlots() {
	if w.slots == nil || w.granting {
		return
	}
	w.granting = true
	for {
		h, ok := w.pacer.Grant(w.Now())
		if !ok {
			break
		}
		if h.m != nil {
			h.count(inSlot)
			h.step(func(now timer.Time) { h.m.Slot(now, &h.out) })
		}
	}
	w.granting = false
	if at := w.pacer.Next(); at != timer.Never {
		w.slots.Set(at)
	}
}

// debugLevel is the lowest level of notes in a trace.
func debugLevel() slog.Level {
	if sim.Verbose() {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
