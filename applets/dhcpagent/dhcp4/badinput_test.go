package dhcp4

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"

	"github.com/google/go-cmp/cmp"
)

// badInput is a kind of damaged or hostile message and what becomes of it.
type badInput struct {
	name string
	// The message is a good OFFER or ACK with these options added, then
	// changed.
	opts string
	edit func(b []byte) []byte
	// want is why it is refused; DropNone: it is taken, and is checked.
	want DropReason
	// content: only a look at the contents shows that it is of no use. It then
	// counts among the bad offers and ends an attempt, but never a lease.
	content bool
	// stranger: where one server is asked it is taken for another's word.
	stranger bool
	check    func(c *Client) string // "" or what is wrong
}

// set puts octets at an offset.
func set(off int, octets string) func([]byte) []byte {
	return func(b []byte) []byte { copy(b[off:], octets); return b }
}

// without takes an option of the answer away; its value has n octets.
func without(code uint8, n int) func([]byte) []byte {
	return func(b []byte) []byte { return replace(b, code, n, "") }
}

// with gives an option of the answer another value; the old one has n octets.
func with(code uint8, n int, value string) func([]byte) []byte {
	return func(b []byte) []byte { return replace(b, code, n, tlv(code, value)) }
}

func replace(b []byte, code uint8, n int, with string) []byte {
	s := string(b[offOptions:])
	i := strings.Index(s, string([]byte{code, byte(n)}))
	return append(b[:offOptions:offOptions], s[:i]+with+s[i+2+n:]...)
}

// atEnd replaces the END option.
func atEnd(s string) func([]byte) []byte {
	return func(b []byte) []byte { return append(b[:len(b)-1], s...) }
}

func yiaddr(s string) func([]byte) []byte { return set(offYIAddr, ips(s)) }

// badHeaders are frames and headers, as far as the message goes; below it the
// driver looks.
var badHeaders = []badInput{
	{name: "runt", edit: func(b []byte) []byte { return b[:offOptions-1] }, want: DropShort},
	{name: "nothing", edit: func(b []byte) []byte { return nil }, want: DropShort},
	{name: "op", edit: set(0, "\x01"), want: DropOp},
	{name: "htype", edit: set(1, "\x06"), want: DropHWAddr},
	{name: "hlen 5", edit: set(2, "\x05"), want: DropHWAddr},
	{name: "hlen 16", edit: set(2, "\x10"), want: DropHWAddr},
	{name: "hlen over 16", edit: set(2, "\x11"), want: DropHLen},
	{name: "chaddr", edit: set(offCHAddr, "\x02\x00\x00\x00\x00\x77"), want: DropHWAddr},
	{name: "xid", edit: set(offXid, "\x00\x00\x00\x01"), want: DropXid},
	{name: "xid 0", edit: set(offXid, "\x00\x00\x00\x00"), want: DropXid},
	{name: "cookie", edit: set(offCookie, "\x63\x82\x53\x64"), want: DropCookie},
	{name: "jumbo", opts: strings.Repeat(tlv(224, strings.Repeat("x", 255)), 230)},
}

