package server

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"daemonbox/core/timer"
)

func TestOffer(t *testing.T) {
	s := newServer(testConfig())
	m, r := give(t, s, 0, ask{typ: discover, client: 1, xid: 0xdeadbeef, requested: "192.0.2.11", options: "\x3d\x02\x00x"})
	if m.Type != 2 || m.YIAddr != addr("192.0.2.11") || m.ServerID() != addr("192.0.2.1") {
		t.Fatalf("answer %d for %s of %s", m.Type, m.YIAddr, m.ServerID())
	}
	if r.Dst != m.YIAddr || r.Broadcast || string(r.DstHW) != "\x02\x00\x00\x00\x00\x01" || len(r.Data) < 300 {
		t.Errorf("answer goes to %+v", r)
	}
	want := map[uint8]string{
		53: "\x02", 54: "\xc0\x00\x02\x01", 51: "\x00\x00\x0e\x10", 58: "\x00\x00\x04\xb0", 59: "\x00\x00\x09\x60", 1: "\xff\xff\xff\x00",
		3: "\xc0\x00\x02\xfe", 6: "\xc0\x00\x02\x35", 15: "example.org", 61: "\x00x",
	}
	if diff := cmp.Diff(want, options(m)); diff != "" {
		t.Error(diff)
	}
	m, _ = give(t, s, 0, ask{typ: discover, client: 2, options: "\x37\x01\x06"})
	if m.Has(3) || !m.Has(6) || !m.Has(1) || m.Has(61) {
		t.Errorf("request list not followed: %q", options(m))
	}
	if _, r = give(t, s, 0, ask{typ: discover, client: 2, flags: 0x8000}); !r.Broadcast || r.Dst.String() != "255.255.255.255" {
		t.Errorf("broadcast flag not followed: %+v", r)
	}
	if _, r = give(t, s, 0, ask{typ: discover, client: 2, giaddr: "10.0.0.1"}); !r.Relay || r.Dst.String() != "10.0.0.1" {
		t.Errorf("relay not answered: %+v", r)
	}
}

func TestLeaseTime(t *testing.T) {
	for asked, want := range map[uint32]uint32{0xffffffff: 3600, 3600: 3600, 10: 10, 1: 1} {
		s := newServer(testConfig())
		o := string(binary.BigEndian.AppendUint32([]byte{51, 4}, asked))
		m, _ := give(t, s, 0, ask{typ: discover, client: 1, options: o})
		if got, _ := m.Uint32(51); got != want {
			t.Errorf("asked for %d, got %d, want %d", asked, got, want)
		}
		if m.Has(58) != (want == 3600) {
			t.Errorf("T1 with a lease of %d", want)
		}
	}
	cfg := testConfig()
	cfg.Lease = Infinite
	s := newServer(cfg)
	a := bind(t, s, 0, 1)
	if l := s.Leases(); len(l) != 1 || l[0].Addr.String() != a || l[0].Until != timer.Never {
		t.Errorf("leases %+v", l)
	}
}

