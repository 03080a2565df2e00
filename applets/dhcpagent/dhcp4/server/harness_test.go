package server

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/timer"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func testConfig() Config {
	return Config{
		Addr: addr("192.0.2.1"), Prefix: netip.MustParsePrefix("192.0.2.0/24"),
		First: addr("192.0.2.10"), Last: addr("192.0.2.12"),
		Lease: time.Hour, T1: 20 * time.Minute, T2: 40 * time.Minute,
		Routers: []netip.Addr{addr("192.0.2.254")}, DNS: []netip.Addr{addr("192.0.2.53")}, Domain: "example.org",
	}
}

func newServer(cfg Config) *Server { return New(cfg, rand.New(rand.NewPCG(1, 2))) }

// ask is a client's message.
type ask struct {
	typ       dhcpv4.MessageType
	client    byte // last octet of the hardware address
	xid       uint32
	ciaddr    string
	requested string
	server    string
	giaddr    string
	flags     uint16
	options   string // as they stand
}

func (a ask) bytes() []byte {
	b := make([]byte, 240)
	b[0], b[1], b[2] = 1, 1, 6
	binary.BigEndian.PutUint32(b[4:], a.xid)
	binary.BigEndian.PutUint16(b[10:], a.flags)
	put := func(off int, s string) {
		if s != "" {
			copy(b[off:], addr(s).AsSlice())
		}
	}
	put(12, a.ciaddr)
	put(24, a.giaddr)
	copy(b[28:], []byte{2, 0, 0, 0, 0, a.client})
	copy(b[236:], "\x63\x82\x53\x63")
	if a.typ != 0 {
		b = append(b, 53, 1, byte(a.typ))
	}
	opt := func(code byte, s string) {
		if s != "" {
			b = append(append(b, code, 4), addr(s).AsSlice()...)
		}
	}
	opt(50, a.requested)
	opt(54, a.server)
	return append(append(b, a.options...), 255)
}

// give sends a to s and returns the single answer, nil without one.
func give(t testing.TB, s *Server, at time.Duration, a ask) (*dhcp4.Message, *Reply) {
	t.Helper()
	var out []Reply
	s.Packet(timer.Time(at), a.bytes(), netip.IPv4Unspecified(), &out)
	if len(out) == 0 {
		return nil, nil
	}
	if len(out) > 1 {
		t.Fatalf("%d answers", len(out))
	}
	var m dhcp4.Message
	if r := dhcp4.Parse(&m, out[0].Data, netip.AddrPort{}, out[0].Broadcast); r != dhcp4.DropNone {
		t.Fatalf("answer is malformed: %s", r)
	}
	if m.Xid != a.xid {
		t.Fatalf("xid %#x, want %#x", m.Xid, a.xid)
	}
	return &m, &out[0]
}

// say is give as text: type, address and where to.
func say(t testing.TB, s *Server, at time.Duration, a ask) string {
	t.Helper()
	m, r := give(t, s, at, a)
	if m == nil {
		return "silence"
	}
	text := fmt.Sprintf("%s %s to %s", dhcpv4.MessageType(m.Type), m.YIAddr, r.Dst)
	if r.DstHW != nil {
		text += fmt.Sprintf(" at %x", r.DstHW)
	}
	return text
}

const (
	discover = dhcpv4.MessageTypeDiscover
	request  = dhcpv4.MessageTypeRequest
	decline  = dhcpv4.MessageTypeDecline
	release  = dhcpv4.MessageTypeRelease
	inform   = dhcpv4.MessageTypeInform
)

// bind brings client to a lease and returns its address.
func bind(t testing.TB, s *Server, at time.Duration, client byte) string {
	t.Helper()
	offer, _ := give(t, s, at, ask{typ: discover, client: client, xid: 1})
	if offer == nil || offer.Type != 2 {
		t.Fatalf("no OFFER for client %d", client)
	}
	a := offer.YIAddr.String()
	ack, _ := give(t, s, at, ask{typ: request, client: client, xid: 1, requested: a, server: offer.ServerID().String()})
	if ack == nil || ack.Type != 5 || ack.YIAddr != offer.YIAddr {
		t.Fatalf("no ACK for client %d", client)
	}
	return a
}

func options(m *dhcp4.Message) map[uint8]string {
	list := map[uint8]string{}
	for c := range 256 {
		if v, ok := m.Option(uint8(c)); ok {
			list[uint8(c)] = string(v)
		}
	}
	return list
}
