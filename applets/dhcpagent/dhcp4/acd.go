package dhcp4

import (
	"log/slog"
	"time"

	"daemonbox/core/rawsock/frame"
	"daemonbox/core/timer"
)

const (
	// RFC 5227 §1.1.
	probeWait        = time.Second // before the first probe, random
	probeNum         = 3
	probeMin         = time.Second
	probeMax         = 2 * time.Second
	announceWait     = 2 * time.Second // after the last probe
	announceNum      = 2
	announceInterval = 2 * time.Second
	maxConflicts     = 10
	rateLimitWait    = 60 * time.Second
	defendInterval   = 10 * time.Second

	// RFC 5227 §2.2 allows shorter times where the link technology suits them.
	fastWait     = 50 * time.Millisecond
	fastNum      = 2
	fastInterval = 200 * time.Millisecond
	fastLast     = 400 * time.Millisecond
)

type acdPhase uint8

const (
	acdIdle       acdPhase = iota
	acdProbing             // in PRE_BOUND, the address is not configured
	acdBackground          // the address is in use meanwhile
	acdDone                // no conflict, the address is being configured
	acdAnnouncing
)

// conflictDetection is address conflict detection (RFC 5227).
type conflictDetection struct {
	phase    acdPhase
	sent     int
	defended timer.Time // last defence
}

func (a *conflictDetection) stop() { a.phase, a.sent = acdIdle, 0 }

// detects reports whether conflicts can and shall be detected.
func (c *Client) detects() bool {
	return c.cfg.ACD != ACDOff && !c.link.NoARP && len(c.link.HWAddr) == 6
}

// listen tells the driver when the need for ARP packets changes.
func (c *Client) listen(out *Effects) {
	want := c.acd.phase != acdIdle ||
		c.state.leased() && c.leaving == 0 && c.ending == endNot && c.cfg.ACDDefend && c.detects()
	if want != c.probing {
		c.probing = want
		out.add(Effect{Kind: Probing, Flag: want})
	}
}

// startProbing begins with the random wait before the first probe.
func (c *Client) startProbing(now timer.Time, phase acdPhase, out *Effects) {
	c.acd.phase, c.acd.sent = phase, 0
	if !c.link.Up {
		return // its return begins anew
	}
	wait := fastWait
	if c.cfg.ACD == ACDFull {
		wait = probeWait
	}
	c.arm(TimerACD, now.Add(c.upTo(wait)), out)
}

// startAnnouncing sends the first announcement.
func (c *Client) startAnnouncing(now timer.Time, out *Effects) {
	c.acd.phase, c.acd.sent = acdAnnouncing, 0
	c.listen(out)
	c.announce(now, out)
}

// acdStep is the end of a wait between ARP packets.
func (c *Client) acdStep(now timer.Time, out *Effects) {
	switch c.acd.phase {
	case acdAnnouncing:
		c.announce(now, out)
		return
	case acdIdle, acdDone:
		return
	}
	num := fastNum
	if c.cfg.ACD == ACDFull {
		num = probeNum
	}
	if c.acd.sent < num {
		c.sendARP(&frame.ARP{Op: frame.ARPRequest, TargetIP: c.lease.addr}, out)
		c.acd.sent++
		c.arm(TimerACD, now.Add(c.probeInterval(c.acd.sent == num)), out)
		return
	}
	c.backoff.conflicts = 0
	if c.acd.phase == acdProbing {
		c.acd.phase = acdDone
		c.bindNow(now, out)
		return
	}
	c.startAnnouncing(now, out)
}

// probeInterval is the time after a probe.
func (c *Client) probeInterval(last bool) time.Duration {
	switch {
	case c.cfg.ACD == ACDFull && last:
		return announceWait
	case c.cfg.ACD == ACDFull:
		return probeMin + c.upTo(probeMax-probeMin)
	case last:
		return fastLast
	}
	return fastInterval
}

// announce sends an announcement and plans the next (RFC 5227 §2.3).
func (c *Client) announce(now timer.Time, out *Effects) {
	c.sendARP(&frame.ARP{Op: frame.ARPRequest, SenderIP: c.lease.addr, TargetIP: c.lease.addr}, out)
	if c.acd.sent++; c.acd.sent < announceNum {
		c.arm(TimerACD, now.Add(announceInterval), out)
		return
	}
	c.acd.stop()
	c.listen(out)
}

