//go:build interop

package interop

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// target is the address that bad packets try to hand out.
var target = netip.MustParseAddr("192.0.2.70")

// badPacket is a packet that must have no effect at all.
type badPacket struct {
	name string
	// message changes a good message, frame the encoded frame; nil: nothing.
	message func(m *peer.Message)
	frame   func(b []byte) []byte
	// uncounted are packets that the kernel or the socket's filter keeps away,
	// so that the agent cannot count them.
	uncounted bool
}

// put16 overwrites two octets.
func put16(at int, v uint16) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint16(b[at:], v)
		return b
	}
}

// setIP overwrites an octet of the IPv4 header and makes its checksum fit.
func setIP(at int, v byte) func([]byte) []byte {
	return func(b []byte) []byte {
		b[peer.IPAt+at] = v
		peer.FixIP(b)
		return b
	}
}

// cut shortens the frame to n octets and leaves its length fields alone.
func cut(n int) func([]byte) []byte {
	return func(b []byte) []byte { return b[:n] }
}

// resize makes the UDP payload n octets long, and everything else fit.
func resize(n int) func([]byte) []byte {
	return func(b []byte) []byte {
		for len(b) < peer.PayloadAt+n {
			b = append(b, 0)
		}
		b = b[:peer.PayloadAt+n]
		binary.BigEndian.PutUint16(b[peer.IPAt+2:], uint16(28+n))
		binary.BigEndian.PutUint16(b[peer.UDPAt+4:], uint16(8+n))
		peer.FixIP(b)
		peer.FixUDP(b)
		return b
	}
}

// set replaces an option, or removes it if no value is given.
func set(code byte, value ...byte) func(*peer.Message) {
	return func(m *peer.Message) {
		var opts []peer.Option
		for _, o := range m.Options {
			if o.Code != code {
				opts = append(opts, o)
			}
		}
		if len(value) > 0 {
			opts = append(opts, peer.Option{Code: code, Value: value})
		}
		m.Options = opts
	}
}

// empty gives an option the length 0.
func empty(code byte) func(*peer.Message) {
	return func(m *peer.Message) {
		set(code)(m)
		m.Options = append(m.Options, peer.Option{Code: code})
	}
}

// yiaddr sets the address that is handed out.
func yiaddr(s string) func(*peer.Message) {
	return func(m *peer.Message) { m.YIAddr = netip.MustParseAddr(s) }
}

// badHeaders are wrong in their frame, IP, UDP or BOOTP header.
var badHeaders = []badPacket{
	{name: "frame without anything", frame: cut(peer.IPAt), uncounted: true},
	{name: "half an IP header", frame: cut(peer.IPAt + 10), uncounted: true},
	{name: "IP header only", frame: cut(peer.UDPAt), uncounted: true},
	{name: "half a UDP header", frame: cut(peer.UDPAt + 4), uncounted: true},
	{name: "cut in the BOOTP header", frame: cut(peer.PayloadAt + 100)},
	{name: "IP version 6", frame: setIP(0, 0x65), uncounted: true},
	{name: "IP header length 16", frame: setIP(0, 0x44), uncounted: true},
	{name: "IP header beyond the ports", frame: setIP(0, 0x4f), uncounted: true},
	{name: "IP total length beyond the frame", frame: func(b []byte) []byte {
		put16(peer.IPAt+2, uint16(len(b)))(b)
		peer.FixIP(b)
		return b
	}},
	{name: "IP total length 20", frame: func(b []byte) []byte {
		put16(peer.IPAt+2, 20)(b)
		peer.FixIP(b)
		return b
	}},
	{name: "first fragment", frame: setIP(6, 0x20), uncounted: true},
	{name: "later fragment", frame: setIP(7, 0x40), uncounted: true},
	{name: "IP header checksum", frame: func(b []byte) []byte { b[peer.IPAt+10]++; return b }},
	{name: "TCP", frame: setIP(9, 6), uncounted: true},
	{name: "UDP length 0", frame: put16(peer.UDPAt+4, 0)},
	{name: "UDP length 7", frame: put16(peer.UDPAt+4, 7)},
	{name: "UDP length beyond IP", frame: func(b []byte) []byte { return put16(peer.UDPAt+4, uint16(len(b)))(b) }},
	{name: "UDP checksum", frame: func(b []byte) []byte { b[peer.UDPAt+6] ^= 0x55; return b }},
	{name: "UDP port 69", frame: func(b []byte) []byte { put16(peer.UDPAt+2, 69)(b); peer.FixUDP(b); return b }, uncounted: true},
	{name: "VLAN tag", frame: func(b []byte) []byte {
		return append(append(append([]byte{}, b[:12]...), 0x81, 0, 0, 7), b[12:]...)
	}, uncounted: true},
	{name: "another host's hardware address", frame: func(b []byte) []byte {
		copy(b, []byte{2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee})
		return b
	}, uncounted: true},
	{name: "BOOTP without cookie's place", frame: resize(236)},
	{name: "BOOTP one octet short", frame: resize(235)},
	{name: "empty payload", frame: resize(0)},
	{name: "a request", message: func(m *peer.Message) { m.Op = 1 }},
	{name: "op 0", message: func(m *peer.Message) { m.Op = 0 }},
	{name: "hardware type", message: func(m *peer.Message) { m.HType = 6 }},
	{name: "hardware address length 5", message: func(m *peer.Message) { m.HLen = 5 }},
	{name: "hardware address length 17", message: func(m *peer.Message) { m.HLen = 17 }},
	{name: "hardware address length 255", message: func(m *peer.Message) { m.HLen = 255 }},
	{name: "another client's chaddr", message: func(m *peer.Message) { m.CHAddr[5] ^= 1 }},
	{name: "xid", message: func(m *peer.Message) { m.XID++ }},
	{name: "xid 0", message: func(m *peer.Message) { m.XID = 0 }},
}