// TestRequest has all cases of RFC 2131 §4.3.2. Client 1 has 192.0.2.10.
func TestRequest(t *testing.T) {
	const nak = "NAK 0.0.0.0 to 255.255.255.255"
	tests := []struct {
		name       string
		a          ask
		open, auth string // answer of an ordinary and an authoritative server
	}{
		{"init-reboot", ask{client: 1, requested: "192.0.2.10"}, "ACK 192.0.2.10 to 192.0.2.10 at 020000000001", ""},
		{"init-reboot, other free address", ask{client: 1, requested: "192.0.2.11"}, "ACK 192.0.2.11 to 192.0.2.11 at 020000000001", ""},
		{"init-reboot, foreign net", ask{client: 1, requested: "10.0.0.1"}, nak, nak},
		{"init-reboot, stranger, free address", ask{client: 2, requested: "192.0.2.11"}, "silence", "ACK 192.0.2.11 to 192.0.2.11 at 020000000002"},
		{"init-reboot, stranger, taken address", ask{client: 2, requested: "192.0.2.10"}, "silence", nak},
		{"init-reboot, stranger, foreign net", ask{client: 2, requested: "10.0.0.1"}, "silence", nak},
		{"renew", ask{client: 1, ciaddr: "192.0.2.10"}, "ACK 192.0.2.10 to 192.0.2.10", ""},
		{"renew, stranger, free address", ask{client: 2, ciaddr: "192.0.2.11"}, "silence", "ACK 192.0.2.11 to 192.0.2.11"},
		{"renew, stranger, taken address", ask{client: 2, ciaddr: "192.0.2.10"}, "silence", nak},
		{"renew, the server's address", ask{client: 1, ciaddr: "192.0.2.1"}, nak, nak},
		{"renew, a router's address", ask{client: 1, ciaddr: "192.0.2.254"}, nak, nak},
		{"renew, out of the pool", ask{client: 1, ciaddr: "192.0.2.13"}, nak, nak},
		{"selecting without an offer", ask{client: 2, requested: "192.0.2.11", server: "192.0.2.1"}, "ACK 192.0.2.11 to 192.0.2.11 at 020000000002", ""},
		{"selecting a taken address", ask{client: 2, requested: "192.0.2.10", server: "192.0.2.1"}, nak, nak},
		{"selecting another server", ask{client: 2, requested: "192.0.2.11", server: "192.0.2.2"}, "silence", "silence"},
		{"nothing asked", ask{client: 1}, nak, nak},
	}
	for _, tt := range tests {
		tt.a.typ = request
		if tt.auth == "" {
			tt.auth = tt.open
		}
		for _, authoritative := range []bool{false, true} {
			cfg := testConfig()
			cfg.Authoritative = authoritative
			s := newServer(cfg)
			give(t, s, 0, ask{typ: request, client: 1, requested: "192.0.2.10", server: "192.0.2.1"})
			want := tt.open
			if authoritative {
				want = tt.auth
			}
			if got := say(t, s, time.Second, tt.a); got != want {
				t.Errorf("%s, authoritative %v: %s, want %s", tt.name, authoritative, got, want)
			}
		}
	}
}

func TestExhaustionAndReuse(t *testing.T) {
	s := newServer(testConfig())
	held := map[string]bool{}
	for c := byte(1); c <= 3; c++ {
		held[bind(t, s, 0, c)] = true
	}
	if len(held) != 3 {
		t.Fatalf("addresses %v", held)
	}
	if got := say(t, s, time.Hour-1, ask{typ: discover, client: 4}); got != "silence" {
		t.Errorf("full pool: %s", got)
	}
	if got := say(t, s, time.Hour+reuseGrace-1, ask{typ: discover, client: 4}); got != "silence" {
		t.Errorf("address reused too early: %s", got)
	}
	if a := bind(t, s, time.Hour+reuseGrace, 4); !held[a] {
		t.Errorf("address %s", a)
	}
}

// TestShorterLease: an answer may get lost, so the longer lease counts.
func TestShorterLease(t *testing.T) {
	s := newServer(testConfig())
	a := bind(t, s, 0, 1)
	short := string(binary.BigEndian.AppendUint32([]byte{51, 4}, 10))
	m, _ := give(t, s, time.Minute, ask{typ: request, client: 1, ciaddr: a, options: short})
	if n, _ := m.Uint32(51); n != 10 {
		t.Fatalf("lease %d", n)
	}
	if got := say(t, s, 2*time.Minute, ask{typ: request, client: 2, requested: a, server: "192.0.2.1"}); !strings.HasPrefix(got, "NAK") {
		t.Error(got)
	}
}