func (c *Client) sendARP(p *frame.ARP, out *Effects) {
	if !c.link.Up || len(c.link.HWAddr) != len(p.SenderHW) {
		return
	}
	p.SenderHW = [6]byte(c.link.HWAddr)
	if !p.SenderIP.IsValid() {
		p.SenderIP = anyAddr
	}
	n := len(out.buf)
	out.buf = p.Append(out.buf)
	out.add(Effect{Kind: SendARP, Data: out.since(n)})
}

// ARP is a received ARP packet. local tells that the sender's hardware address
// belongs to this host: bridges and second interfaces on one segment hear our
// own packets.
func (c *Client) ARP(now timer.Time, p frame.ARP, local bool, out *Effects) {
	if c.gone {
		return
	}
	c.overdue(now, out)
	if local || c.lease == nil || c.leaving != 0 || c.ending != endNot || len(c.link.HWAddr) != len(p.SenderHW) ||
		p.SenderHW == [6]byte(c.link.HWAddr) {
		return
	}
	addr := c.lease.addr
	holds := p.SenderIP == addr
	// A request about the address by a host that has one is no conflict, a
	// probe by another candidate is (RFC 5227 §2.1.1).
	rival := p.Op == frame.ARPRequest && p.TargetIP == addr && (!p.SenderIP.IsValid() || p.SenderIP.IsUnspecified())
	switch phase := c.acd.phase; {
	case phase == acdProbing && rival, holds && (phase == acdProbing || phase == acdBackground || phase == acdDone):
		c.conflict(now, &p, out)
	case holds && c.state.leased() && c.lapse == 0:
		c.defend(now, &p, out)
	}
}

// defend announces the address once; a second conflict within ten seconds is
// lost (RFC 5227 §2.4 (b)).
func (c *Client) defend(now timer.Time, p *frame.ARP, out *Effects) {
	if !c.cfg.ACDDefend || !c.detects() || !c.probing {
		return
	}
	if now.Sub(c.acd.defended) >= defendInterval {
		c.acd.defended = now
		c.note(out, slog.LevelWarn, "another host uses our address, defending it",
			slog.String("addr", c.lease.addr.String()), slog.String("peer", hwText(p)))
		c.sendARP(&frame.ARP{Op: frame.ARPRequest, SenderIP: c.lease.addr, TargetIP: c.lease.addr}, out)
		return
	}
	if c.lease.bootp {
		return // no server could be told, and none would give another address
	}
	c.conflict(now, p, out)
}

// conflict gives the address up.
func (c *Client) conflict(now timer.Time, p *frame.ARP, out *Effects) {
	l := c.lease
	hw := hwText(p)
	c.badOffers++
	c.backoff.decline(now, l.addr)
	c.lastError = "address " + l.addr.String() + " is in use by " + hw
	c.note(out, slog.LevelWarn, "the address is in use by another host",
		slog.String("addr", l.addr.String()), slog.String("peer", hw))
	if c.state == PreBound {
		c.decline(now, l, hw, out)
		c.withdraw(now, byConflict, out)
		return
	}
	c.withdraw(now, byConflict, out)
	c.decline(now, l, hw, out)
}

// decline tells the server (RFC 2131 §4.4.4); BOOTP has no such message.
func (c *Client) decline(now timer.Time, l *lease, hw string, out *Effects) {
	if l.bootp || !c.link.Up {
		return
	}
	c.send(now, anyAddr, broadcastAddr, &outgoing{
		kind: kindDecline, xid: c.newXid(), addr: l.addr, server: l.server,
		reason: "address is in use by " + hw,
	}, out)
}

// hwText is the sender's hardware address in the usual form.
func hwText(p *frame.ARP) string {
	const hex = "0123456789abcdef"
	var b [3 * len(p.SenderHW)]byte
	for i, v := range p.SenderHW {
		b[3*i], b[3*i+1], b[3*i+2] = hex[v>>4], hex[v&15], ':'
	}
	return string(b[:len(b)-1])
}
