package dhcp4

import (
	"log/slog"
	"net/netip"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

// maxOffers bounds the offers looked at for one DISCOVER.
const maxOffers = 64

// offer is what has to be kept of one.
type offer struct {
	addr, server netip.Addr
	lease        uint32
	score        int
	declined     bool     // its address was declined not long ago
	text         string   // option 56
	bootp        *Message // a BOOTP reply is the lease itself
}

// offers are those of one SELECTING. Only the best is kept: the others could
// not be used later, since the REQUEST tells their servers so.
type offers struct {
	n    int
	best offer
}

// enterSelecting begins from scratch: no old offers, leases or timers.
func (c *Client) enterSelecting(now timer.Time, out *Effects) {
	c.offers = offers{}
	c.lease, c.informed = nil, nil
	c.cfg = c.newest
	if !c.op.active {
		c.beginInternal(api.Start)
	}
	c.begin(now, kindDiscover, out)
	c.forget(out)
}

// forget removes the saved lease if there may be one.
func (c *Client) forget(out *Effects) {
	if c.stored {
		c.stored = false
		out.kind(Forget)
	}
}

// offered is an OFFER or a BOOTP reply in SELECTING.
func (c *Client) offered(now timer.Time, m *Message, out *Effects) DropReason {
	o := offer{addr: m.YIAddr, server: m.ServerID()}
	if r := c.checkOffer(m, &o); r != DropNone {
		c.badOffers++
		return r
	}
	if c.offers.n >= maxOffers {
		return DropFull
	}
	o.score = score(m)
	o.declined = c.backoff.declined(now, o.addr)
	if c.offers.n == 0 || o.betterThan(&c.offers.best) {
		if m.Type == 0 {
			o.bootp = m.Clone()
		}
		if m.Has(optMessage) {
			o.text = Printable(m.String(optMessage))
		}
		c.offers.best = o
	}
	c.offers.n++
	// An address that was in use a moment ago is taken only if nothing else
	// has come when the DISCOVER is due again.
	if c.cfg.OfferWait <= 0 && !c.offers.best.declined {
		c.choose(now, out)
	}
	return DropNone
}

// checkOffer refuses what could not be used.
func (c *Client) checkOffer(m *Message, o *offer) DropReason {
	if r := m.CheckAddress(c.cfg.Allow240); r != DropNone {
		return r
	}
	if m.Type == 0 {
		return DropNone
	}
	if !ValidAddr(o.server, c.cfg.Allow240) {
		return DropServerID
	}
	var ok bool
	if o.lease, ok = m.Uint32(optLeaseTime); !ok || o.lease == 0 {
		return DropLease
	}
	return DropNone
}

// betterThan: the offer with the most options of use wins, of equals the first.
func (o *offer) betterThan(p *offer) bool {
	if o.declined != p.declined {
		return p.declined
	}
	return o.score > p.score
}

// score rates an offer. Options on the ignore list are gone already.
func score(m *Message) int {
	n := 0
	if m.Type != 0 {
		n += 30
	}
	if m.Cookie {
		n += 5
	}
	if m.Has(optVendor) {
		n += 80
	}
	if m.Has(optMask) {
		n++
	}
	if m.Has(optRouter) {
		n++
	}
	if m.Has(optHostName) {
		n += 5
	}
	return n
}

// offerTime is the end of a collection period.
func (c *Client) offerTime(now timer.Time, out *Effects) {
	if c.offers.n > 0 && !c.offers.best.declined {
		c.choose(now, out)
		return
	}
	c.arm(TimerOffer, now.Add(max(c.cfg.OfferWait, time.Second)), out)
}

// choose takes the best offer.
func (c *Client) choose(now timer.Time, out *Effects) {
	o := &c.offers.best
	if o.text != "" {
		c.note(out, slog.LevelInfo, "offer", slog.String("peer", o.server.String()), slog.String("text", o.text))
	}
	c.enter(now, Requesting, out)
}

// enterRequesting asks for the chosen offer with the xid of the DISCOVER
// (RFC 2131 §4.4.1). A BOOTP reply is taken without another word (RFC 1534).
func (c *Client) enterRequesting(now timer.Time, out *Effects) {
	o := &c.offers.best
	if o.bootp != nil {
		m := o.bootp
		c.offers = offers{}
		c.bindBootp(now, m, out)
		return
	}
	x := &c.x
	x.kind, x.tries, x.wait, x.n = kindSelect, 0, 0, 0
	x.addr, x.server, x.lease = o.addr, o.server, o.lease
	c.offers = offers{}
	// The exchange is under way, it needs no new slot.
	if c.link.Up {
		c.transmitNow(now, out)
	}
}

// hint is the address to ask for in a DISCOVER: the last one, if it was lost
// only because it ran out.
func (c *Client) hint() netip.Addr { return c.backoff.hint }
