package dhcp4

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/timer"
)

// chaos drives a client with inputs in any order. Unlike bench it answers
// Configure, RunHook and Acquire when the input says so, as a slow host does.
type chaos struct {
	t      testing.TB
	c      *Client
	link   Link
	now    timer.Time
	out    Effects
	timers [NumTimers]timer.Time

	config, hook uint32
	slot         bool
	net          *NetConfig // what the driver carries
	asked        map[uint64]int
	nextID       uint64
	gone         bool
	probing      bool
	stored       *Saved
	packets      []timer.Time
}

func newChaos(t testing.TB, cfg *Config, seed uint64) *chaos {
	k := &chaos{
		t: t, now: timer.Time(time.Hour), asked: map[uint64]int{},
		link: Link{Name: "eth0", Up: true, HWType: 1, HWAddr: testHW, MTU: 1500},
	}
	k.c = New(cfg, k.link, rand.New(rand.NewPCG(seed, 1)))
	for i := range k.timers {
		k.timers[i] = timer.Never
	}
	return k
}

func (k *chaos) do(input func(c *Client, now timer.Time, out *Effects)) {
	k.out.Reset()
	input(k.c, k.now, &k.out)
	for i := range k.out.List() {
		k.effect(&k.out.List()[i])
	}
	k.check()
}

func (k *chaos) effect(e *Effect) {
	if k.gone && e.Kind != Reply {
		k.t.Fatalf("effect %d after Gone", e.Kind)
	}
	switch e.Kind {
	case Arm:
		k.timers[e.Timer] = e.At
	case Disarm:
		k.timers[e.Timer] = timer.Never
	case Send:
		k.packets = append(k.packets, k.now)
		if !e.Src.IsUnspecified() && k.c.state != InformSent {
			// Nothing leaves from an address whose time is over.
			if k.c.lease == nil || k.c.lease.expires < k.now || k.c.lease.addr != e.Src {
				k.t.Fatalf("%v: sent from %v", k.c.state, e.Src)
			}
		}
		if !k.link.Up {
			k.t.Fatalf("%v: sent without carrier", k.c.state)
		}
	case SendARP:
		if !k.probing {
			k.t.Fatalf("%v: ARP sent without the socket", k.c.state)
		}
	case Configure:
		if e.Net != nil && e.Net.Expires <= k.now {
			k.t.Fatalf("%v: configured a lease that is over", k.c.state)
		}
		k.config, k.net = e.Op, e.Net
	case Refresh:
		k.net = e.Net
	case Save:
		k.stored = e.Saved
	case Forget:
		k.stored = nil
	case RunHook:
		k.hook = e.Op
	case StopHook:
		k.hook = 0
	case Acquire:
		k.slot = true
	case Yield:
		k.slot = false
	case Probing:
		k.probing = e.Flag
	case Reply:
		n, ok := k.asked[e.Request]
		if !ok || n != 0 {
			k.t.Fatalf("request %d answered %d times before (asked %v)", e.Request, n, ok)
		}
		k.asked[e.Request]++
	case Gone:
		k.gone = true
	}
}

// check states what must hold after every input.
func (k *chaos) check() {
	c := k.c
	if k.gone {
		return
	}
	owned := c.state.owned() | timers(TimerOp)
	if c.leaving != 0 || c.ending != endNot {
		owned = timers(TimerOp, TimerExpire, TimerRelease)
	}
	for id, at := range c.timers {
		if at != k.timers[id] {
			k.t.Fatalf("%v: timer %s: client %v, driver %v", c.state, timerName(TimerID(id)), at, k.timers[id])
		}
		if at != timer.Never && !owned.has(TimerID(id)) {
			k.t.Fatalf("%v: timer %s outlived its state", c.state, timerName(TimerID(id)))
		}
	}
	if k.net != c.installed || k.probing != c.probing {
		k.t.Fatalf("%v: driver and client disagree", c.state)
	}
	if c.state.leased() && c.leaving == 0 && c.ending == endNot && c.lapse == 0 {
		if c.lease == nil || !c.holding() {
			k.t.Fatalf("%v without an address", c.state)
		}
		if c.lease.expires != timer.Never && c.timers[TimerExpire] == timer.Never {
			k.t.Fatalf("%v: nothing ends the lease", c.state)
		}
	}
	if k.net != nil && c.lease != nil && !c.cfg.KeepOnExpiry && k.now > c.lease.expires.Add(useSlack) {
		k.t.Fatalf("%v: address in use %v after its lease", c.state, k.now.Sub(c.lease.expires))
	}
	if c.x.xid != 0 && c.leaving != 0 {
		k.t.Fatalf("%v: exchange goes on while the lease is given up", c.state)
	}
	if c.lease != nil && c.lease.bootp && k.stored != nil && c.state == Bound {
		k.t.Fatal("BOOTP lease saved")
	}
	k.live()
}

