package dhcp4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/timer"
)

var (
	testHW     = []byte{2, 0, 0, 0, 0, 1}
	testServer = netip.MustParseAddr("192.0.2.1")
	testAddr   = netip.MustParseAddr("192.0.2.10")
)

// bench drives a client by hand: it is the agent, the kernel and the network.
type bench struct {
	t    testing.TB
	c    *Client
	cfg  *Config
	link Link
	now  timer.Time
	out  Effects
	// log collects one line an effect since take was called.
	log []string
	// What the driver does by itself.
	grant, configure, hooks bool
	configErr               error

	depth      int
	timers     map[TimerID]timer.Time
	hook       uint32
	configOp   uint32
	installed  *NetConfig
	saved      *Saved
	sent       []*Message // decoded, oldest first
	replies    map[uint64][]api.Code
	arps       int
	probing    bool
	slots      int
	gone       bool
	extraCheck func()
}

func testConfig() *Config {
	return &Config{
		ACD: ACDOff, ACDDefend: true, LeaseTime: infinite, ParamRequest: []uint8{1, 3, 6},
		RequestHostname: true, RequestFQDN: true,
	}
}

func newBench(t testing.TB, cfg *Config) *bench {
	b := &bench{
		t: t, cfg: cfg, now: timer.Time(1000 * time.Second), grant: true, configure: true,
		link:   Link{Name: "eth0", Up: true, HWType: 1, HWAddr: testHW, MTU: 1500},
		timers: map[TimerID]timer.Time{}, replies: map[uint64][]api.Code{},
	}
	b.c = New(cfg, b.link, rand.New(rand.NewPCG(1, 2)))
	return b
}

// do gives the client an input and carries out what it wants.
func (b *bench) do(input func(out *Effects)) {
	b.t.Helper()
	b.depth++
	b.out.Reset()
	input(&b.out)
	list := slices.Clone(b.out.List())
	for i := range list {
		// What follows reuses the buffer.
		list[i].Data = slices.Clone(list[i].Data)
	}
	for i := range list {
		b.effect(&list[i])
	}
	if b.depth--; b.depth == 0 {
		b.check()
	}
}

func (b *bench) effect(e *Effect) {
	b.t.Helper()
	if b.gone && e.Kind != Reply {
		b.t.Fatalf("effect after Gone: %+v", e)
	}
	b.print(e)
	switch e.Kind {
	case Arm:
		b.timers[e.Timer] = e.At
	case Disarm:
		delete(b.timers, e.Timer)
	case Send:
		m := new(Message)
		if r := ParseRequest(m, e.Data, netip.AddrPort{}); r != DropNone {
			b.t.Fatalf("sent what cannot be parsed: %v", r)
		}
		b.sent = append(b.sent, m)
	case SendARP:
		b.arps++
	case Configure:
		b.installed, b.configOp = e.Net, e.Op
		if b.configure {
			op := e.Op
			b.do(func(out *Effects) { b.c.Configured(b.now, op, b.configErr, out) })
		}
	case Refresh:
		b.installed = e.Net
	case Save:
		b.saved = e.Saved
	case Forget:
		b.saved = nil
	case RunHook:
		b.hook = e.Op
		if b.hooks {
			b.hookDone()
		}
	case StopHook:
		b.hook = 0
	case Reply:
		b.replies[e.Request] = append(b.replies[e.Request], e.Code)
	case Acquire:
		b.slots++
		if b.grant {
			b.do(func(out *Effects) { b.c.Slot(b.now, out) })
		}
	case Yield:
		b.slots--
	case Probing:
		b.probing = e.Flag
	case Gone:
		b.gone = true
	}
}

// check compares what client and driver believe, and that no timer outlives its
// state.
func (b *bench) check() {
	b.t.Helper()
	c := b.c
	owned := c.state.owned() | timers(TimerOp)
	if c.leaving != 0 || c.ending != endNot {
		owned = timers(TimerOp, TimerExpire, TimerRelease)
	}
	for id, at := range c.timers {
		if d, ok := b.timers[TimerID(id)]; !c.gone && (ok && d != at || !ok && at != timer.Never) {
			b.t.Fatalf("%v: timer %s: client has %d, driver %d\n%s", c.state, timerName(TimerID(id)), at, d,
				strings.Join(b.log, "\n"))
		}
		if at != timer.Never && !owned.has(TimerID(id)) {
			b.t.Fatalf("%v: timer %s must not be pending", c.state, timerName(TimerID(id)))
		}
	}
	if b.probing != c.probing || b.installed != c.installed {
		b.t.Fatalf("%v: driver has probing %v, net %v", c.state, b.probing, b.installed)
	}
	if b.extraCheck != nil {
		b.extraCheck()
	}
}