// badOptions are the options.
var badOptions = []badInput{
	{name: "code without length", edit: atEnd("\x0f")},
	{name: "length beyond the end", edit: atEnd("\x0f\x09abc"), check: hasNot(optDomain)},
	{name: "no END", edit: atEnd("")},
	{name: "garbage after END", edit: atEnd("\xff\x33\x04\x00\x00\x00\x00\x35"), check: nothing},
	{name: "options after END", edit: atEnd("\xff" + tlv(optDomain, "x.example")), check: hasNot(optDomain)},
	{name: "empty option", opts: tlv(optDomain, ""), check: hasNot(optDomain)},
	{name: "empty type", edit: with(optType, 1, ""), want: DropType},
	{name: "empty lease", edit: with(optLeaseTime, 4, ""), want: DropLease},
	{name: "empty server", edit: with(optServerID, 4, ""), want: DropServerID},
	{name: "mask of five octets", edit: with(optMask, 4, "\xff\xff\xff\x00\x00"), check: prefix("192.0.2.10/24")},
	{name: "mask of eight octets", edit: with(optMask, 4, ips("255.0.0.0", "255.0.0.0")), check: prefix("192.0.2.10/24")},
	{name: "mask with a hole", edit: with(optMask, 4, ips("255.0.255.0")), check: prefix("192.0.2.10/24")},
	{name: "mask 0", edit: with(optMask, 4, ips("0.0.0.0")), check: prefix("192.0.2.10/24")},
	{
		name: "mask of a host, router off the link", edit: with(optMask, 4, ips("255.255.255.255")), opts: tlv(optRouter, ips("192.0.2.1")),
		check: routes("192.0.2.1/32 on-link, 0.0.0.0/0 via 192.0.2.1"),
	},
	{name: "T1 of three octets", opts: tlv(optT1, "\x00\x00\x09") + tlv(optT2, u32(20)), check: ownTimes},
	{name: "T2 of five octets", opts: tlv(optT1, u32(9)) + tlv(optT2, u32(20)+"\x00"), check: ownTimes},
	{name: "T1 alone", opts: tlv(optT1, u32(9)), check: ownTimes},
	{name: "T1 0", opts: tlv(optT1, u32(0)) + tlv(optT2, u32(20)), check: ownTimes},
	{name: "T1 after T2", opts: tlv(optT1, u32(30)) + tlv(optT2, u32(20)), check: ownTimes},
	{name: "T2 is the lease", opts: tlv(optT1, u32(30)) + tlv(optT2, u32(3600)), check: ownTimes},
	{name: "T1, T2 beyond the lease", opts: tlv(optT1, u32(infinite)) + tlv(optT2, u32(infinite)), check: ownTimes},
	{name: "MTU of one octet", opts: tlv(optMTU, "\x02"), check: noMTU},
	{name: "MTU 68", opts: tlv(optMTU, "\x00\x44"), check: noMTU},
	{name: "broadcast address of three octets", opts: tlv(optBroadcast, "\x0a\x0b\x0c"), check: broadcast},
	{name: "another broadcast address", opts: tlv(optBroadcast, ips("10.0.0.255")), check: broadcast},
	{name: "maximum size of one octet", opts: tlv(optMaxSize, "\x01")},
	{name: "IPv6-only of three octets", opts: tlv(optIPv6Only, "\x01\x02\x03")},
	{name: "requested address of five octets", opts: tlv(optRequestedIP, "\x01\x02\x03\x04\x05")},
	{name: "type of two octets", edit: with(optType, 1, "\x05\x05"), want: DropType},
	{name: "lease of three octets", edit: with(optLeaseTime, 4, "\x01\x02\x03"), want: DropLease},
	{name: "lease twice", opts: tlv(optLeaseTime, u32(60)), want: DropLease},
	{name: "server of five octets", edit: with(optServerID, 4, "\xc0\x00\x02\x01\x00"), want: DropServerID},
	{name: "lease 0", edit: with(optLeaseTime, 4, u32(0)), want: DropLease},
	{name: "no lease", edit: without(optLeaseTime, 4), want: DropLease, content: true},
	{name: "no server", edit: without(optServerID, 4), want: DropServerID, content: true},
	{name: "type 0", edit: with(optType, 1, "\x00"), want: DropType},
	{name: "type FORCERENEW", edit: with(optType, 1, "\x09"), want: DropType},
	{name: "type of leasequery", edit: with(optType, 1, "\x0a"), want: DropType},
	{name: "type 255", edit: with(optType, 1, "\xff"), want: DropType},
	{name: "type of a client", edit: with(optType, 1, "\x01"), want: DropType},
	{name: "list with a part of an address", opts: tlv(optDNS, ips("192.0.2.3", "192.0.2.4")+"\xc0"), check: servers(2)},
	{name: "list of 100 addresses", opts: list100(), check: servers(64)},
	{name: "routers with a part of one", opts: tlv(optRouter, ips("192.0.2.1")+"\xc0"), check: routes("")},
	{name: "overload 0", opts: tlv(optOverload, "\x00"), edit: set(offFile, tlv(optDomain, "x")), check: hasNot(optDomain)},
	{name: "overload 4", opts: tlv(optOverload, "\x04"), edit: set(offFile, tlv(optDomain, "x")), check: hasNot(optDomain)},
	{name: "overload of two octets", opts: tlv(optOverload, "\x01\x01"), edit: set(offFile, tlv(optDomain, "x")), check: hasNot(optDomain)},
	{name: "overload twice", opts: tlv(optOverload, "\x01") + tlv(optOverload, "\x01"), edit: set(offFile, tlv(optDomain, "x")), check: hasNot(optDomain)},
	{name: "overload in the file", opts: tlv(optOverload, "\x01"), edit: set(offFile, tlv(optOverload, "\x03")+"\xff"), check: nothing},
	{name: "search list, pointer to itself", opts: tlv(optSearch, "\x01a\x00\xc0\x03"), check: search("a")},
	{name: "search list, pointer forward", opts: tlv(optSearch, "\x01a\x00\xc0\x05\x01b\x00"), check: search("a")},
	{name: "search list, pointer out of it", opts: tlv(optSearch, "\x01a\x00\xc0\xff"), check: search("a")},
	{name: "search list, two pointers in a loop", opts: tlv(optSearch, "\x01a\xc0\x04\x01b\xc0\x00"), check: search("")},
	{name: "search list, label type 01", opts: tlv(optSearch, "\x01a\x00\x40"+strings.Repeat("x", 64)+"\x00"), check: search("a")},
	{name: "search list, name over 255", opts: tlv(optSearch, "\x01a\x00"+strings.Repeat("\x3f"+strings.Repeat("x", 63), 3)) + tlv(optSearch, "\x3f"+strings.Repeat("x", 63)+"\x00"), check: search("a")},
	{name: "search list cut", opts: tlv(optSearch, "\x01a\x00\x07exam"), check: search("a")},
	{name: "6RD", opts: tlv(212, "\x20\xff")},
	{name: "classless routes, width 33", opts: tlv(optRoutes, "\x21\x0a\x00\x00\x00\x00"+ips("192.0.2.9")) + tlv(optRouter, ips("192.0.2.1")), check: routes("0.0.0.0/0 via 192.0.2.1")},
	{name: "classless routes, cut", opts: tlv(optRoutes, "\x00"+ips("192.0.2.9")+"\x18\x0a\x00") + tlv(optRouter, ips("192.0.2.1")), check: routes("0.0.0.0/0 via 192.0.2.1")},
	{name: "vendor sub-option overruns", opts: tlv(optVendor, "\x01\x09abc"), check: func(c *Client) string {
		if _, ok := c.lease.ack.Vendor(1); ok || !c.lease.ack.Has(optVendor) {
			return "sub-option found, or the value is gone"
		}
		return ""
	}},
	{name: "option over 16 KiB", opts: strings.Repeat(tlv(optVendor, strings.Repeat("x", 255)), 100), check: func(c *Client) string {
		if v, _ := c.lease.ack.Option(optVendor); len(v) != 64*255 {
			return "not cut at the last fragment below 16 KiB"
		}
		return ""
	}},
	{name: "client identifier of another", opts: tlv(optClientID, "\x00other"), want: DropClientID},
	{name: "address 0.0.0.0", edit: yiaddr("0.0.0.0"), want: DropAddress, content: true},
	{name: "address of net 0", edit: yiaddr("0.1.2.3"), want: DropAddress, content: true},
	{name: "loopback address", edit: yiaddr("127.0.0.1"), want: DropAddress, content: true},
	{name: "multicast address", edit: yiaddr("224.0.0.1"), want: DropAddress, content: true},
	{name: "reserved address", edit: yiaddr("240.0.0.1"), want: DropAddress, content: true},
	{name: "limited broadcast address", edit: yiaddr("255.255.255.255"), want: DropAddress, content: true},
	{name: "network's address", edit: yiaddr("192.0.2.0"), want: DropAddress, content: true},
	{name: "broadcast address", edit: yiaddr("192.0.2.255"), want: DropAddress, content: true},
	{name: "server's address", edit: yiaddr("192.0.2.1"), want: DropAddress, content: true},
	{name: "router's address", opts: tlv(optRouter, ips("192.0.2.10")), want: DropAddress, content: true},
	{name: "server 0.0.0.0", edit: with(optServerID, 4, ips("0.0.0.0")), want: DropServerID, content: true, stranger: true},
	{name: "server is everybody", edit: with(optServerID, 4, ips("255.255.255.255")), want: DropServerID, content: true, stranger: true},
}

