package dhcp4

import (
	"net/netip"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
)

// TestOwnMessages: by hardware address and echoed client identifier
// (RFC 2131 §4.1, RFC 4390 §2.1, RFC 6842 §3).
func TestOwnMessages(t *testing.T) {
	ib := make([]byte, 20)
	ib[19] = 7
	tests := []struct {
		name     string
		link     Link
		clientID string
		htype    uint8
		hlen     int
		chaddr   string
		echo     string
		want     DropReason
	}{
		{"ethernet", Link{HWType: 1, HWAddr: testHW}, "", 1, 6, string(testHW), "", DropNone},
		{"another host's", Link{HWType: 1, HWAddr: testHW}, "", 1, 6, "\x02\x00\x00\x00\x00\x02", "", DropHWAddr},
		{"another type", Link{HWType: 1, HWAddr: testHW}, "", 6, 6, string(testHW), "", DropHWAddr},
		{"shorter", Link{HWType: 1, HWAddr: testHW}, "", 1, 5, string(testHW), "", DropHWAddr},
		{"InfiniBand", Link{HWType: 32, HWAddr: ib}, "id", 32, 0, "", "id", DropNone},
		{"InfiniBand with an address", Link{HWType: 32, HWAddr: ib}, "id", 32, 16, string(ib), "id", DropHWAddr},
		{"InfiniBand, another's identifier", Link{HWType: 32, HWAddr: ib}, "id", 32, 0, "", "ie", DropClientID},
		{"identifier", Link{HWType: 1, HWAddr: testHW}, "id", 1, 6, string(testHW), "id", DropNone},
		{"no echo", Link{HWType: 1, HWAddr: testHW}, "id", 1, 6, string(testHW), "", DropNone},
		{"another identifier", Link{HWType: 1, HWAddr: testHW}, "id", 1, 6, string(testHW), "id2", DropClientID},
		{"none of our own, the address", Link{HWType: 1, HWAddr: testHW}, "", 1, 6, string(testHW), "\x01" + string(testHW), DropNone},
		{"none of our own, another", Link{HWType: 1, HWAddr: testHW}, "", 1, 6, string(testHW), "\x01\x02\x00\x00\x00\x00\x02", DropClientID},
	}
	for _, tt := range tests {
		cfg := testConfig()
		if tt.clientID != "" {
			cfg.ClientID = []byte(tt.clientID)
		}
		b := newBench(t, cfg)
		tt.link.Up = true
		b.setLink(tt.link)
		b.command(1, api.Start, -1)
		raw := b.reply(answer{
			typ: typeOffer, yi: testAddr, server: testServer, lease: 60, hw: []byte{},
			opts: appendOption(nil, optClientID, []byte(tt.echo)),
		})
		raw[1], raw[2] = tt.htype, uint8(tt.hlen)
		copy(raw[offCHAddr:offSname], tt.chaddr)
		b.receive(raw, 67)
		want := Requesting
		if tt.want != DropNone {
			want = Selecting
			if b.c.dropped[tt.want] != 1 {
				t.Errorf("%s: dropped %v", tt.name, b.c.dropped)
			}
		}
		if b.c.state != want {
			t.Errorf("%s: %v", tt.name, b.c.state)
		}
	}
}

// TestSavedHardware: a lease that another hardware address obtained is used only
// if the identity is independent of it.
func TestSavedHardware(t *testing.T) {
	for _, tt := range []struct {
		name    string
		follows bool
		hwType  uint16
		hw      []byte
		want    State
	}{
		{"same", true, 1, testHW, InitReboot},
		{"another address", true, 1, []byte{2, 0, 0, 0, 0, 9}, Selecting},
		{"another type", true, 6, testHW, Selecting},
		{"not known", true, 0, nil, InitReboot},
		{"another address, own identifier", false, 1, []byte{2, 0, 0, 0, 0, 9}, InitReboot},
	} {
		cfg := testConfig()
		cfg.ClientIDFollowsHW = tt.follows
		b := newBench(t, cfg)
		b.command(1, api.Start, -1, func(r *Request) {
			r.Saved = b.oldLease()
			r.Saved.HWType, r.Saved.HWAddr = tt.hwType, tt.hw
		})
		if b.c.state != tt.want {
			t.Errorf("%s: %v", tt.name, b.c.state)
		}
	}
}

