package dhcp4

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"
	"pgregory.net/rapid"
)

// all returns the options of m in printable form.
func all(m *Message) map[uint8]string {
	list := map[uint8]string{}
	for c := range 256 {
		if v, ok := m.Option(uint8(c)); ok {
			list[uint8(c)] = string(v)
		}
	}
	return list
}

func TestScan(t *testing.T) {
	long := strings.Repeat("x", 255)
	huge := strings.Repeat(tlv(43, long), 70)
	tests := []struct {
		name     string
		in       reply
		want     map[uint8]string
		overload uint8
	}{
		{"nothing", reply{}, map[uint8]string{}, 0},
		{"plain", reply{options: tlv(12, "a") + tlv(15, "b")}, map[uint8]string{12: "a", 15: "b"}, 0},
		{"pads", reply{options: "\x00\x00" + tlv(12, "a") + "\x00" + tlv(15, "b")}, map[uint8]string{12: "a", 15: "b"}, 0},
		{"no END", reply{options: tlv(12, "a"), noEnd: true}, map[uint8]string{12: "a"}, 0},
		{"garbage after END", reply{options: tlv(12, "a"), trailer: tlv(15, "b") + "\xff\xff\x00"}, map[uint8]string{12: "a"}, 0},
		{"code without length", reply{options: tlv(12, "a") + "\x0f", noEnd: true}, map[uint8]string{12: "a"}, 0},
		{"length beyond", reply{options: tlv(12, "a") + "\x0f\x02b", noEnd: true}, map[uint8]string{12: "a"}, 0},
		{"length to the end", reply{options: tlv(12, "a") + "\x0f\x01b", noEnd: true}, map[uint8]string{12: "a", 15: "b"}, 0},
		{"length 255 in nothing", reply{options: "\x0f\xff", noEnd: true}, map[uint8]string{}, 0},
		{"empty option", reply{options: tlv(12, "") + tlv(15, "b")}, map[uint8]string{15: "b"}, 0},
		{"empty that means something", reply{options: tlv(80, "") + tlv(230, "")}, map[uint8]string{80: "", 230: ""}, 0},
		{"fragments", reply{options: tlv(12, "a") + tlv(15, "x") + tlv(12, "b") + tlv(12, "") + tlv(12, "c")}, map[uint8]string{12: "abc", 15: "x"}, 0},
		{"two fragmented", reply{options: tlv(12, "a") + tlv(15, "x") + tlv(12, "b") + tlv(15, "y")}, map[uint8]string{12: "ab", 15: "xy"}, 0},
		{"long option", reply{options: tlv(43, long) + tlv(43, "yz")}, map[uint8]string{43: long + "yz"}, 0},
		{"cap", reply{options: huge + tlv(12, "a")}, map[uint8]string{43: strings.Repeat(long, 64), 12: "a"}, 0},
		{
			"file",
			reply{options: tlv(52, "\x01"), file: tlv(12, "f") + "\xff" + tlv(15, "no"), sname: tlv(17, "no")},
			map[uint8]string{52: "\x01", 12: "f"},
			1,
		},
		{"sname", reply{options: tlv(52, "\x02"), file: tlv(12, "no"), sname: tlv(12, "s")}, map[uint8]string{52: "\x02", 12: "s"}, 2},
		{
			"both, in order",
			reply{options: tlv(12, "o") + tlv(52, "\x03"), file: tlv(12, "f"), sname: tlv(12, "s")},
			map[uint8]string{52: "\x03", 12: "ofs"},
			3,
		},
		{
			"END in the file only ends the file",
			reply{options: tlv(52, "\x03"), file: "\xff", sname: tlv(12, "s") + "\xff"},
			map[uint8]string{52: "\x03", 12: "s"},
			3,
		},
		{"overrun of the file", reply{options: tlv(52, "\x01"), file: tlv(12, "f") + "\x0f\x80"}, map[uint8]string{52: "\x01", 12: "f"}, 1},
		{
			"file full",
			reply{options: tlv(52, "\x01"), file: tlv(15, strings.Repeat("d", 126))},
			map[uint8]string{52: "\x01", 15: strings.Repeat("d", 126)},
			1,
		},
		{
			"code as last octet of the file",
			reply{options: tlv(52, "\x01"), file: tlv(15, strings.Repeat("d", 125)) + "\x0c"},
			map[uint8]string{52: "\x01", 15: strings.Repeat("d", 125)},
			1,
		},
		{"overload 0", reply{options: tlv(52, "\x00"), file: tlv(12, "f")}, map[uint8]string{}, 0},
		{"overload 4", reply{options: tlv(52, "\x04"), file: tlv(12, "f")}, map[uint8]string{}, 0},
		{"overload of two octets", reply{options: tlv(52, "\x01\x00"), file: tlv(12, "f")}, map[uint8]string{}, 0},
		{"overload twice", reply{options: tlv(52, "\x01") + tlv(52, "\x01"), file: tlv(12, "f")}, map[uint8]string{}, 0},
		{"overload twice, once empty", reply{options: tlv(52, "\x01") + tlv(52, ""), file: tlv(12, "f")}, map[uint8]string{}, 0},
		{
			"overload nested",
			reply{options: tlv(52, "\x01"), file: tlv(52, "\x03") + tlv(12, "f"), sname: tlv(12, "s")},
			map[uint8]string{52: "\x01", 12: "f"},
			1,
		},
		{"overload after END", reply{trailer: tlv(52, "\x01"), file: tlv(12, "f")}, map[uint8]string{}, 0},
		{
			"fragment over two areas",
			reply{options: tlv(52, "\x01") + tlv(121, "\x18\x0a"), file: tlv(121, "\x01\x02\xc0\x00\x02\x01")},
			map[uint8]string{52: "\x01", 121: "\x18\x0a\x01\x02\xc0\x00\x02\x01"},
			1,
		},
	}
	var m Message // used again and again: nothing may be left of the one before
	for _, tt := range tests {
		if r := Parse(&m, tt.in.bytes(), netip.AddrPort{}, false); r != DropNone {
			t.Errorf("%s: dropped, %s", tt.name, r)
			continue
		}
		if diff := cmp.Diff(tt.want, all(&m)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
		if m.Overload != tt.overload {
			t.Errorf("%s: overload %d, want %d", tt.name, m.Overload, tt.overload)
		}
		c := m.Clone()
		clear(m.Raw)
		clear(m.opts.buf)
		if diff := cmp.Diff(tt.want, all(c)); diff != "" {
			t.Errorf("%s: clone: %s", tt.name, diff)
		}
	}
}

func TestParseDrops(t *testing.T) {
	tests := []struct {
		name string
		in   []byte
		want DropReason
	}{
		{"empty", nil, DropShort},
		{"without cookie", reply{}.bytes()[:offCookie], DropShort},
		{"half a cookie", reply{}.bytes()[:offCookie+3], DropShort},
		{"no options", reply{}.bytes()[:offOptions], DropNone},
		{"request", reply{op: 1}.bytes(), DropOp},
		{"op 3", reply{op: 3}.bytes(), DropOp},
		{"hlen 16", reply{hlen: 16}.bytes(), DropNone},
		{"hlen 17", reply{hlen: 17}.bytes(), DropHLen},
		{"hlen 255", reply{hlen: 255}.bytes(), DropHLen},
		{"BOOTP", reply{noCookie: true, options: tlv(53, "\x05\x05")}.bytes(), DropNone},
		{"cookie off by one", withCookie(magic + 1), DropCookie},
		{"cookie of another protocol", withCookie(0x01020304), DropCookie},
		{"type 0", reply{options: tlv(53, "\x00")}.bytes(), DropType},
		{"type 1", reply{options: tlv(53, "\x01")}.bytes(), DropNone},
		{"type 8", reply{options: tlv(53, "\x08")}.bytes(), DropNone},
		{"FORCERENEW", reply{options: tlv(53, "\x09")}.bytes(), DropType},
		{"leasequery", reply{options: tlv(53, "\x0a")}.bytes(), DropType},
		{"type of two octets", reply{options: tlv(53, "\x05\x05")}.bytes(), DropType},
		{"type twice", reply{options: tlv(53, "\x05") + tlv(53, "\x05")}.bytes(), DropType},
		{"type empty", reply{options: tlv(53, "")}.bytes(), DropType},
		{"server of three octets", reply{options: tlv(54, "\x01\x02\x03")}.bytes(), DropServerID},
		{"server of five octets", reply{options: tlv(54, "\x01\x02\x03\x04\x05")}.bytes(), DropServerID},
		{"server empty", reply{options: tlv(54, "")}.bytes(), DropServerID},
		{"lease of three octets", reply{options: tlv(51, "\x01\x02\x03")}.bytes(), DropLease},
		{"lease of eight octets", reply{options: tlv(51, u32(1)+u32(2))}.bytes(), DropLease},
		{"lease empty", reply{options: tlv(51, "")}.bytes(), DropLease},
		{"lease 0", reply{options: tlv(51, u32(0))}.bytes(), DropLease},
		{"lease in the file", reply{options: tlv(52, "\x01"), file: tlv(51, u32(0))}.bytes(), DropLease},
		{"lease 1", reply{options: tlv(51, u32(1))}.bytes(), DropNone},
	}
	for _, tt := range tests {
		var m Message
		if got := Parse(&m, tt.in, netip.AddrPort{}, false); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	var m Message
	if got := ParseRequest(&m, reply{op: 1, options: tlv(53, "\x01")}.bytes(), netip.AddrPort{}); got != DropNone || m.Type != typeDiscover {
		t.Errorf("request: %q, type %d", got, m.Type)
	}
	if got := ParseRequest(&m, reply{}.bytes(), netip.AddrPort{}); got != DropOp || m.Type != 0 {
		t.Errorf("reply taken as a request: %q", got)
	}
}

func TestParseHeader(t *testing.T) {
	src := netip.MustParseAddrPort("192.0.2.1:67")
	in := reply{
		xid: 0xdeadbeef, secs: 258, flags: 0x8000, ciaddr: "192.0.2.9", yiaddr: "192.0.2.10", siaddr: "192.0.2.2",
		options: tlv(53, "\x05"),
	}.bytes()
	copy(in[offGIAddr:], "\x0a\x00\x00\x01")
	var m Message
	if r := Parse(&m, in, src, true); r != DropNone {
		t.Fatal(r)
	}
	if m.Op != 2 || m.HType != 1 || m.HLen != 6 || m.Xid != 0xdeadbeef || m.Secs != 258 || m.Flags != 0x8000 || m.Type != 5 ||
		m.CIAddr.String() != "192.0.2.9" || m.YIAddr.String() != "192.0.2.10" || m.SIAddr.String() != "192.0.2.2" ||
		m.GIAddr.String() != "10.0.0.1" || m.CHAddr != [16]byte{2, 0, 0, 0, 0, 1} || !m.Cookie || m.Src != src || !m.Broadcast {
		t.Errorf("%+v", m)
	}
}

// TestDropNames keeps the counters' keys: scripts read them.
func TestDropNames(t *testing.T) {
	want := ",frame,truncated,foreign,short,op,hlen,cookie,type,lease,server-id,hwaddr,xid,client-id,address,state,full,decoder"
	var got []string
	for r := range NumDropReasons {
		got = append(got, r.String())
	}
	if diff := cmp.Diff(strings.Split(want, ","), got); diff != "" {
		t.Error(diff)
	}
}

// TestParseLibrary compares with the decoder of the library, which knows no
// overload, on messages it has encoded.
func TestParseLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.MapOf(rapid.Uint8Range(1, 254), rapid.SliceOfN(rapid.Byte(), 1, 600)).Draw(t, "options")
		for _, c := range []uint8{optType, optServerID, optLeaseTime, optOverload} {
			delete(want, c)
		}
		p := &dhcpv4.DHCPv4{OpCode: dhcpv4.OpcodeBootReply, Options: want}
		b := p.ToBytes()
		var m Message
		if r := Parse(&m, b, netip.AddrPort{}, false); r != DropNone {
			t.Fatal(r)
		}
		got := map[uint8][]byte{}
		for c, v := range all(&m) {
			got[c] = []byte(v)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestParseAllocs: without fragments parsing needs no memory, with them none
// from the second message on.
func TestParseAllocs(t *testing.T) {
	var m Message
	plain := reply{options: ackOptions(tlv(12, "a"))}.bytes()
	split := reply{options: ackOptions(tlv(12, "a") + tlv(12, "b"))}.bytes()
	Parse(&m, split, netip.AddrPort{}, false)
	for _, b := range [][]byte{plain, split} {
		if n := testing.AllocsPerRun(100, func() { Parse(&m, b, netip.AddrPort{}, false) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	var m Message
	in := reply{options: ackOptions(tlv(12, "a") + tlv(3, ips("192.0.2.1")) + tlv(6, ips("192.0.2.1", "192.0.2.2")))}.bytes()
	b.ReportAllocs()
	for b.Loop() {
		Parse(&m, in, netip.AddrPort{}, false)
	}
}

// withCookie is a good reply but for the cookie.
func withCookie(cookie uint32) []byte {
	b := reply{}.bytes()
	binary.BigEndian.PutUint32(b[offCookie:], cookie)
	return b
}

func FuzzParse(f *testing.F) {
	f.Add(reply{options: ackOptions(tlv(12, "a") + tlv(12, "b"))}.bytes())
	f.Add(reply{options: tlv(52, "\x03") + tlv(12, "o"), file: tlv(12, "f") + tlv(52, "\x03"), sname: tlv(12, "s")}.bytes())
	f.Add(reply{options: "\x35", noEnd: true}.bytes())
	f.Add(reply{options: strings.Repeat(tlv(43, strings.Repeat("x", 255)), 3)}.bytes())
	f.Add(reply{noCookie: true}.bytes())
	var m Message // used again and again, as the driver does
	f.Fuzz(func(t *testing.T, b []byte) {
		// Long inputs only cost time: TestScan goes over the limit of an option.
		if len(b) > 1500 {
			return
		}
		if Parse(&m, b, netip.AddrPort{}, false) != DropNone {
			return
		}
		total, clone := 0, m.Clone()
		for c := range 256 {
			v, ok := m.Option(uint8(c))
			if w, again := clone.Option(uint8(c)); again != ok || string(w) != string(v) {
				t.Fatalf("option %d: %x, in the clone %x", c, v, w)
			}
			if len(v) > maxOption || !ok && v != nil {
				t.Fatalf("option %d: %d octets, %v", c, len(v), ok)
			}
			total += len(v)
		}
		if total > len(b) {
			t.Fatalf("%d octets of options in %d", total, len(b))
		}
		m.CheckAddress(true)
		m.Vendor(1)
		m.Field(0, 1<<31)
		_ = m.BootFile() + m.ServerName() + m.String(optHostName)
		// Where the library understands a message, so do we, and in the same way.
		// It puts off options over the whole message and keeps empty ones.
		p := decodeLibrary(b)
		if p == nil || m.Overload != 0 || !m.Cookie {
			return
		}
		for c, want := range p.Options {
			if got, ok := m.Option(c); ok && len(want) <= maxOption && string(got) != string(want) {
				t.Fatalf("option %d: %x, library %x", c, got, want)
			}
		}
	})
}