func (b *bench) hookDone() {
	b.t.Helper()
	op := b.hook
	b.hook = 0
	b.do(func(out *Effects) { b.c.HookDone(b.now, op, out) })
}

// next fires the timer that is due first, if it is before limit.
func (b *bench) next(limit timer.Time) bool {
	b.t.Helper()
	first, at := TimerID(0), timer.Never
	for id := TimerID(0); id < NumTimers; id++ {
		if d, ok := b.timers[id]; ok && d < at {
			first, at = id, d
		}
	}
	if at > limit || at == timer.Never {
		return false
	}
	b.now = max(b.now, at)
	delete(b.timers, first)
	b.logf("%s timer %s", b.clock(), timerName(first))
	b.do(func(out *Effects) { b.c.Timer(b.now, first, out) })
	return true
}

// advance lets time pass.
func (b *bench) advance(d time.Duration) {
	b.t.Helper()
	end := b.now.Add(d)
	for n := 0; b.next(end); n++ {
		if n > 100000 {
			b.t.Fatal("timers without end")
		}
	}
	b.now = end
}

func (b *bench) clock() string {
	return fmt.Sprintf("[%.3f]", b.now.Sub(timer.Time(1000*time.Second)).Seconds())
}

func (b *bench) command(id uint64, cmd api.Command, timeout time.Duration, set ...func(*Request)) {
	b.t.Helper()
	r := Request{ID: id, Cmd: cmd, User: true, Timeout: timeout}
	for _, f := range set {
		f(&r)
	}
	b.do(func(out *Effects) { b.c.Command(b.now, r, out) })
}

// answer describes a server's message.
type answer struct {
	typ    uint8
	yi     netip.Addr
	server netip.Addr
	lease  uint32
	xid    uint32
	hw     []byte
	opts   []byte // more options
}

// reply makes the octets of an answer to the client's exchange.
func (b *bench) reply(a answer) []byte {
	var p [offOptions]byte
	p[0], p[1] = opReply, 1
	hw := a.hw
	if hw == nil {
		hw = b.c.link.HWAddr
	}
	p[2] = uint8(copy(p[offCHAddr:offSname], hw))
	xid := a.xid
	if xid == 0 {
		xid = b.c.x.xid
	}
	binary.BigEndian.PutUint32(p[offXid:], xid)
	if a.yi.Is4() {
		v := a.yi.As4()
		copy(p[offYIAddr:], v[:])
	}
	binary.BigEndian.PutUint32(p[offCookie:], magic)
	o := p[:]
	if a.typ != 0 {
		o = append(o, optType, 1, a.typ)
	}
	o = appendAddr(o, optServerID, a.server)
	if a.lease != 0 {
		o = append(o, optLeaseTime, 4)
		o = binary.BigEndian.AppendUint32(o, a.lease)
	}
	if a.typ != typeNak {
		o = append(o, optMask, 4, 255, 255, 255, 0)
	}
	o = append(o, a.opts...)
	return append(o, optEnd)
}

func (b *bench) packet(a answer) {
	b.t.Helper()
	m := new(Message)
	if r := Parse(m, b.reply(a), netip.AddrPortFrom(testServer, 67), false); r != DropNone {
		b.t.Fatalf("answer does not parse: %v", r)
	}
	b.do(func(out *Effects) { b.c.Packet(b.now, m, out) })
}

func (b *bench) offer() {
	b.t.Helper()
	b.packet(answer{typ: typeOffer, yi: testAddr, server: testServer, lease: 3600})
}

func (b *bench) ack() {
	b.t.Helper()
	b.packet(answer{typ: typeAck, yi: testAddr, server: testServer, lease: 3600})
}

func (b *bench) nak() {
	b.t.Helper()
	b.packet(answer{typ: typeNak, server: testServer})
}

func (b *bench) arp(p frame.ARP, local bool) {
	b.t.Helper()
	b.do(func(out *Effects) { b.c.ARP(b.now, p, local, out) })
}

func (b *bench) setLink(l Link) {
	b.t.Helper()
	b.link = l
	b.link.Spread = false
	b.do(func(out *Effects) { b.c.LinkChange(b.now, l, out) })
}

func (b *bench) carrier(up bool) {
	b.t.Helper()
	l := b.link
	l.Up = up
	b.setLink(l)
}

// bind takes a fresh client to BOUND with all scripts ended.
func (b *bench) bind() {
	b.t.Helper()
	b.command(1, api.Start, 120*time.Second)
	b.offer()
	b.ack()
	if b.c.state == PreBound {
		b.advance(10 * time.Second)
	}
	if b.hook != 0 {
		b.hookDone()
	}
	b.want(Bound)
}

func (b *bench) want(s State) {
	b.t.Helper()
	if b.c.State() != s {
		b.t.Fatalf("state %v, want %v\n%s", b.c.State(), s, strings.Join(b.log, "\n"))
	}
}