// TestRebootNakNeedsName: a NAK that does not say whose it is counts nowhere.
func TestRebootNakNeedsName(t *testing.T) {
	b := newBench(t, testConfig())
	b.command(1, api.Start, -1, func(r *Request) { r.Saved = b.oldLease() })
	b.packet(answer{typ: typeNak})
	b.want(InitReboot)
	b.packet(answer{typ: typeNak, server: netip.MustParseAddr("203.0.113.9")})
	b.want(Selecting)
}

// TestEveryRequestAsksAlike: the list of parameters of the DISCOVER, the identity
// and the size limit stand in every REQUEST (RFC 2131 §4.3.6, §4.4.1); the limit
// follows the MTU.
func TestEveryRequestAsksAlike(t *testing.T) {
	cfg := testConfig()
	cfg.ClientID = []byte("\x00client")
	b := newBench(t, cfg)
	b.hooks = true
	b.command(1, api.Start, -1)
	b.offer()
	b.ack()
	b.fireOwn(TimerT1)
	b.fireOwn(TimerT2)
	b.ack()
	l := b.link
	l.MTU = 9000
	b.setLink(l)
	b.carrier(false)
	b.carrier(true)
	b.ack()
	b.command(3, api.Release, -1)
	kinds := ""
	for _, m := range b.sent {
		kinds += typeText(m.Type) + " "
		if id, _ := m.Option(optClientID); string(id) != "\x00client" {
			t.Errorf("%s: identifier %q", typeText(m.Type), id)
		}
		if m.Type == typeRelease {
			continue
		}
		if v, _ := m.Option(optParams); string(v) != "\x01\x03\x06" {
			t.Errorf("%s: parameters %v", typeText(m.Type), v)
		}
		want := uint16(1472)
		if m == b.sent[len(b.sent)-2] {
			want = 8972
		}
		if v, _ := m.Uint16(optMaxSize); v != want {
			t.Errorf("%s: size limit %d, want %d", typeText(m.Type), v, want)
		}
	}
	if kinds != "DISCOVER REQUEST REQUEST REQUEST REQUEST RELEASE " {
		t.Errorf("sent %s", kinds)
	}
	for i, m := range b.sent {
		for j := range i {
			same := b.sent[j].Xid == m.Xid
			if joint := j == 0 && i == 1 || j == 2 && i == 3; same != joint {
				t.Errorf("messages %d and %d: xids %#x and %#x", j, i, b.sent[j].Xid, m.Xid)
			}
		}
	}
}

// TestLeaseStart: a lease counts from the request that its ACK answers; where
// that may be either of two, from the first.
func TestLeaseStart(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration // from the second REQUEST to the ACK
		first bool
	}{
		{0, true},
		{999 * time.Millisecond, true},
		{time.Second, false},
		{3 * time.Second, false},
	} {
		b := newBench(t, testConfig())
		b.command(1, api.Start, -1)
		b.now = b.now.Add(300 * time.Millisecond)
		b.offer()
		first := b.now
		b.fireOwn(TimerRetransmit)
		second := b.now
		b.now = b.now.Add(tt.after)
		b.ack()
		b.want(Bound)
		want := second
		if tt.first {
			want = first
		}
		if got := b.c.lease.start; got != want || b.saved.Start != want {
			t.Errorf("ACK after %v: lease begins %v after the first REQUEST, want %v", tt.after, got.Sub(first), want.Sub(first))
		}
	}
}

// TestLeaseKeepsIdentifier: another identifier in the configuration counts for
// the next lease only.
func TestLeaseKeepsIdentifier(t *testing.T) {
	cfg := testConfig()
	cfg.ClientID = []byte("\x00old")
	b := newBench(t, cfg)
	b.hooks = true
	b.bind()
	next := *cfg
	next.ClientID, next.LeaseTime = []byte("\x00new"), 60
	b.c.SetConfig(&next)
	id := func() string { v, _ := b.last().Option(optClientID); return string(v) }
	b.command(2, api.Extend, -1)
	if lease, _ := b.last().Uint32(optLeaseTime); id() != "\x00old" || lease != 60 {
		t.Fatalf("REQUEST with identifier %q, lease %d", id(), lease)
	}
	b.nak()
	b.want(Selecting)
	if id() != "\x00new" {
		t.Fatalf("DISCOVER with identifier %q", id())
	}
}
