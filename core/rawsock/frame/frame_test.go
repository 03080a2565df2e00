package frame

import (
	"bytes"
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"pgregory.net/rapid"
)

var cmpAddr = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) }),
}

func sample() UDP4 {
	return UDP4{
		Src: netip.MustParseAddrPort("192.0.2.1:67"), Dst: netip.MustParseAddrPort("255.255.255.255:68"),
		TTL: 64, TOS: 0xc0, ID: 0x1234, Payload: []byte("twelve bytes"),
	}
}

// fixHeader makes the IPv4 header checksum right again.
func fixHeader(b []byte) {
	n := int(b[0]&0xf) * 4
	b[10], b[11] = 0, 0
	be.PutUint16(b[10:], ^fold(sum(0, b[:n])))
}

// fixUDP makes the UDP checksum right for the lengths that the packet claims.
func fixUDP(b []byte) {
	ihl := int(b[0]&0xf) * 4
	udp := b[ihl:]
	udp = udp[:be.Uint16(udp[4:])]
	udp[6], udp[7] = 0, 0
	c := ^fold(sum(pseudo(b[:ihl], len(udp)), udp))
	if c == 0 {
		c = 0xffff
	}
	be.PutUint16(udp[6:], c)
}

func TestParseUDP4Checks(t *testing.T) {
	s := sample()
	good := s.Append(nil)
	tests := []struct {
		name string
		edit func(b []byte) []byte
		want error
	}{
		{"good", func(b []byte) []byte { return b }, nil},
		{"empty", func(b []byte) []byte { return nil }, ErrShort},
		{"19 octets", func(b []byte) []byte { return b[:19] }, ErrShort},
		{"version 6", func(b []byte) []byte { b[0] = 0x65; return b }, ErrVersion},
		{"version 0", func(b []byte) []byte { b[0] = 0x05; return b }, ErrVersion},
		{"header length 4", func(b []byte) []byte { b[0] = 0x44; return b }, ErrHeaderLength},
		{"header length 0", func(b []byte) []byte { b[0] = 0x40; return b }, ErrHeaderLength},
		{"header beyond packet", func(b []byte) []byte { b[0] = 0x4f; return b }, ErrHeaderLength},
		{"header checksum", func(b []byte) []byte { b[10] ^= 1; return b }, ErrHeaderChecksum},
		{"more fragments", func(b []byte) []byte { b[6] = 0x20; fixHeader(b); return b }, ErrFragment},
		{"last fragment", func(b []byte) []byte { b[7] = 1; fixHeader(b); return b }, ErrFragment},
		{"dont fragment", func(b []byte) []byte { b[6] = 0x40; fixHeader(b); return b }, nil},
		{"reserved flag", func(b []byte) []byte { b[6] = 0x80; fixHeader(b); return b }, nil},
		{"TCP", func(b []byte) []byte { b[9] = 6; fixHeader(b); return b }, ErrProtocol},
		{"total length beyond packet", func(b []byte) []byte { b[3]++; fixHeader(b); return b }, ErrTotalLength},
		{"total length 27", func(b []byte) []byte { be.PutUint16(b[2:], 27); fixHeader(b); return b }, ErrTotalLength},
		{"total length 0", func(b []byte) []byte { be.PutUint16(b[2:], 0); fixHeader(b); return b }, ErrTotalLength},
		{"cut", func(b []byte) []byte { return b[:len(b)-1] }, ErrTotalLength},
		{"headers only, no room for UDP", func(b []byte) []byte { return b[:24] }, ErrTotalLength},
		{"padding", func(b []byte) []byte { return append(b, make([]byte, 18)...) }, nil},
		{"padding that is not zero", func(b []byte) []byte { return append(b, "junk"...) }, nil},
		{"UDP length 0", func(b []byte) []byte { be.PutUint16(b[24:], 0); return b }, ErrUDPLength},
		{"UDP length 7", func(b []byte) []byte { be.PutUint16(b[24:], 7); return b }, ErrUDPLength},
		{"UDP length beyond", func(b []byte) []byte { b[25]++; return b }, ErrUDPLength},
		{"UDP checksum", func(b []byte) []byte { b[26] ^= 1; return b }, ErrUDPChecksum},
		{"payload damaged", func(b []byte) []byte { b[30] ^= 0x80; return b }, ErrUDPChecksum},
		{"port damaged", func(b []byte) []byte { b[21] ^= 1; return b }, ErrUDPChecksum},
		{"no UDP checksum", func(b []byte) []byte { b[26], b[27] = 0, 0; b[30] ^= 1; return b }, nil},
	}
	for _, tt := range tests {
		got, err := ParseUDP4(tt.edit(bytes.Clone(good)), false)
		if err != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if err == nil && len(got.Payload) != len(s.Payload) {
			t.Errorf("%s: payload of %d octets", tt.name, len(got.Payload))
		}
	}
	// A UDP length below the IPv4 payload cuts; the checksum covers what is left.
	b := bytes.Clone(good)
	be.PutUint16(b[24:], 8+6)
	fixUDP(b)
	if got, err := ParseUDP4(b, false); err != nil || string(got.Payload) != "twelve" {
		t.Errorf("%q %v", got.Payload, err)
	}
	// IPv4 options are stepped over.
	b = append(append(append([]byte{}, good[:20]...), 1, 1, 1, 0), good[20:]...)
	b[0] = 0x46
	be.PutUint16(b[2:], uint16(len(b)))
	fixHeader(b)
	got, err := ParseUDP4(b, false)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, got, cmpAddr); d != "" {
		t.Error(d)
	}
}