// live: something must be about to happen, or nothing be wanted.
func (k *chaos) live() {
	c := k.c
	if !k.link.Up || k.config != 0 || k.hook != 0 || k.slot || c.failed {
		return
	}
	for _, at := range c.timers {
		if at != timer.Never {
			return
		}
	}
	switch {
	case c.state == Init && c.leaving == 0, c.state == Information:
	case c.state == Bound && c.lease.expires == timer.Never:
	default:
		k.t.Fatalf("%v: stuck", c.state)
	}
}

// tick lets the first timer fire within d, or d pass.
func (k *chaos) tick(d time.Duration) {
	first := TimerID(0)
	for id, at := range k.timers {
		if at < k.timers[first] {
			first = TimerID(id)
		}
	}
	end := k.now.Add(d)
	at := k.timers[first]
	if at > end {
		k.now = end
		return
	}
	k.now = max(k.now, at)
	k.timers[first] = timer.Never
	k.do(func(c *Client, now timer.Time, out *Effects) { c.Timer(now, first, out) })
}

// finish answers everything.
func (k *chaos) answer() {
	if op := k.config; op != 0 {
		k.config = 0
		k.do(func(c *Client, now timer.Time, out *Effects) { c.Configured(now, op, nil, out) })
	}
	if k.slot {
		k.slot = false
		k.do(func(c *Client, now timer.Time, out *Effects) { c.Slot(now, out) })
	}
	if op := k.hook; op != 0 {
		k.hook = 0
		k.do(func(c *Client, now timer.Time, out *Effects) { c.HookDone(now, op, out) })
	}
}

func (k *chaos) message(kind, x byte) {
	addr := netip.AddrFrom4([4]byte{192, 0, 2, 10 + x%3})
	if k.c.lease != nil && x&8 == 0 {
		addr = k.c.lease.addr
	} else if k.c.x.addr.IsValid() && x&8 == 0 {
		addr = k.c.x.addr
	}
	a := answer{typ: [...]uint8{typeOffer, typeAck, typeNak, 0, typeInform}[kind%5], yi: addr, server: testServer}
	a.lease = [...]uint32{3600, 1, 4, 12, 70, infinite, 0, 600}[x>>4&7]
	if x&4 != 0 {
		a.server = netip.AddrFrom4([4]byte{192, 0, 2, 2})
	}
	if a.typ == 0 {
		a.server, a.lease = netip.Addr{}, 0
	}
	b := bench{c: k.c}
	m := new(Message)
	if Parse(m, b.reply(a), netip.AddrPortFrom(testServer, 67), true) != DropNone {
		return
	}
	k.do(func(c *Client, now timer.Time, out *Effects) { c.Packet(now, m, out) })
}

func (k *chaos) command(cmd, x byte) {
	k.nextID++
	id := k.nextID
	k.asked[id] = 0
	r := Request{
		ID: id, User: x&1 == 0, Cmd: [...]api.Command{api.Start, api.Extend, api.Inform, api.Release, api.Drop, api.Ping}[cmd%6],
		Timeout: [...]time.Duration{0, -1, time.Second, 20 * time.Second}[x>>1&3], Addr: netip.PrefixFrom(testAddr, 24),
	}
	if x&8 != 0 {
		r.Saved = k.stored
	}
	if x&16 != 0 {
		b := bench{c: k.c, now: k.now}
		r.Saved = b.oldLease()
		r.Saved.Held, r.Saved.Stands, r.Saved.Verify = x&32 != 0, x&64 != 0, x&128 != 0
	}
	k.do(func(c *Client, now timer.Time, out *Effects) { c.Command(now, r, out) })
}