// badOptions are wrong in what every answer must have.
var badOptions = []badPacket{
	{name: "type 0", message: set(peer.OptType, 0)},
	{name: "type 77", message: set(peer.OptType, 77)},
	{name: "type of 2 octets", message: set(peer.OptType, 2, 2)},
	{name: "type without value", message: empty(peer.OptType)},
	{name: "server identifier of 3 octets", message: set(peer.OptServer, 192, 0, 2)},
	{name: "server identifier of 5 octets", message: set(peer.OptServer, 192, 0, 2, 1, 1)},
	{name: "server identifier without value", message: empty(peer.OptServer)},
	{name: "no server identifier", message: set(peer.OptServer)},
	{name: "server identifier 0", message: set(peer.OptServer, 0, 0, 0, 0)},
	{name: "no lease time", message: set(peer.OptLease)},
	{name: "lease time 0", message: set(peer.OptLease, 0, 0, 0, 0)},
	{name: "lease time of 3 octets", message: set(peer.OptLease, 0, 1, 0)},
	{name: "lease time of 5 octets", message: set(peer.OptLease, 0, 0, 1, 0, 0)},
	{name: "lease time without value", message: empty(peer.OptLease)},
	{name: "another client identifier", message: set(peer.OptClientID, 'o', 't', 'h', 'e', 'r')},
	{name: "address 0", message: yiaddr("0.0.0.0")},
	{name: "address 0.0.0.1", message: yiaddr("0.0.0.1")},
	{name: "loopback address", message: yiaddr("127.0.0.1")},
	{name: "multicast address", message: yiaddr("224.0.0.1")},
	{name: "reserved address", message: yiaddr("240.0.0.1")},
	{name: "everybody's address", message: yiaddr("255.255.255.255")},
	{name: "broadcast address of its mask", message: yiaddr("192.0.2.255")},
	{name: "network address of its mask", message: yiaddr("192.0.2.0")},
	{name: "address of the server", message: yiaddr("192.0.2.1")},
	{name: "address of the router", message: func(m *peer.Message) {
		yiaddr("192.0.2.9")(m)
		set(peer.OptRouter, 192, 0, 2, 9)(m)
	}},
}

// good builds the message that bad packets are made from.
func good(req *peer.Message, kind byte) *peer.Message {
	m := req.Reply(kind, serverAddr, target,
		peer.Option{Code: peer.OptLease, Value: peer.Seconds(300)}, peer.Option{Code: peer.OptMask, Value: []byte{255, 255, 255, 0}})
	set(peer.OptClientID)(m)
	return m
}

// inject sends a bad packet made from a good answer to a request.
func (p *badPacket) inject(t *testing.T, s *peer.Scripted, req *peer.Message, kind byte) {
	t.Helper()
	m := good(req, kind)
	if p.message != nil {
		p.message(m)
	}
	b := s.Frame(req, m)
	if p.frame != nil {
		b = p.frame(b)
	}
	if err := s.Send(b); err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
}

// drops sums up what the agent threw away on an interface.
func drops(st statusResult) uint64 {
	n := st.Counters.BadOffers
	for _, c := range st.Counters.Dropped {
		n += c
	}
	return n
}

// survives sends bad packets while eth0 is in a state. Each must be counted
// and change nothing.
func (w *world) survives(s *peer.Scripted, list []badPacket, req *peer.Message, kind byte, state string) {
	w.t.Helper()
	for i := range list {
		p := &list[i]
		before := w.mustStatus("eth0")
		p.inject(w.t, s, req, kind)
		st := before
		if p.uncounted {
			// Nothing shows that it has come; the next counted packet does, as packets
			// stay in order.
			continue
		}
		w.wait(soon, "in "+state+" a packet with a bad "+p.name+" is counted", func() bool {
			st = w.mustStatus("eth0")
			return drops(st) > drops(before)
		})
		if st.State != state || st.Counters.Sent != before.Counters.Sent && st.State != "SELECTING" {
			w.t.Fatalf("%s: state %s, %d packets sent; before %s, %d", p.name, st.State, st.Counters.Sent, before.State, before.Counters.Sent)
		}
	}
}