// The kernel leaves the sum of the pseudo header, not inverted, in the field of
// a packet whose checksum some hardware is to complete.
func TestPartialChecksum(t *testing.T) {
	s := sample()
	b := s.Append(nil)
	be.PutUint16(b[26:], fold(pseudo(b[:20], len(b)-20)))
	if _, err := ParseUDP4(b, false); err != ErrUDPChecksum {
		t.Errorf("not announced: %v", err)
	}
	got, err := ParseUDP4(b, true)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(s, got, cmpAddr); d != "" {
		t.Error(d)
	}
	// The flag excuses the UDP checksum only.
	b[8]++
	if _, err := ParseUDP4(b, true); err != ErrHeaderChecksum {
		t.Errorf("header checksum: %v", err)
	}
}

// A computed checksum of zero is sent as 0xffff, and accepted.
func TestZeroChecksum(t *testing.T) {
	s := sample()
	s.Payload = make([]byte, 2)
	b := s.Append(nil)
	s.Payload = be.AppendUint16(nil, be.Uint16(b[26:])) // now everything sums up to 0xffff
	b = s.Append(nil)
	if c := be.Uint16(b[26:]); c != 0xffff {
		t.Fatalf("checksum %#x", c)
	}
	if _, err := ParseUDP4(b, false); err != nil {
		t.Error(err)
	}
}

func genAddr(t *rapid.T, name string) netip.Addr {
	return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, name)))
}

func TestUDP4RoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := UDP4{
			Src: netip.AddrPortFrom(genAddr(t, "src"), rapid.Uint16().Draw(t, "sport")),
			Dst: netip.AddrPortFrom(genAddr(t, "dst"), rapid.Uint16().Draw(t, "dport")),
			TTL: rapid.Byte().Draw(t, "ttl"), TOS: rapid.Byte().Draw(t, "tos"), ID: rapid.Uint16().Draw(t, "id"),
			Payload: rapid.SliceOfN(rapid.Byte(), 0, 1500).Draw(t, "payload"),
		}
		pre := rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "before")
		b := u.Append(bytes.Clone(pre))
		if !bytes.HasPrefix(b, pre) {
			t.Fatal("Append changed what was there")
		}
		b = b[len(pre):]
		if len(b) != HeaderLen+len(u.Payload) {
			t.Fatalf("%d octets", len(b))
		}
		pad := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "padding")
		got, err := ParseUDP4(append(bytes.Clone(b), pad...), false)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(u, got, cmpAddr); d != "" {
			t.Fatal(d)
		}
		// Any one bit turned over is noticed, except that a checksum of 0xffff
		// cannot be told from 0, and a bit may switch the UDP checksum off.
		bit := rapid.IntRange(0, len(b)*8-1).Draw(t, "bit")
		b[bit/8] ^= 1 << (bit % 8)
		if _, err := ParseUDP4(b, false); err == nil && be.Uint16(b[26:]) != 0 {
			t.Fatalf("bit %d turned over, not noticed", bit)
		}
	})
}

func TestAppendLimits(t *testing.T) {
	u := sample()
	u.Payload = make([]byte, MaxPayload)
	if b := u.Append(nil); len(b) != 65535 {
		t.Errorf("%d octets", len(b))
	} else if _, err := ParseUDP4(b, false); err != nil {
		t.Error(err)
	}
	u.Payload = make([]byte, MaxPayload+1)
	if !panics(func() { u.Append(nil) }) {
		t.Error("payload too large: no panic")
	}
	u.Payload = nil
	u.Src = netip.MustParseAddrPort("[2001:db8::1]:1")
	if !panics(func() { u.Append(nil) }) {
		t.Error("IPv6 address: no panic")
	}
	u.Src = netip.AddrPort{}
	if got, err := ParseUDP4(u.Append(nil), false); err != nil || got.Src.Addr() != netip.IPv4Unspecified() {
		t.Errorf("%v %v", got, err)
	}
}

func panics(fn func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	fn()
	return false
}

