package dhcp4

import (
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/rawsock/frame"
)

// quiet is a bound client that logs nothing, as the budget of a step is meant:
// without codec and without log records.
func quiet(tb testing.TB) *bench {
	cfg := testConfig()
	cfg.LogLevel = slog.LevelError + 4
	b := newBench(tb, cfg)
	b.bind()
	return b
}

// steps are inputs that leave the client as it was, so that they can be
// repeated.
var steps = []struct {
	name string
	give func(b *bench, m *Message)
}{
	{"stale packet", func(b *bench, m *Message) { b.c.Packet(b.now, m, &b.out) }},
	{"ARP of others", func(b *bench, _ *Message) {
		b.c.ARP(b.now, frame.ARP{Op: 1, SenderIP: testServer, TargetIP: testAddr}, false, &b.out)
	}},
	{"link down and up, put off", func(b *bench, _ *Message) {
		l := b.link
		l.Up = false
		b.c.LinkChange(b.now, l, &b.out)
		l.Up = true
		b.c.LinkChange(b.now, l, &b.out)
	}},
	{"T1, put off", func(b *bench, _ *Message) {
		b.c.op = operation{active: true, user: true}
		b.c.timers[TimerT1] = b.now
		b.c.Timer(b.now, TimerT1, &b.out)
	}},
	{"check", func(b *bench, _ *Message) { b.c.Check(api.Extend) }},
}

func TestStepAllocations(t *testing.T) {
	for _, s := range steps {
		b := quiet(t)
		m := new(Message)
		Parse(m, b.reply(answer{typ: typeAck, yi: testAddr, server: testServer, lease: 60, xid: 9}), netip.AddrPort{}, false)
		for i := range b.c.refreshes {
			b.c.refreshes[i] = b.now
		}
		if n := testing.AllocsPerRun(100, func() { b.out.Reset(); s.give(b, m) }); n != 0 {
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}

func BenchmarkStep(b *testing.B) {
	for _, s := range steps {
		b.Run(s.name, func(b *testing.B) {
			q := quiet(b)
			m := new(Message)
			Parse(m, q.reply(answer{typ: typeAck, yi: testAddr, server: testServer, lease: 60, xid: 9}), netip.AddrPort{}, false)
			for i := range q.c.refreshes {
				q.c.refreshes[i] = q.now
			}
			b.ReportAllocs()
			for b.Loop() {
				q.out.Reset()
				s.give(q, m)
			}
		})
	}
}

// BenchmarkLease is a whole lease with the real codec: four messages.
func BenchmarkLease(b *testing.B) {
	cfg := testConfig()
	cfg.LogLevel = slog.LevelError + 4
	q := newBench(b, cfg)
	var m Message
	src := netip.AddrPortFrom(testServer, 67)
	b.ReportAllocs()
	for b.Loop() {
		q.c = New(cfg, q.link, q.c.rnd)
		q.out.Reset()
		q.c.Command(q.now, Request{Cmd: api.Start, User: true, Timeout: time.Minute}, &q.out)
		q.c.Slot(q.now, &q.out)
		Parse(&m, q.reply(answer{typ: typeOffer, yi: testAddr, server: testServer, lease: 3600}), src, false)
		q.c.Packet(q.now, &m, &q.out)
		Parse(&m, q.reply(answer{typ: typeAck, yi: testAddr, server: testServer, lease: 3600}), src, false)
		q.c.Packet(q.now, &m, &q.out)
		q.c.Configured(q.now, q.c.config.op, nil, &q.out)
		if q.c.state != Bound {
			b.Fatal(q.c.state)
		}
	}
}