func TestRelease(t *testing.T) {
	for _, late := range []bool{false, true} {
		cfg := testConfig()
		cfg.Last = cfg.First
		s := newServer(cfg)
		a := bind(t, s, 0, 1)
		at := lateRelease
		if late { // may be older than the ACK
			at--
		}
		give(t, s, at, ask{typ: release, client: 2, ciaddr: a, server: "192.0.2.1"})
		give(t, s, at, ask{typ: release, client: 1, ciaddr: a, server: "192.0.2.2"})
		if l := s.Leases()[0]; l.State != Bound {
			t.Errorf("released by a stranger: %+v", l)
		}
		give(t, s, at, ask{typ: release, client: 1, ciaddr: a, server: "192.0.2.1"})
		if l := s.Leases()[0]; l.State != Released {
			t.Errorf("not released: %+v", l)
		}
		want := "OFFER 192.0.2.10 to 192.0.2.10 at 020000000002"
		if late {
			want = "silence"
		}
		if got := say(t, s, at+reuseGrace, ask{typ: discover, client: 2}); got != want {
			t.Errorf("late %v: %s, want %s", late, got, want)
		}
	}
}

func TestDecline(t *testing.T) {
	cfg := testConfig()
	cfg.Last = addr("192.0.2.11")
	s := newServer(cfg)
	a := bind(t, s, 0, 1)
	give(t, s, 0, ask{typ: decline, client: 2, requested: a, server: "192.0.2.1"})
	if l := s.Leases()[0]; l.State != Bound {
		t.Fatalf("declined by a stranger: %+v", l)
	}
	give(t, s, 0, ask{typ: decline, client: 1, requested: a, server: "192.0.2.1"})
	b := bind(t, s, 10*time.Second, 1)
	if a == b {
		t.Fatal("declined address given again")
	}
	if got := say(t, s, time.Minute, ask{typ: discover, client: 2}); got != "silence" {
		t.Errorf("declined address given to another: %s", got)
	}
	if got := say(t, s, time.Minute, ask{typ: request, client: 1, ciaddr: a}); !strings.HasPrefix(got, "NAK") {
		t.Errorf("declined address renewed: %s", got)
	}
	// Told to be leased for an hour, refused for ten minutes: both must be over.
	if got := say(t, s, 59*time.Minute, ask{typ: discover, client: 2}); got != "silence" {
		t.Errorf("within the lease: %s", got)
	}
	if got := say(t, s, time.Hour+reuseGrace, ask{typ: discover, client: 2}); !strings.HasPrefix(got, "OFFER "+a) {
		t.Errorf("never given again: %s", got)
	}
}

func TestOfferWithdrawn(t *testing.T) {
	cfg := testConfig()
	cfg.Last = cfg.First
	s := newServer(cfg)
	say(t, s, 0, ask{typ: discover, client: 1})
	if got := say(t, s, 0, ask{typ: discover, client: 2}); got != "silence" {
		t.Errorf("offered twice: %s", got)
	}
	if got := say(t, s, 0, ask{typ: request, client: 1, requested: "192.0.2.10", server: "192.0.2.9"}); got != "silence" {
		t.Error(got)
	}
	if got := say(t, s, 0, ask{typ: discover, client: 2}); !strings.HasPrefix(got, "OFFER") {
		t.Errorf("offer not withdrawn: %s", got)
	}
	if got := say(t, s, defaultOfferHold, ask{typ: discover, client: 3}); !strings.HasPrefix(got, "OFFER") {
		t.Errorf("offer held for ever: %s", got)
	}
}

// TestOfferWithdrawnWithinLease: the end of an offer is not the end of a lease
// that the client was told before.
func TestOfferWithdrawnWithinLease(t *testing.T) {
	cfg := testConfig()
	cfg.Last = cfg.First
	s := newServer(cfg)
	a := bind(t, s, 0, 1)
	say(t, s, time.Second, ask{typ: release, client: 1, ciaddr: a, server: "192.0.2.1"}) // may be older than the ACK
	say(t, s, time.Second, ask{typ: discover, client: 1})
	say(t, s, time.Second, ask{typ: request, client: 1, requested: a, server: "192.0.2.9"})
	if got := say(t, s, time.Minute, ask{typ: discover, client: 2}); got != "silence" {
		t.Errorf("leased address given away: %s", got)
	}
	if got := say(t, s, time.Minute, ask{typ: discover, client: 1}); !strings.HasPrefix(got, "OFFER "+a) {
		t.Errorf("own address not offered: %s", got)
	}
}