func (b *bench) last() *Message {
	b.t.Helper()
	if len(b.sent) == 0 {
		b.t.Fatal("nothing was sent")
	}
	return b.sent[len(b.sent)-1]
}

func (b *bench) logf(format string, args ...any) { b.log = append(b.log, fmt.Sprintf(format, args...)) }

func (b *bench) take() []string {
	l := b.log
	b.log = nil
	return l
}

var errKernel = errors.New("no such device")

func timerName(id TimerID) string {
	return [...]string{"retransmit", "offer", "delay", "T1", "T2", "expire", "acd", "op", "refresh", "release"}[id]
}

// print writes an effect as one line.
func (b *bench) print(e *Effect) {
	switch e.Kind {
	case Send:
		m := new(Message)
		ParseRequest(m, e.Data, netip.AddrPort{})
		b.logf("  send %s %s > %s%s", typeText(m.Type), e.Src, e.Dst, messageText(m))
	case SendARP:
		p, err := frame.ParseARP(e.Data)
		if err != nil {
			b.t.Fatal(err)
		}
		b.logf("  arp sender %s target %s", p.SenderIP, p.TargetIP)
	case Arm:
		b.logf("  arm %s +%.3f", timerName(e.Timer), e.At.Sub(b.now).Seconds())
	case Disarm:
		b.logf("  disarm %s", timerName(e.Timer))
	case Configure:
		b.logf("  configure %s%s", netText(e.Net, b.now), map[bool]string{true: " foreign"}[e.Flag])
	case Refresh:
		b.logf("  refresh %s", netText(e.Net, b.now))
	case Save:
		b.logf("  save start %.3f", e.Saved.Start.Sub(timer.Time(1000*time.Second)).Seconds())
	case Forget:
		b.logf("  forget")
	case RunHook:
		b.logf("  hook %s %s", e.Event, netText(e.Net, b.now))
	case StopHook:
		b.logf("  stop hook")
	case Reply:
		b.logf("  reply %d %s", e.Request, e.Code.Name())
	case Acquire:
		b.logf("  acquire")
	case Yield:
		b.logf("  yield")
	case Probing:
		b.logf("  probing %v", e.Flag)
	case Note:
		var s strings.Builder
		for _, a := range e.Attrs {
			if a.Key != "xid" {
				fmt.Fprintf(&s, " %s=%s", a.Key, a.Value)
			}
		}
		level := strings.ToLower(e.Level.String())
		if e.Level > slog.LevelInfo && e.Level < slog.LevelWarn {
			level = "notice"
		}
		b.logf("  %s: %s%s", level, e.Text, s.String())
	case Gone:
		b.logf("  gone")
	}
}

func typeText(t uint8) string {
	return [...]string{"BOOTP", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM"}[t]
}

func messageText(m *Message) string {
	var s strings.Builder
	if m.Secs != 0 {
		fmt.Fprintf(&s, " secs %d", m.Secs)
	}
	if m.Flags != 0 {
		fmt.Fprintf(&s, " flags %#x", m.Flags)
	}
	if !m.CIAddr.IsUnspecified() {
		fmt.Fprintf(&s, " ciaddr %s", m.CIAddr)
	}
	if a, ok := m.Addr(optRequestedIP); ok {
		fmt.Fprintf(&s, " requested %s", a)
	}
	if a, ok := m.Addr(optServerID); ok {
		fmt.Fprintf(&s, " server %s", a)
	}
	if v, ok := m.Uint32(optLeaseTime); ok && v != infinite {
		fmt.Fprintf(&s, " lease %d", v)
	}
	if v := m.String(optHostName); v != "" {
		fmt.Fprintf(&s, " host %q", v)
	}
	if v, ok := m.Option(optFQDN); ok {
		fmt.Fprintf(&s, " fqdn %q", v)
	}
	if v := m.String(optMessage); v != "" {
		fmt.Fprintf(&s, " text %q", v)
	}
	return s.String()
}

func netText(n *NetConfig, now timer.Time) string {
	if n == nil {
		return "nothing"
	}
	var s strings.Builder
	s.WriteString(n.Addr.String())
	if n.Expires == timer.Never {
		s.WriteString(" for ever")
	} else {
		fmt.Fprintf(&s, " for %.3f", n.Expires.Sub(now).Seconds())
	}
	for _, r := range n.Routes {
		fmt.Fprintf(&s, " route %s via %s", r.Dst, r.Gateway)
	}
	for _, d := range n.DNS {
		fmt.Fprintf(&s, " dns %s", d)
	}
	if n.MTU != 0 {
		fmt.Fprintf(&s, " mtu %d", n.MTU)
	}
	return s.String()
}
