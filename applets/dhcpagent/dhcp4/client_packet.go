package dhcp4

import (
	"bytes"
	"log/slog"
	"slices"
	"time"

	"daemonbox/core/timer"
)

// Packet is a received message that Parse found good. It is valid until the
// call returns.
func (c *Client) Packet(now timer.Time, m *Message, out *Effects) {
	if c.gone {
		return
	}
	c.overdue(now, out)
	if r := c.receive(now, m, out); r != DropNone {
		c.CountDrop(r)
		c.noteDrop(now, m, r, out)
	}
}

// receive checks what concerns every message and hands it to the state.
func (c *Client) receive(now timer.Time, m *Message, out *Effects) DropReason {
	switch {
	case !c.Expecting(m.Xid):
		return DropXid
	case !c.forUs(m):
		return DropHWAddr
	case !m.Cookie && c.state != Selecting:
		return DropCookie
	case !c.ourID(m):
		return DropClientID
	}
	c.recv++
	m.Ignore(c.cfg.ParamIgnore)
	at := len(out.list)
	r := c.handle(now, m, out)
	if r == DropNone && c.cfg.LogLevel <= slog.LevelDebug {
		// Only what has an effect is noted a packet at a time: a flood is not
		// to fill the log. The note stands before what it led to.
		out.list = slices.Insert(out.list, at, Effect{
			Kind: Note, Level: slog.LevelDebug, Text: "received",
			Attrs: []slog.Attr{
				slog.String("type", typeName(m.Type)), slog.String("peer", m.Src.String()), slog.Uint64("xid", uint64(m.Xid)),
			},
		})
	}
	return r
}

// handle gives a message that is for this client to its state.
func (c *Client) handle(now timer.Time, m *Message, out *Effects) DropReason {
	switch m.Type {
	case 0, typeOffer:
		if c.state != Selecting {
			return DropState
		}
		return c.offered(now, m, out)
	case typeAck:
		return c.acked(now, m, out)
	case typeNak:
		return c.refused(now, m, out)
	}
	return DropType
}

// forUs compares the hardware address. RFC 4390 §2.1: over InfiniBand chaddr is
// empty, and xid and client id have to do.
func (c *Client) forUs(m *Message) bool {
	if m.HType != uint8(c.link.HWType) {
		return false
	}
	if c.link.HWType == hwInfiniband || len(c.link.HWAddr) > len(m.CHAddr) {
		return m.HLen == 0
	}
	return int(m.HLen) == len(c.link.HWAddr) && bytes.Equal(m.CHAddr[:m.HLen], c.link.HWAddr)
}

// ourID checks an echoed client identifier (RFC 6842 §3). To a client that
// sends none, its identity is hardware type and address (RFC 2131 §4.2).
func (c *Client) ourID(m *Message) bool {
	id, ok := m.Option(optClientID)
	if !ok {
		return true
	}
	if c.cfg.ClientID != nil {
		return bytes.Equal(id, c.cfg.ClientID)
	}
	return len(id) == 1+len(c.link.HWAddr) && id[0] == uint8(c.link.HWType) && bytes.Equal(id[1:], c.link.HWAddr)
}

// noteDrop logs a refused packet, each reason once in 10 s. Other hosts'
// exchanges and late answers are part of every network's life.
func (c *Client) noteDrop(now timer.Time, m *Message, r DropReason, out *Effects) {
	const interval = 10 * time.Second
	level := slog.LevelInfo
	switch r {
	case DropXid, DropState, DropHWAddr:
		level = slog.LevelDebug
	}
	if level < c.cfg.LogLevel || now.Before(c.dropNoted[r].Add(interval)) {
		return
	}
	c.dropNoted[r] = now
	c.note(out, level, "packet refused", slog.String("reason", r.String()), slog.String("peer", m.Src.String()))
}

// refused is a NAK.
func (c *Client) refused(now timer.Time, m *Message, out *Effects) DropReason {
	sid := m.ServerID()
	switch c.state {
	case Requesting, Renewing:
		// Only the server that was asked may refuse.
		if sid != c.x.server {
			return DropServerID
		}
	case InitReboot, Rebinding:
		// Any server that knows better (RFC 2131 §4.3.2), but it says its name.
		if !sid.IsValid() {
			return DropServerID
		}
	default:
		return DropState
	}
	c.badOffers++
	c.note(out, slog.LevelWarn, "server refused the request (NAK)", slog.String("peer", sid.String()),
		slog.String("text", Printable(m.String(optMessage))))
	c.lastError = "refused by " + sid.String()
	c.withdraw(now, byNak, out)
	return DropNone
}