// waitFor waits for a message that comes to the scripted server.
func (w *world) waitFor(s *peer.Scripted, what string, ok func(*peer.Message) bool) *peer.Message {
	w.t.Helper()
	var got *peer.Message
	w.wait(later, what, func() bool {
		for _, m := range s.Seen() {
			if ok(m) {
				got = m
			}
		}
		return got != nil
	})
	return got
}

// TestBadOffers sends bad OFFERs while the client looks for a server. It stays
// where it is and binds when a good one comes.
func TestBadOffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, silent)
	a := w.agent("-o", "ACD=off", "-o", "CLIENT_ID=me", "eth0")
	req := w.waitFor(s, "a DISCOVER", func(m *peer.Message) bool { return m.Type() == peer.Discover })
	w.survives(s, append(append([]badPacket{}, badHeaders...), badOptions...), req, peer.Offer, "SELECTING")
	w.survives(s, []badPacket{{name: "ACK in SELECTING"}}, req, peer.Ack, "SELECTING")
	w.survives(s, []badPacket{{name: "NAK in SELECTING"}}, req, peer.Nak, "SELECTING")
	if n := len(s.Seen(peer.Request)); n != 0 {
		t.Errorf("%d REQUESTs for bad offers", n)
	}
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("addresses %v", got)
	}
	s.Script(peer.Simple(serverNet, target, 300))
	w.waitState("eth0", later, "BOUND")
	w.logIsQuiet(a)
}

// TestWrongCookie answers with something else where the magic cookie belongs:
// neither DHCP nor BOOTP without options.
func TestWrongCookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, silent)
	w.agent("-o", "ACD=off", "eth0")
	req := w.waitFor(s, "a DISCOVER", func(m *peer.Message) bool { return m.Type() == peer.Discover })
	w.survives(s, []badPacket{{name: "cookie", frame: func(b []byte) []byte {
		b[peer.PayloadAt+236]++
		peer.FixUDP(b)
		return b
	}}}, req, peer.Offer, "SELECTING")
}

// TestBadAcks sends bad ACKs and NAKs while the client renews.
func TestBadAcks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
	a := w.agent("-o", "ACD=off", "-o", "CLIENT_ID=me", "eth0")
	w.bound("eth0")
	r := w.record()
	s.Script(silent)
	if _, err := w.call("extend", "eth0", ms(0)); err != nil {
		t.Fatal(err)
	}
	req := w.waitFor(s, "a renewal", func(m *peer.Message) bool { return m.Type() == peer.Request && m.CIAddr == target })
	w.survives(s, badHeaders, req, peer.Ack, "RENEWING")
	for _, p := range badOptions {
		if p.name == "no server identifier" || p.name == "address of the router" || p.name == "address of the server" {
			continue // of an ACK these mean something else
		}
		w.survives(s, []badPacket{p}, req, peer.Ack, "RENEWING")
	}
	w.survives(s, []badPacket{
		{name: "address other than ours", message: yiaddr("192.0.2.71")},
	}, req, peer.Ack, "RENEWING")
	w.survives(s, []badPacket{
		{name: "NAK of another server", message: set(peer.OptServer, 192, 0, 2, 66)},
		{name: "NAK with another xid", message: func(m *peer.Message) { m.XID++ }},
		{name: "NAK for another client", message: func(m *peer.Message) { m.CHAddr[0] ^= 4 }},
	}, req, peer.Nak, "RENEWING")
	w.survives(s, []badPacket{{name: "OFFER in RENEWING"}}, req, peer.Offer, "RENEWING")
	(&badPacket{name: "none"}).inject(t, s, req, peer.Ack)
	w.waitState("eth0", soon, "BOUND")
	steady(t, r, target)
	// And once more when nothing is awaited.
	for _, p := range badHeaders {
		p.inject(t, s, req, peer.Ack)
	}
	(&badPacket{name: "none"}).inject(t, s, req, peer.Nak)
	s.Script(peer.Simple(serverNet, target, 300))
	if r, err := w.call("extend", "eth0", nil); err != nil || r.Name != "SUCCESS" {
		t.Errorf("extend after all that: %+v, %v", r, err)
	}
	steady(t, r, target)
	w.logIsQuiet(a)
}

// logIsQuiet checks that bad packets are logged at a limited rate: less than
// a line for each of the many.
func (w *world) logIsQuiet(a *agent) {
	w.t.Helper()
	if n := countLines(a.Output(), "drop"); n > 40 {
		w.t.Errorf("%d lines of the log are about dropped packets", n)
	}
	if !a.Running() {
		w.t.Error("the agent has ended")
	}
}
