package dhcpagent

import (
	"context"
	"log/slog"
	"net/netip"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/rtnl"
	"daemonbox/core/timer"
)

// broadcastIP is the limited broadcast address.
var broadcastIP = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// UDP ports of DHCPv4 (RFC 2131 §4.1).
const (
	clientPort = 68
	serverPort = 67
)

// input is one input of a client's machine.
type input func(now timer.Time, out *dhcp4.Effects)

// step gives the machine an input and carries out its effects in order.
// Effects that answer at once queue the answer: the machine never sees an
// input before the list of the last one is done.
func (c *client) step(in input) {
	c.inbox = append(c.inbox, in)
	if c.stepping {
		return
	}
	c.stepping = true
	for len(c.inbox) > 0 {
		next := c.inbox[0]
		c.inbox = c.inbox[1:]
		c.out.Reset()
		next(c.a.loop.Now(), &c.out)
		for i := range c.out.List() {
			c.exec(&c.out.List()[i])
		}
	}
	c.inbox = nil
	c.stepping = false
	if c.changed {
		c.changed = false
		c.a.clientChanged(c)
	}
}

// exec carries out one effect.
func (c *client) exec(e *dhcp4.Effect) {
	switch e.Kind {
	case dhcp4.Send:
		c.send(e)
	case dhcp4.SendARP:
		c.pif.sendARP(e.Data, c.log)
	case dhcp4.Arm:
		c.timer(e.Timer).Set(e.At)
	case dhcp4.Disarm:
		if t := c.timers[e.Timer]; t != nil {
			t.Stop()
		}
	case dhcp4.Configure:
		if e.Flag {
			c.inst.addr = rtnl.Addr{} // not ours any more
		}
		op, err := e.Op, c.configure(e.Net)
		c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Configured(now, op, err, out) })
	case dhcp4.Refresh:
		if err := c.configure(e.Net); err != nil {
			c.log.Warn("cannot renew the kernel's lifetimes", "err", err)
		}
	case dhcp4.Save:
		c.a.leases.save(c.name, e.Saved)
	case dhcp4.Forget:
		c.a.leases.forget(c.name)
		c.removeStray()
	case dhcp4.RunHook:
		c.runHook(e)
	case dhcp4.StopHook:
		c.a.hooks.Stop(c.hookKey)
	case dhcp4.Reply:
		c.a.answer(e.Request, e.Code, e.Text)
	case dhcp4.Acquire:
		c.a.acquire(c)
	case dhcp4.Yield:
		c.a.yield(c)
	case dhcp4.Probing:
		c.pif.probing(c, e.Flag)
	case dhcp4.Changed:
		c.changed = true
	case dhcp4.Note:
		c.log.LogAttrs(context.Background(), e.Level, e.Text, e.Attrs...)
	case dhcp4.Gone:
		c.gone()
	}
}

// send transmits a BOOTP message. What has no source address yet or goes to
// everybody is built by hand and leaves by the packet socket; the rest by the
// UDP socket, so that the kernel finds the next hop.
func (c *client) send(e *dhcp4.Effect) {
	var err error
	if e.Dst == broadcastIP || !e.Src.IsValid() || e.Src.IsUnspecified() {
		u := frame.UDP4{
			Src: netip.AddrPortFrom(zeroIfInvalid(e.Src), clientPort),
			Dst: netip.AddrPortFrom(e.Dst, serverPort),
			// RFC 1542 §3.4 leaves the TTL to us; 255 as the original.
			TTL:     255,
			TOS:     networkControl,
			ID:      uint16(c.a.rnd.Uint32()),
			Payload: e.Data,
		}
		c.a.frameBuf = u.Append(c.a.frameBuf[:0])
		err = c.pif.sendIP(c.a.frameBuf)
	} else {
		err = c.a.udp.send(c.pif.index, e.Src, e.Dst, e.Data)
	}
	c.a.pacer.slots.Sent(c.a.loop.Now(), c)
	if err != nil && c.limit.allow(c.a.loop.Now(), "send") {
		// The machine sends again on its own schedule: a firewall or a link
		// that went down a moment ago never ends an exchange.
		c.log.Warn("cannot send, trying again at the next retransmission", "peer", e.Dst, "err", err)
	}
}

func zeroIfInvalid(a netip.Addr) netip.Addr {
	if !a.IsValid() {
		return netip.IPv4Unspecified()
	}
	return a
}

// timerNames name the machine's timers in the log of late ones.
var timerNames = [dhcp4.NumTimers]string{
	"retransmit", "offer", "delay", "T1", "T2", "expire", "ACD", "operation", "refresh", "release",
}

// timer returns the machine's timer of that name, made on first use.
func (c *client) timer(id dhcp4.TimerID) *timer.Timer {
	if c.timers[id] == nil {
		c.timers[id] = c.a.loop.Timer(timerNames[id]+" "+c.name, func() {
			c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Timer(now, id, out) })
		})
	}
	return c.timers[id]
}

// logger returns the client's logger.
func (a *agent) logger(name string) *slog.Logger { return a.log.With("ifname", name) }
