package simtest

import (
	"net/netip"
	"time"

	"daemonbox/core/rawsock/frame"
	"daemonbox/core/sim"
	"daemonbox/core/timer"
)

// kernel is what a host's kernel knows of the leased address.
type kernel struct {
	addr netip.Prefix // invalid: none
	// jiffies is the end of its valid lifetime on a clock that stands still
	// during suspend, as the kernel's does; Never for a permanent address.
	jiffies timer.Time
	expiry  *sim.Timer
	// taken: somebody made it permanent.
	taken bool
	// flaps counts carrier changes.
	flaps int
}

// graceSeconds is what the agent adds to the lease, rounded up to whole
// seconds, so that its own expiry comes first and the kernel's not later than
// two seconds after the lease.
const graceSeconds = 1

func (h *Host) newKernel() {
	h.k.expiry = h.kern.Timer("lifetime", h.lifetimeOver)
	h.arpPort.Filter = func(f *sim.Frame) bool { return f.Type == etherARP && f.Src != h.hw }
	h.arpPort.Recv = h.kernelARP
}

func (h *Host) jiffies() timer.Time { return h.kern.Now().Add(-h.kern.Asleep()) }

// setAddr is RTM_NEWADDR with replacement: the address, valid for left.
func (h *Host) setAddr(p netip.Prefix, left time.Duration, forever bool) {
	h.k.addr, h.k.taken = p, false
	h.w.dirty = true
	if forever {
		h.k.jiffies = timer.Never
		h.k.expiry.Stop()
		return
	}
	secs := (max(left, 0) + time.Second - 1) / time.Second
	d := (secs + graceSeconds) * time.Second
	h.k.jiffies = h.jiffies().Add(d)
	h.k.expiry.Set(h.kern.Now().Add(d))
}

// delAddr takes the address away.
func (h *Host) delAddr() {
	h.k.addr, h.k.taken = netip.Prefix{}, false
	h.k.expiry.Stop()
	h.w.dirty = true
}

// lifetimeOver removes the address when its lifetime has passed on the clock
// that counts. The agent sees it gone as it would see anybody's removal.
func (h *Host) lifetimeOver() {
	if left := h.k.jiffies.Sub(h.jiffies()); left > 0 {
		h.k.expiry.Set(h.kern.Now().Add(left))
		return
	}
	h.w.Trace().Add(h.kern, "lifetime", "address removed by the kernel", 0, 0)
	gone := h.k.addr
	h.delAddr()
	h.tellRemoved(gone)
}

// kernelARP answers requests for the addresses of the host.
func (h *Host) kernelARP(f *sim.Frame) {
	p, err := frame.ParseARP(f.Data)
	if err != nil || p.Op != frame.ARPRequest {
		return
	}
	mine := h.k.addr.IsValid() && p.TargetIP == h.k.addr.Addr() || h.static.IsValid() && p.TargetIP == h.static.Addr()
	if mine && p.SenderIP != p.TargetIP { // no answer to an announcement
		h.arpPort.Send(p.SenderHW, etherARP, arpReply(h.hw, p.TargetIP, p.SenderHW, p.SenderIP))
	}
}