func TestInform(t *testing.T) {
	s := newServer(testConfig())
	m, r := give(t, s, 0, ask{typ: inform, client: 1, ciaddr: "192.0.2.200"})
	if m.Type != 5 || m.Has(51) || m.Has(58) || !m.YIAddr.IsUnspecified() || !m.Has(6) || r.Dst.String() != "192.0.2.200" || r.Broadcast {
		t.Errorf("type %d, options %q, to %s", m.Type, options(m), r.Dst)
	}
	if got := say(t, s, 0, ask{typ: inform, client: 1}); got != "silence" {
		t.Errorf("without an address: %s", got)
	}
	if len(s.Leases()) != 0 {
		t.Error("INFORM makes a lease")
	}
}

func TestReservations(t *testing.T) {
	cfg := testConfig()
	cfg.Reserved = []Reservation{{HW: []byte{2, 0, 0, 0, 0, 1}, Addr: addr("192.0.2.100")}, {ClientID: []byte("\x00b"), Addr: addr("192.0.2.10")}}
	s := newServer(cfg)
	if a := bind(t, s, 0, 1); a != "192.0.2.100" {
		t.Errorf("client 1 has %s", a)
	}
	if got := say(t, s, 0, ask{typ: request, client: 2, requested: "192.0.2.10", server: "192.0.2.1"}); !strings.HasPrefix(got, "NAK") {
		t.Errorf("reserved address given away: %s", got)
	}
	m, _ := give(t, s, 0, ask{typ: discover, client: 9, options: "\x3d\x02\x00b"})
	if m.YIAddr.String() != "192.0.2.10" {
		t.Errorf("client b has %s", m.YIAddr)
	}
	if a, b := bind(t, s, 0, 3), bind(t, s, 0, 4); a == b || a == "192.0.2.10" || b == "192.0.2.10" {
		t.Errorf("others have %s, %s", a, b)
	}
}

func TestOptions(t *testing.T) {
	long := strings.Repeat("v", 300)
	cfg := testConfig()
	cfg.ServerID = addr("192.0.2.77")
	cfg.Options = []Option{
		{43, []byte(long)},
		{12, []byte("name")},
		{3, []byte("\x0a\x00\x00\x01")},
		{121, []byte("\x00\x0a\x00\x00\x01")},
		{200, []byte("a")},
		{200, []byte("b")},
		{14, []byte(strings.Repeat("d", 100))},
		{17, []byte(strings.Repeat("r", 50))},
	}
	for overload := range uint8(4) {
		cfg.Overload = overload
		s := newServer(cfg)
		m, r := give(t, s, 0, ask{typ: discover, client: 1})
		want := map[uint8]string{
			43: long, 12: "name", 3: "\x0a\x00\x00\x01", 121: "\x00\x0a\x00\x00\x01", 200: "ab", 54: "\xc0\x00\x02\x4d",
			14: strings.Repeat("d", 100), 17: strings.Repeat("r", 50), 52: "",
		}
		got := options(m)
		for c, v := range want {
			if c != 52 && got[c] != v {
				t.Errorf("overload %d: option %d = %q, want %q", overload, c, got[c], v)
			}
		}
		if m.Overload != overload {
			t.Errorf("overload %d, want %d", m.Overload, overload)
		}
		if overload&1 != 0 == (r.Data[offFile] == 0) || overload&2 != 0 == (r.Data[offSname] == 0) {
			t.Errorf("overload %d: fields not as they should be", overload)
		}
		if got := say(t, s, 0, ask{typ: request, client: 1, requested: m.YIAddr.String(), server: "192.0.2.77"}); !strings.HasPrefix(got, "ACK") {
			t.Errorf("other server id: %s", got)
		}
	}
}

