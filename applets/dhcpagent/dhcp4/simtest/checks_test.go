package simtest

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/rawsock/frame"
	"daemonbox/core/sim"
	"daemonbox/core/timer"
)

// TestChecksFire breaks each rule once: a check that cannot fail proves
// nothing.
func TestChecksFire(t *testing.T) {
	other := netip.MustParsePrefix("10.0.1.99/22")
	arp := func(h *Host, from, about netip.Addr) []byte {
		a := frame.ARP{Op: frame.ARPRequest, SenderHW: h.hw, SenderIP: from, TargetIP: about}
		return a.Append(nil)
	}
	message := func(h *Host, change func(d dhcp) dhcp) []byte {
		d := make(dhcp, offOptions, 300)
		d[0], d[1], d[2], d[offXid] = 1, 1, 6, 9
		copy(d[offCHAddr:], h.hw[:])
		copy(d[offCookie:], []byte{0x63, 0x82, 0x53, 0x63})
		d = append(d, optType, 1, typeDecline, optRequestedIP, 4, 10, 0, 1, 1, optServerID, 4, 10, 0, 0, 1, optEnd)
		d = d[:300]
		return change(d)
	}
	same := func(d dhcp) dhcp { return d }
	send := func(h *Host, src netip.Addr, b []byte) {
		h.exec(&dhcp4.Effect{Kind: dhcp4.Send, Src: src, Dst: broadcastIP, Data: b})
	}
	for _, tc := range []struct {
		name string
		do   func(w *World, h *Host)
		want string // "" for nothing
	}{
		{"nothing", func(*World, *Host) {}, ""},
		{"two holders", func(w *World, h *Host) {
			g := *h.held.grant
			o := w.hosts[1]
			o.setAddr(h.k.addr, time.Hour, false)
			o.held = holding{addr: h.k.addr, end: h.held.end, given: timer.Never, grant: &g}
		}, "h0 and h1 hold"},
		{"longer than the server", func(w *World, h *Host) { h.held.end = h.held.end.Add(time.Second); w.dirty = true }, "longer than the server"},
		{"after giving it back", func(w *World, h *Host) { h.held.grant.revoked = true; w.dirty = true }, "after giving it back"},
		{"excused", func(w *World, h *Host) { h.held.grant.revoked = true; h.endLease(); w.dirty = true }, ""},
		{"late", func(w *World, h *Host) { h.held.end = w.Now().Add(-useAfterEnd - 1) }, "after the end of its lease"},
		{"after a refusal", func(w *World, h *Host) { h.held.given = w.Now().Add(-useAfterEnd - 1) }, "refused or given up"},
		{"not yet late", func(w *World, h *Host) { h.held.end = w.Now().Add(-useAfterEnd) }, ""},
		{"dropped", func(_ *World, h *Host) { h.exec(&dhcp4.Effect{Kind: dhcp4.Configure, Op: 99}) }, "without a cause"},
		{"replaced", func(_ *World, h *Host) {
			h.exec(&dhcp4.Effect{Kind: dhcp4.Configure, Op: 99, Net: &dhcp4.NetConfig{Addr: other, Expires: timer.Never}})
		}, "without a cause"},
		{"no operation number", func(_ *World, h *Host) { h.exec(&dhcp4.Effect{Kind: dhcp4.Configure, Flag: true}) }, "without an operation number"},
		{"over before it begins", func(_ *World, h *Host) {
			h.exec(&dhcp4.Effect{Kind: dhcp4.Configure, Op: 99, Net: &dhcp4.NetConfig{Addr: h.inst, Expires: h.proc.Now()}})
		}, "whose lease ended"},
		{"refresh of another", func(_ *World, h *Host) {
			h.exec(&dhcp4.Effect{Kind: dhcp4.Refresh, Net: &dhcp4.NetConfig{Addr: other, Expires: timer.Never}})
		}, "Refresh of"},
		{"timer of another state", func(_ *World, h *Host) {
			h.exec(&dhcp4.Effect{Kind: dhcp4.Arm, Timer: dhcp4.TimerOffer, At: h.proc.Now().Add(time.Hour)})
			h.checkMachine()
		}, "timer offer is armed in BOUND"},
		{"never", func(_ *World, h *Host) { h.exec(&dhcp4.Effect{Kind: dhcp4.Arm, At: timer.Never}) }, "armed for never"},
		{"no timer at all", func(_ *World, h *Host) {
			for _, x := range h.timers {
				x.Stop()
			}
			h.checkMachine()
		}, "no timer"},
		{"bound without an address", func(_ *World, h *Host) { h.inst = netip.Prefix{}; h.checkMachine() }, "BOUND without an address"},
		{"reply nobody waits for", func(_ *World, h *Host) { h.exec(&dhcp4.Effect{Kind: dhcp4.Reply, Request: 77}) }, "nobody waits for"},
		{"overdue", func(_ *World, h *Host) {
			h.reqs = append(h.reqs, request{id: 5, cmd: api.Extend, ends: h.proc.Now().Add(-time.Second)})
			h.checkMachine()
		}, "overdue"},
		{"unanswered", func(_ *World, h *Host) {
			h.reqs = append(h.reqs, request{id: 5, cmd: api.Extend, ends: timer.Never})
			h.gone()
		}, "was not answered"},
		{"early timeout", func(_ *World, h *Host) {
			h.reqs = append(h.reqs, request{id: 5, cmd: api.Extend, ends: h.proc.Now().Add(time.Second)})
			h.exec(&dhcp4.Effect{Kind: dhcp4.Reply, Request: 5, Code: api.Timeout})
		}, "before the time"},
		{"false success", func(_ *World, h *Host) {
			h.reqs = append(h.reqs, request{id: 5, cmd: api.Drop, ends: timer.Never})
			h.exec(&dhcp4.Effect{Kind: dhcp4.Reply, Request: 5, Code: api.Success})
		}, "drop succeeded with"},
		{"after the end", func(_ *World, h *Host) {
			h.exec(&dhcp4.Effect{Kind: dhcp4.Gone})
			h.exec(&dhcp4.Effect{Kind: dhcp4.Changed})
		}, "effect after Gone"},
		{"address left behind", func(_ *World, h *Host) { h.gone() }, "after the end"},
		{"unknown effect", func(_ *World, h *Host) { h.exec(&dhcp4.Effect{Kind: 99}) }, "unknown effect"},
		{"script out of place", func(_ *World, h *Host) { h.exec(&dhcp4.Effect{Kind: dhcp4.RunHook, Event: "INFORM", Op: 9}) }, "event INFORM in BOUND"},
		{"ARP of another", func(_ *World, h *Host) {
			h.exec(&dhcp4.Effect{Kind: dhcp4.SendARP, Data: arp(h, other.Addr(), other.Addr())})
		}, "claims"},
		{"ARP unheard", func(_ *World, h *Host) {
			h.probing = false
			h.exec(&dhcp4.Effect{Kind: dhcp4.SendARP, Data: arp(h, anyIP, other.Addr())})
		}, "not listening"},
		{"good message", func(_ *World, h *Host) { send(h, anyIP, message(h, same)) }, ""},
		{"short message", func(_ *World, h *Host) { send(h, anyIP, message(h, func(d dhcp) dhcp { return d[:299] })) }, "299 octets"},
		{"no cookie", func(_ *World, h *Host) { send(h, anyIP, message(h, func(d dhcp) dhcp { d[offCookie]++; return d })) }, "malformed"},
		{"xid 0", func(_ *World, h *Host) { send(h, anyIP, message(h, func(d dhcp) dhcp { d[offXid] = 0; return d })) }, "transaction id 0"},
		{"foreign chaddr", func(_ *World, h *Host) {
			send(h, anyIP, message(h, func(d dhcp) dhcp { d[offCHAddr+5]++; return d }))
		}, "hardware address"},
		{"wrong state", func(_ *World, h *Host) {
			send(h, anyIP, message(h, func(d dhcp) dhcp { d[offOptions+2] = typeDiscover; return d }))
		}, "in BOUND"},
		{"wrong source", func(_ *World, h *Host) { send(h, other.Addr(), message(h, same)) }, "not configured"},
		{"dead source", func(w *World, h *Host) {
			h.held.end = w.Now()
			h.m = dhcp4.New(h.cfg, h.linkState(), w.Source()) // knows of no lease
			send(h, h.k.addr.Addr(), message(h, same))
		}, "whose lease is over"},
		{"too many", func(_ *World, h *Host) {
			for range maxPerWindow + 1 {
				send(h, anyIP, message(h, same))
			}
		}, "13 messages in 10s"},
		{"granted twice", func(w *World, h *Host) {
			ack, _ := h.m.Ack()
			foreign := message(w.hosts[1], same)
			w.granted(w.servers[0], foreign, ack.Raw)
		}, "second client"},
		{"not bound", func(w *World, h *Host) { h.forgetClient(); w.checkLiveness() }, "there is no client"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := NewWorld(sim.Seed(t), Options{
				Link: sim.Link{Delay: time.Millisecond}, Servers: oneServer(time.Hour),
				Hosts: hosts(2, fullConfig(dhcp4.ACDFast)), NoHook: 1,
			})
			startAll(w, time.Second)
			if err := w.Run(10 * time.Minute); err != nil {
				t.Fatal(err)
			}
			w.Event(nil, "break", func() { tc.do(w, w.hosts[0]) })
			switch err := w.Failed(); {
			case err == nil && tc.want != "":
				t.Errorf("nothing found, want %q", tc.want)
			case err != nil && (tc.want == "" || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("found %v, want %q", err, tc.want)
			}
		})
	}
}