func TestARP(t *testing.T) {
	probe := ARP{
		Op: ARPRequest, SenderHW: [6]byte{2, 1, 2, 3, 4, 5},
		TargetIP: netip.MustParseAddr("192.0.2.9"),
	}
	b := probe.Append(nil)
	probe.SenderIP = netip.IPv4Unspecified()
	want := []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 9}
	if d := cmp.Diff(want, b); d != "" {
		t.Error(d)
	}
	tests := []struct {
		name string
		edit func(b []byte) []byte
		want error
	}{
		{"good", func(b []byte) []byte { return b }, nil},
		{"padded", func(b []byte) []byte { return append(b, make([]byte, 18)...) }, nil},
		{"IEEE 802", func(b []byte) []byte { b[1] = 6; return b }, nil},
		{"empty", func(b []byte) []byte { return nil }, ErrShort},
		{"27 octets", func(b []byte) []byte { return b[:27] }, ErrShort},
		{"InfiniBand", func(b []byte) []byte { b[1] = 32; return b }, ErrHardware},
		{"hardware length", func(b []byte) []byte { b[4] = 20; return b }, ErrHardware},
		{"protocol", func(b []byte) []byte { b[2] = 0x86; return b }, ErrARPProtocol},
		{"protocol length", func(b []byte) []byte { b[5] = 16; return b }, ErrARPProtocol},
	}
	for _, tt := range tests {
		got, err := ParseARP(tt.edit(bytes.Clone(b)))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if err == nil && got != probe {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

// FuzzUDP4 compares with a check written another way: one condition after the
// other as RFC 791 and RFC 768 name them, with another implementation's checksum.
func FuzzUDP4(f *testing.F) {
	seedUDP4(f)
	f.Fuzz(func(t *testing.T, b []byte, notReady bool) {
		eachRepair(b, func(b []byte) {
			got, err := ParseUDP4(b, notReady)
			if want := acceptable(b, notReady); want != (err == nil) {
				t.Fatalf("%v, should be accepted: %v: %x", err, want, b)
			}
			if err != nil {
				return
			}
			if cap(got.Payload) > 0 && len(got.Payload) > len(b)-HeaderLen {
				t.Fatalf("payload of %d octets from %d", len(got.Payload), len(b))
			}
			again, err := ParseUDP4(got.Append(nil), false)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(got, again, cmpAddr); d != "" {
				t.Fatal(d)
			}
		})
	})
}

func seedUDP4(f *testing.F) {
	s := sample()
	good := s.Append(nil)
	f.Add(good, false)
	f.Add(good, true)
	f.Add(append(bytes.Clone(good), "padding"...), false)
	f.Add(good[:27], false)
	f.Add([]byte{0x4f}, true)
}

// eachRepair calls fn with b and with b after its checksums have been made
// right: most inputs of a fuzzer would otherwise end there.
func eachRepair(b []byte, fn func(b []byte)) {
	fn(b)
	if len(b) < 20 || b[0]&0xf < 5 || int(b[0]&0xf)*4 > len(b) {
		return
	}
	b = bytes.Clone(b)
	fixHeader(b)
	fn(b)
	if _, _, err := splitUDP4(b); err == nil {
		fixUDP(b)
		fn(b)
	}
}

func acceptable(b []byte, notReady bool) bool {
	if len(b) < 20 || b[0]&0xf0 != 0x40 || b[0]&0xf < 5 || int(b[0]&0xf)*4 > len(b) {
		return false
	}
	ihl, total := int(b[0]&0xf)*4, int(b[2])<<8|int(b[3])
	if total > len(b) || total < ihl+8 || checksum.Checksum(b[:ihl], 0) != 0xffff {
		return false
	}
	if mf, offset := b[6]&0x20 != 0, int(b[6]&0x1f)<<8|int(b[7]); mf || offset != 0 || b[9] != 17 {
		return false
	}
	udp := b[ihl:total]
	n := int(udp[4])<<8 | int(udp[5])
	if n < 8 || n > len(udp) {
		return false
	}
	pseudo := append(bytes.Clone(b[12:20]), 0, 17, udp[4], udp[5])
	return notReady || udp[6] == 0 && udp[7] == 0 ||
		checksum.Checksum(udp[:n], checksum.Checksum(pseudo, 0)) == 0xffff
}

func FuzzARP(f *testing.F) {
	a := ARP{Op: ARPReply, SenderHW: [6]byte{1}, SenderIP: netip.MustParseAddr("192.0.2.1"), TargetIP: netip.MustParseAddr("192.0.2.2")}
	f.Add(a.Append(nil))
	f.Add([]byte{0, 6, 8, 0, 6, 4})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseARP(b)
		if err != nil {
			return
		}
		// All but the hardware type comes back, octet by octet.
		if again := got.Append(nil); len(b) < ARPLen || !bytes.Equal(again[2:], b[2:ARPLen]) {
			t.Fatalf("%x from %x", again, b)
		}
	})
}

func BenchmarkParseUDP4(b *testing.B) {
	s := sample()
	s.Payload = make([]byte, 300)
	p := s.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseUDP4(p, false); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendUDP4(b *testing.B) {
	s := sample()
	s.Payload = make([]byte, 300)
	buf := make([]byte, 0, 400)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.Append(buf[:0])
	}
}