func TestRapidCommitAndBOOTP(t *testing.T) {
	cfg := testConfig()
	cfg.RapidCommit = true
	s := newServer(cfg)
	m, _ := give(t, s, 0, ask{typ: discover, client: 1, options: "\x50\x00"})
	if m.Type != 5 || !m.Has(80) || !m.Has(51) || s.Leases()[0].State != Bound {
		t.Errorf("type %d, options %q", m.Type, options(m))
	}
	if m, _ = give(t, s, 0, ask{typ: discover, client: 2}); m.Type != 2 || m.Has(80) {
		t.Errorf("type %d, options %q", m.Type, options(m))
	}
	cfg = testConfig()
	cfg.BOOTP = true
	s = newServer(cfg)
	for _, typ := range []dhcpv4.MessageType{0, discover} {
		m, _ := give(t, s, 0, ask{typ: typ, client: 1})
		if m.Type != 0 || m.Has(51) || m.Has(54) || !m.Has(1) || m.YIAddr.IsUnspecified() || s.Leases()[0].Until != timer.Never {
			t.Errorf("type %d, options %q", m.Type, options(m))
		}
	}
}

func TestSnapshot(t *testing.T) {
	s := newServer(testConfig())
	a := bind(t, s, 0, 1)
	say(t, s, 0, ask{typ: discover, client: 2})
	snap := s.Snapshot()
	if len(snap) != 1 || snap[0].Addr.String() != a {
		t.Fatalf("snapshot %+v", snap)
	}
	again := newServer(testConfig())
	again.Restore(snap)
	if diff := cmp.Diff(snap, again.Leases(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got := say(t, again, time.Second, ask{typ: request, client: 1, ciaddr: a}); got != "ACK "+a+" to "+a {
		t.Error(got)
	}
	if got := say(t, again, time.Second, ask{typ: request, client: 2, requested: a, server: "192.0.2.1"}); !strings.HasPrefix(got, "NAK") {
		t.Error(got)
	}
	again.Restore(nil)
	if got := say(t, again, time.Second, ask{typ: request, client: 1, ciaddr: a}); got != "silence" || len(again.Leases()) != 0 {
		t.Error(got)
	}
}

func TestTableBound(t *testing.T) {
	cfg := testConfig()
	cfg.Prefix, cfg.First, cfg.Last = netip.MustParsePrefix("10.0.0.0/8"), addr("10.0.0.2"), addr("10.255.255.254")
	cfg.Addr, cfg.MaxLeases = addr("10.0.0.1"), 16
	s := newServer(cfg)
	for i := range 255 {
		say(t, s, 0, ask{typ: discover, client: byte(i)})
	}
	if n := len(s.Leases()); n != 16 || len(s.byKey) != 16 {
		t.Errorf("%d leases, %d clients", n, len(s.byKey))
	}
	if got := say(t, s, defaultOfferHold, ask{typ: discover, client: 255}); !strings.HasPrefix(got, "OFFER") {
		t.Errorf("old offers block the table: %s", got)
	}
}

func TestDropped(t *testing.T) {
	s := newServer(testConfig())
	var out []Reply
	nobody := ask{typ: discover}.bytes()
	nobody[2] = 0
	for _, b := range [][]byte{nil, make([]byte, 300), nobody, ask{typ: 2}.bytes(), ask{}.bytes()} {
		s.Packet(0, b, netip.Addr{}, &out)
	}
	if st := s.Stats(); st.Dropped != 5 || len(out) != 0 {
		t.Errorf("%+v, %d answers", st, len(out))
	}
}

// BenchmarkRenew is the exchange a server sees most.
func BenchmarkRenew(b *testing.B) {
	s := newServer(testConfig())
	renew := ask{typ: request, client: 1, ciaddr: bind(b, s, 0, 1), options: "\x37\x04\x01\x03\x06\x0f"}.bytes()
	out := make([]Reply, 0, 1)
	b.ReportAllocs()
	for b.Loop() {
		out = out[:0]
		s.Packet(0, renew, netip.Addr{}, &out)
	}
	if len(out) != 1 {
		b.Fatal("no answer")
	}
}