// step interprets two octets as an input.
func (k *chaos) step(op, x byte) {
	switch op % 24 {
	case 0, 1:
		k.command(x, op/24*16+x)
	case 2, 3, 4:
		k.message(x, op/24*16+x>>2)
	case 5:
		k.message(1, x&0x73)
	case 6, 7:
		k.tick(time.Duration(x) * time.Second)
	case 8:
		k.tick(time.Duration(x) * time.Minute)
	case 9, 10, 11, 12:
		k.answer()
	case 13:
		if op := k.config; op != 0 {
			k.config = 0
			k.do(func(c *Client, now timer.Time, out *Effects) { c.Configured(now, op, errKernel, out) })
		}
	case 14:
		l := k.link
		l.Up = !l.Up
		l.Spread = x&1 != 0
		k.setLink(l)
	case 15:
		l := k.link
		l.HWAddr = []byte{2, 0, 0, 0, 0, x}
		k.setLink(l)
	case 16:
		p := frame.ARP{Op: 1 + uint16(x&1), SenderHW: [6]byte{2, 0, 0, 0, 1, x >> 4}, SenderIP: anyAddr, TargetIP: testAddr}
		if x&2 != 0 {
			p.SenderIP = testAddr
		}
		k.do(func(c *Client, now timer.Time, out *Effects) { c.ARP(now, p, x&4 != 0, out) })
	case 17:
		k.do(func(c *Client, now timer.Time, out *Effects) { c.Resume(now, out) })
	case 18:
		k.now = k.now.Add(time.Duration(x) * time.Minute) // asleep
		k.do(func(c *Client, now timer.Time, out *Effects) { c.Resume(now, out) })
	case 19:
		k.do(func(c *Client, now timer.Time, out *Effects) { c.Hint(now, out) })
	case 20:
		id := uint64(x)
		if n, ok := k.asked[id]; ok && n == 0 && k.c.op.id == id && k.c.op.active {
			k.asked[id]++ // no answer may follow
		}
		k.do(func(c *Client, now timer.Time, out *Effects) { c.Abandon(now, id, out) })
	case 21:
		k.rare(x)
	case 22:
		k.do(func(c *Client, now timer.Time, out *Effects) { c.HookDone(now, k.hook+1, out) })
		k.do(func(c *Client, now timer.Time, out *Effects) { c.Configured(now, k.config+1, nil, out) })
	case 23:
		cfg := *k.c.cfg
		cfg.ACD, cfg.ACDDefend = ACDMode(x&3), x&4 != 0
		cfg.OfferWait = time.Duration(x>>3&1) * 3 * time.Second
		cfg.VerifiedLeaseOnly, cfg.HookExtra = x&16 != 0, x&64 != 0
		k.c.SetConfig(&cfg)
	}
}

// rare are inputs that end most runs.
func (k *chaos) rare(x byte) {
	k.do(func(c *Client, now timer.Time, out *Effects) {
		switch x {
		case 0, 1:
			c.LinkGone(now, out)
		case 2, 3:
			c.AddressChanged(now, AddrDeleted, out)
		case 4:
			c.AddressChanged(now, AddrTaken, out)
		case 5:
			c.Shutdown(now, out)
		case 6, 7, 8:
			c.Fail(now, errKernel, out)
		case 9:
			b := bench{c: k.c, now: k.now}
			c.Adopt(now, b.oldLease(), out)
		}
	})
}

func (k *chaos) setLink(l Link) {
	k.link = l
	k.do(func(c *Client, now timer.Time, out *Effects) { c.LinkChange(now, l, out) })
}

// run feeds the inputs, then ends the client and counts the answers.
func (k *chaos) run(data []byte) {
	for ; len(data) >= 2; data = data[2:] {
		k.step(data[0], data[1])
	}
	k.do(func(c *Client, now timer.Time, out *Effects) { c.Shutdown(now, out) })
	for n := 0; !k.gone; n++ {
		if n > 100 {
			k.t.Fatalf("%v: does not end", k.c.state)
		}
		k.answer()
		k.tick(time.Minute)
	}
	for id, n := range k.asked {
		if n != 1 {
			k.t.Fatalf("request %d was answered %d times", id, n)
		}
	}
	// One packet a second, averaged over ten: the limit of ten in ten seconds
	// may be passed only by messages that must not wait (REQUEST after an
	// OFFER, DECLINE, RELEASE).
	for i := 13; i < len(k.packets); i++ {
		if k.packets[i].Sub(k.packets[i-13]) < rateWindow {
			k.t.Fatalf("more than 13 packets in %v", rateWindow)
		}
	}
}

func FuzzClient(f *testing.F) {
	f.Add(uint64(1), []byte{0, 0, 9, 0, 2, 0, 5, 0, 9, 0, 8, 60, 9, 0, 5, 0})
	f.Add(uint64(2), []byte{23, 0, 0, 0, 9, 0, 2, 0, 5, 0, 6, 1, 6, 1, 6, 1, 16, 2, 9, 0})
	f.Add(uint64(3), []byte{0, 16, 9, 0, 14, 0, 14, 0, 18, 200, 9, 0})
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		if len(data) > 256 { // 128 inputs; TestChaos has longer runs
			return
		}
		cfg := testConfig()
		cfg.ACD, cfg.KeepOnExpiry = ACDMode(seed&3), seed&60 == 60
		newChaos(t, cfg, seed).run(data)
	})
}

// TestChaos is the same with many seeded sequences.
func TestChaos(t *testing.T) {
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 77))
		data := make([]byte, 400)
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		cfg := testConfig()
		cfg.ACD, cfg.KeepOnExpiry = ACDMode(seed&3), seed&60 == 60
		k := newChaos(t, cfg, seed)
		func() {
			defer func() {
				if r := recover(); r != nil || t.Failed() {
					t.Logf("seed %d", seed)
					if r != nil {
						panic(r)
					}
				}
			}()
			k.run(data)
		}()
	}
}