func list100() string {
	var b []byte
	for i := range 100 {
		b = append(b, 10, 0, 1, byte(i))
	}
	return tlv(optDNS, string(b[:200])) + tlv(optDNS, string(b[200:]))
}

func nothing(*Client) string { return "" }

func hasNot(code uint8) func(*Client) string {
	return func(c *Client) string {
		if c.lease.ack.Has(code) {
			return "has an option that is not there"
		}
		return ""
	}
}

func prefix(want string) func(*Client) string {
	return func(c *Client) string { return cmp.Diff(want, c.lease.net.Addr.String()) }
}

func routes(want string) func(*Client) string {
	return func(c *Client) string {
		var list []string
		for _, r := range c.lease.net.Routes {
			how := "on-link"
			if r.Gateway.IsValid() {
				how = "via " + r.Gateway.String()
			}
			list = append(list, r.Dst.String()+" "+how)
		}
		return cmp.Diff(want, strings.Join(list, ", "))
	}
}

func ownTimes(c *Client) string {
	l := c.lease
	t := l.expires.Sub(l.start)
	slack := t / 50
	if (l.t1.Sub(l.start)-t/2).Abs() > slack || (l.t2.Sub(l.start)-t*7/8).Abs() > slack {
		return "T1 " + l.t1.Sub(l.start).String() + " T2 " + l.t2.Sub(l.start).String()
	}
	return ""
}

