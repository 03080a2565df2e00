//go:build interop

package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// countLines counts the lines that contain a text.
func countLines(s, text string) int {
	n := 0
	for line := range strings.Lines(s) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// oddity is an answer that is wrong in something that can be done without: it
// is taken, and what is wrong is not.
type oddity struct {
	name    string
	message func(m *peer.Message)
	frame   func(b []byte) []byte
	check   func(st statusResult) string // "" is fine
}

// opt adds an option.
func opt(code byte, value ...byte) func(*peer.Message) {
	return func(m *peer.Message) { m.Options = append(m.Options, peer.Option{Code: code, Value: value}) }
}

// tailOf replaces what follows the last option, its END included, by raw
// octets.
func tailOf(raw ...byte) func([]byte) []byte {
	return func(b []byte) []byte {
		at := peer.PayloadAt + 240
		for at < len(b) && b[at] != 255 {
			if b[at] == 0 {
				at++
				continue
			}
			at += 2 + int(b[at+1])
		}
		n := max(at-peer.PayloadAt+len(raw), 300) // and zeros after them
		b = append(b[:at:at], raw...)
		return resize(n)(b)
	}
}

// tight is tailOf without anything after the raw octets.
func tight(raw ...byte) func([]byte) []byte {
	long := tailOf(raw...)
	return func(b []byte) []byte {
		// Zeros would be padding: fill up with a long option before.
		m := append([]byte{}, b...)
		at := peer.PayloadAt + 240
		for m[at] != 255 {
			at += 2 + int(m[at+1])
		}
		fill := max(300-(at-peer.PayloadAt)-len(raw)-2, 0)
		pad := append([]byte{224, byte(fill)}, bytes.Repeat([]byte{7}, fill)...)
		m = append(append(m[:at:at], pad...), 255)
		return long(m)
	}
}

// noDNS expects no name server.
func noDNS(st statusResult) string {
	if len(st.DNS) > 0 {
		return fmt.Sprintf("name servers %v", st.DNS)
	}
	return ""
}

// dns expects name servers.
func dns(want ...string) func(statusResult) string {
	return func(st statusResult) string {
		if !slices.Equal(st.DNS, want) {
			return fmt.Sprintf("name servers %v, want %v", st.DNS, want)
		}
		return ""
	}
}

// prefix expects a prefix length.
func prefix(n int) func(statusResult) string {
	return func(st statusResult) string {
		if st.PrefixLen != n {
			return fmt.Sprintf("prefix length %d, want %d", st.PrefixLen, n)
		}
		return ""
	}
}

// noRouter expects no default route.
func noRouter(st statusResult) string {
	if len(st.Routers) > 0 {
		return fmt.Sprintf("routers %v", st.Routers)
	}
	return ""
}

// search expects a search list.
func search(want ...string) func(statusResult) string {
	return func(st statusResult) string {
		if !slices.Equal(st.Search, want) {
			return fmt.Sprintf("search list %q, want %q", st.Search, want)
		}
		return ""
	}
}

// times expects T1 < T2 < lease, none of them in the past.
func times(st statusResult) string {
	r := st.Remaining
	if r.T1 == nil || r.T2 == nil || r.Expires == nil || *r.T1 >= *r.T2 || *r.T2 >= *r.Expires || *r.T1 < 100 || *r.Expires > 300 {
		return fmt.Sprintf("times %v %v %v", st.T1, st.T2, st.Expires)
	}
	return ""
}

// fine expects nothing but the address.
func fine(statusResult) string { return "" }

// ns is a name server option.
var ns = []byte{192, 0, 2, 53}

var oddities = []oddity{
	{name: "option code without length at the end", frame: tight(6, 4, 192, 0, 2, 53, 15), check: dns("192.0.2.53")},
	{name: "length beyond the end", frame: tight(6, 4, 192, 0, 2, 53, 42, 200, 1, 2), check: dns("192.0.2.53")},
	{name: "no END", frame: tight(6, 4, 192, 0, 2, 53), check: dns("192.0.2.53")},
	{name: "garbage after END", frame: tailOf(255, 6, 4, 192, 0, 2, 53, 255, 99, 99), check: noDNS},
	{name: "padding in between", frame: tailOf(0, 0, 0, 6, 4, 192, 0, 2, 53, 0, 0, 255), check: dns("192.0.2.53")},
	{name: "name servers without value", message: opt(6), check: noDNS},
	{name: "name servers of 3 octets", message: opt(6, 192, 0, 2), check: noDNS},
	{name: "name servers of 9 octets", message: opt(6, 192, 0, 2, 53, 192, 0, 2, 54, 1), check: dns("192.0.2.53", "192.0.2.54")},
	{name: "100 name servers", message: func(m *peer.Message) {
		for i := range byte(2) { // joined, RFC 3396
			var v []byte
			for k := range byte(50) {
				v = append(v, 192, 0, 2, 1+i*50+k)
			}
			opt(6, v...)(m)
		}
	}, check: func(st statusResult) string {
		if len(st.DNS) != 64 {
			return fmt.Sprintf("%d name servers, want 64", len(st.DNS))
		}
		return ""
	}},
	{name: "an option in two parts", message: func(m *peer.Message) { opt(6, 192, 0)(m); opt(15, 'x')(m); opt(6, 2, 53)(m) }, check: dns("192.0.2.53")},
	{name: "mask of 3 octets", message: set(peer.OptMask, 255, 255, 0), check: prefix(24)},
	{name: "mask of 5 octets", message: set(peer.OptMask, 255, 255, 255, 0, 0), check: prefix(24)},
	{name: "mask of 255 octets", message: set(peer.OptMask, bytes.Repeat([]byte{255}, 255)...), check: prefix(24)},
	{name: "mask with a hole", message: set(peer.OptMask, 255, 0, 255, 0), check: prefix(24)},
	{name: "mask 0", message: set(peer.OptMask, 0, 0, 0, 0), check: prefix(24)},
	{name: "routers of 6 octets", message: opt(3, 192, 0, 2, 9, 192, 0), check: noRouter},
	{name: "routers without value", message: opt(3), check: noRouter},
	{name: "router 127.0.0.1", message: opt(3, 127, 0, 0, 1), check: noRouter},
	{name: "T1 of 3 octets", message: opt(58, 0, 0, 9), check: times},
	{name: "T1 after T2", message: func(m *peer.Message) { opt(58, 0, 0, 1, 0)(m); opt(59, 0, 0, 0, 200)(m) }, check: times},
	{name: "T1 after the lease", message: opt(58, 0, 1, 0, 0), check: times},
	{name: "T1 and T2 0", message: func(m *peer.Message) { opt(58, 0, 0, 0, 0)(m); opt(59, 0, 0, 0, 0)(m) }, check: func(statusResult) string { return "" }},
	{name: "MTU of 3 octets", message: opt(26, 5, 0, 0), check: fine},
	{name: "MTU 0", message: opt(26, 0, 0), check: fine},
	{name: "overload 4", message: func(m *peer.Message) { opt(52, 4)(m); overloaded(m) }, check: noDNS},
	{name: "overload of 2 octets", message: func(m *peer.Message) { opt(52, 1, 1)(m); overloaded(m) }, check: noDNS},
	{name: "overload twice", message: func(m *peer.Message) { opt(52, 1)(m); opt(52, 1)(m); overloaded(m) }, check: noDNS},
	{name: "overload 1", message: func(m *peer.Message) { opt(52, 1)(m); overloaded(m) }, check: dns("192.0.2.53")},
	{name: "overload 1 with another inside", message: func(m *peer.Message) {
		opt(52, 1)(m)
		copy(m.File[:], []byte{52, 1, 3, 6, 4, 192, 0, 2, 53, 255})
		copy(m.SName[:], []byte{6, 4, 192, 0, 2, 99, 255})
	}, check: dns("192.0.2.53")},
	{name: "overload 3 with an option beyond the file", message: func(m *peer.Message) {
		opt(52, 3)(m)
		copy(m.File[:], []byte{6, 200, 1, 2, 3})
		copy(m.SName[:], []byte{6, 4, 192, 0, 2, 53, 255})
	}, check: dns("192.0.2.53")},
	{name: "search list pointing at itself", message: opt(119, 0xc0, 0), check: search()},
	{name: "search list in a circle", message: opt(119, 1, 'a', 0xc0, 4, 1, 'b', 0xc0, 0), check: search()},
	{name: "search list pointing ahead", message: opt(119, 0xc0, 2, 1, 'a', 0), check: search()},
	{name: "search list with a long label", message: opt(119, append([]byte{1, 'a', 0, 64}, bytes.Repeat([]byte{'x'}, 70)...)...), check: search("a")},
	{name: "search list that ends early", message: opt(119, 1, 'a', 0, 5, 'b', 'c'), check: search("a")},
	{name: "search list with evil names", message: opt(119, append([]byte{9}, "a\nb $(x)y\x00"...)...), check: search()},
	{name: "name of 300 octets in the search list", message: opt(119, bytes.Repeat([]byte{3, 'a', 'b', 'c'}, 60)...), check: search()},
	{name: "domain name with a newline", message: opt(15, []byte("x\nnameserver 6.6.6.6")...), check: func(st statusResult) string { return st.Domain }},
	{name: "classless routes with a width of 33", message: opt(121, 33, 1, 2, 3, 4, 5, 192, 0, 2, 9), check: noRouter},
	{name: "classless routes that end early", message: opt(121, 24, 198, 51, 100, 192, 0), check: noRouter},
	{name: "classless routes without value", message: opt(121), check: noRouter},
	{name: "vendor options beyond their end", message: opt(43, 1, 200, 1), check: fine},
	{name: "6RD of 2 octets", message: opt(212, 14, 40), check: fine},
	{name: "captive portal and others", message: func(m *peer.Message) { opt(114, '"', '\\', 0)(m); opt(108, 1)(m); opt(116, 9, 9)(m) }, check: fine},
	{name: "no UDP checksum", frame: put16(peer.UDPAt+6, 0), check: fine},
	{name: "source port 1067", frame: func(b []byte) []byte { put16(peer.UDPAt, 1067)(b); peer.FixUDP(b); return b }, check: fine},
	{name: "padding after the packet", frame: func(b []byte) []byte { return append(b, 6, 4, 192, 0, 2, 66, 255) }, check: noDNS},
	{name: "IP options", frame: func(b []byte) []byte {
		b = append(append(append([]byte{}, b[:peer.UDPAt]...), 1, 1, 1, 0), b[peer.UDPAt:]...)
		b[peer.IPAt] = 0x46
		binary.BigEndian.PutUint16(b[peer.IPAt+2:], uint16(len(b)-peer.IPAt))
		peer.FixIP(b)
		return b
	}, check: fine},
	{name: "1400 octets of options", message: func(m *peer.Message) {
		for range 4 {
			opt(224, bytes.Repeat([]byte{9}, 250)...)(m)
		}
		opt(6, ns...)(m)
	}, check: dns("192.0.2.53")},
}

// overloaded puts options into the file field.
func overloaded(m *peer.Message) { copy(m.File[:], []byte{6, 4, 192, 0, 2, 53, 255}) }

// TestOddAnswers binds with each of the oddities in OFFER and ACK.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var current atomic.Pointer[oddity]
	var s *peer.Scripted
	s = w.scripted(w.s, serverAddr, func(req *peer.Message) []*peer.Message {
		o := current.Load()
		kind := map[byte]byte{peer.Discover: peer.Offer, peer.Request: peer.Ack}[req.Type()]
		if o == nil || kind == 0 {
			return nil
		}
		m := good(req, kind)
		if o.message != nil {
			o.message(m)
		}
		b := s.Frame(req, m)
		if o.frame != nil {
			b = o.frame(b)
		}
		_ = s.Send(b)
		return nil
	})
	w.idle("-o", "ACD=off")
	for i := range oddities {
		o := &oddities[i]
		current.Store(o)
		if r, err := w.call("start", "eth0", ms(3000)); err != nil || r.Name != "SUCCESS" {
			t.Errorf("%s: start: %+v, %v", o.name, r, err)
		} else if st := w.bound("eth0"); st.Address != target.String() {
			t.Errorf("%s: address %s", o.name, st.Address)
		} else if problem := o.check(st); problem != "" {
			t.Errorf("%s: %s", o.name, problem)
		}
		if r, err := w.call("release", "eth0", nil); err != nil || r.Code != 0 {
			// Not bound: begin anew.
			_, _ = w.call("drop", "eth0", nil)
			_ = r
		}
		if got := w.addrs("eth0"); len(got) != 0 {
			t.Fatalf("%s: addresses %v after release", o.name, got)
		}
		if got := w.routes("eth0"); len(got) != 0 {
			t.Fatalf("%s: routes %v after release", o.name, got)
		}
	}
	if text := w.read(w.c, "/etc/resolv.conf"); strings.Contains(text, "6.6.6.6") {
		t.Errorf("resolv.conf:\n%s", text)
	}
}