func noMTU(c *Client) string {
	if c.lease.net.MTU != 0 {
		return "takes the MTU"
	}
	return ""
}

func broadcast(c *Client) string { return cmp.Diff("192.0.2.255", c.lease.net.Broadcast.String()) }

func servers(n int) func(*Client) string {
	return func(c *Client) string { return cmp.Diff(n, len(c.lease.net.DNS)) }
}

func search(want string) func(*Client) string {
	return func(c *Client) string { return cmp.Diff(want, strings.Join(c.lease.net.Search, " ")) }
}

// hostile makes the message.
func (b *bench) hostile(in *badInput, typ uint8) []byte {
	raw := b.reply(answer{typ: typ, yi: testAddr, server: testServer, lease: 3600, opts: []byte(in.opts)})
	if in.edit != nil {
		raw = in.edit(raw)
	}
	return raw
}

// receive is what the driver does with a datagram.
func (b *bench) receive(raw []byte, port uint16) {
	b.t.Helper()
	m := new(Message)
	if r := Parse(m, raw, netip.AddrPortFrom(testServer, port), true); r != DropNone {
		b.c.CountDrop(r)
		return
	}
	b.do(func(out *Effects) { b.c.Packet(b.now, m, out) })
}

// TestBadInput gives every kind of bad message to a client that waits for an
// OFFER, for the first ACK and for that of a renewal.
func TestBadInput(t *testing.T) {
	for _, in := range append(append([]badInput(nil), badHeaders...), badOptions...) {
		t.Run(in.name, func(t *testing.T) {
			cfg := testConfig()
			cfg.MTU = MTULink
			b := newBench(t, cfg)
			b.hooks = true
			b.command(1, api.Start, -1)
			in.selecting(t, b)
			b.want(Requesting)
			in.requesting(t, b)
			b.want(Bound)
			b.command(2, api.Extend, -1)
			in.renewing(t, b)
			b.want(Bound)
		})
	}
}

func (in *badInput) selecting(t *testing.T, b *bench) {
	in.unmoved(t, b, typeOffer)
	if b.c.state == Selecting {
		b.offer()
	}
}

func (in *badInput) requesting(t *testing.T, b *bench) {
	if !in.content {
		in.unmoved(t, b, typeAck)
	} else {
		b.receive(b.hostile(in, typeAck), 67)
		if !in.stranger {
			b.want(Selecting) // the attempt has failed
			b.offer()
		}
		b.want(Requesting)
	}
	if b.c.state == Requesting {
		b.ack()
		return
	}
	in.judge(t, b)
}

func (in *badInput) renewing(t *testing.T, b *bench) {
	b.now = b.now.Add(time.Second)
	end := b.c.lease.expires
	in.unmoved(t, b, typeAck)
	if b.c.state == Renewing {
		if b.c.lease.expires != end || b.installed == nil {
			t.Error("the lease has changed")
		}
		b.ack()
		return
	}
	in.judge(t, b)
}

func (in *badInput) judge(t *testing.T, b *bench) {
	if in.check != nil {
		if bad := in.check(b.c); bad != "" {
			t.Errorf("%v: %s", b.c.state, bad)
		}
	}
}

// unmoved gives the message: if it is to be refused, nothing may change but the
// counters.
func (in *badInput) unmoved(t *testing.T, b *bench, typ uint8) {
	t.Helper()
	state, timers, sent, bad := b.c.state, b.c.timers, len(b.sent), b.c.badOffers
	dropped := b.c.dropped[in.want]
	b.receive(b.hostile(in, typ), 67)
	if in.want == DropNone {
		if b.c.state == state {
			t.Errorf("%v: not taken: %v", state, b.c.dropped)
		}
		return
	}
	if in.content {
		bad++
	}
	if b.c.state != state || b.c.timers != timers || len(b.sent) != sent || b.c.badOffers != bad || b.c.dropped[in.want] != dropped+1 {
		t.Errorf("%v -> %v: dropped %v, bad offers %d, want %d, timers %v, were %v", state, b.c.state, b.c.dropped,
			b.c.badOffers, bad, b.c.timers, timers)
	}
}

// TestSourcePort: relays and translators answer from any port.
func TestSourcePort(t *testing.T) {
	b := newBench(t, testConfig())
	b.command(1, api.Start, -1)
	b.receive(b.reply(answer{typ: typeOffer, yi: testAddr, server: testServer, lease: 60}), 4011)
	b.want(Requesting)
}

// TestShortestLease: whatever a server answers, the client stays below a packet
// a second.
func TestShortestLease(t *testing.T) {
	b := newBench(t, testConfig())
	b.hooks = true
	b.command(1, api.Start, -1)
	var at []timer.Time
	b.extraCheck = func() {
		for len(at) < len(b.sent) {
			at = append(at, b.now)
		}
	}
	end, answered := b.now.Add(10*time.Minute), 0
	for b.next(end) {
		for answered < len(b.sent) {
			typ := typeAck
			if answered++; b.sent[answered-1].Type == typeDiscover {
				typ = typeOffer
			}
			b.packet(answer{typ: typ, yi: testAddr, server: testServer, lease: 1})
		}
	}
	if len(at) < 300 {
		t.Fatalf("%d packets: the lease is not renewed\n%s", len(at), strings.Join(b.log[max(0, len(b.log)-40):], "\n"))
	}
	for i := rateBurst; i < len(at); i++ {
		if d := at[i].Sub(at[i-rateBurst]); d < rateWindow {
			t.Fatalf("%d packets in %v", rateBurst+1, d)
		}
	}
}

// TestNoCookie: BOOTP is for the first answer only.
func TestNoCookie(t *testing.T) {
	for _, s := range []struct {
		state State
		reach func(b *bench)
	}{
		{Requesting, func(b *bench) { b.offer() }},
		{Renewing, func(b *bench) { b.offer(); b.ack(); b.hookDone(); b.command(2, api.Extend, -1) }},
		{InitReboot, func(b *bench) { b.offer(); b.ack(); b.hookDone(); b.carrier(false); b.carrier(true) }},
	} {
		b := newBench(t, testConfig())
		b.command(1, api.Start, -1)
		s.reach(b)
		b.want(s.state)
		raw := b.reply(answer{typ: typeAck, yi: testAddr, server: testServer, lease: 60})
		binary.BigEndian.PutUint32(raw[offCookie:], 0)
		b.receive(raw, 67)
		b.want(s.state)
		if b.c.dropped[DropCookie] != 1 {
			t.Errorf("%v: dropped %v", s.state, b.c.dropped)
		}
	}
}
