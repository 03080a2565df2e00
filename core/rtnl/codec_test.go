package rtnl

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

var equalIP = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func genIP(t *rapid.T, four bool, name string) netip.Addr {
	n := 16
	if four {
		n = 4
	}
	a, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, name))
	return a
}

func genPrefix(t *rapid.T, four bool, name string) netip.Prefix {
	a := genIP(t, four, name)
	return netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, name+" bits"))
}

// What is encoded for a request reads like what the kernel sends.
func TestAddrRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		four := rapid.Bool().Draw(t, "four")
		a := Addr{
			Index:  rapid.IntRange(1, 1<<31-1).Draw(t, "index"),
			Prefix: genPrefix(t, four, "prefix"),
			Flags:  rapid.Uint32().Draw(t, "flags"), Proto: rapid.Byte().Draw(t, "proto"),
			Scope:     rapid.Byte().Draw(t, "scope"),
			Preferred: rapid.Uint32().Draw(t, "preferred"), Valid: rapid.Uint32().Draw(t, "valid"),
			Metric: rapid.Uint32().Draw(t, "metric"),
			Label:  rapid.SampledFrom([]string{"", "eth0:1"}).Draw(t, "label"),
		}
		if four && rapid.Bool().Draw(t, "broadcast") {
			a.Broadcast = genIP(t, true, "broadcast")
		}
		if peer := genIP(t, four, "peer"); peer != a.Prefix.Addr() && rapid.Bool().Draw(t, "has peer") {
			a.Peer = peer
		}
		data, err := a.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeAddress(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(a, got, equalIP); d != "" {
			t.Fatal(d)
		}
	})
}

func TestRouteRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		four := rapid.Bool().Draw(t, "four")
		r := Route{
			Dst:    genPrefix(t, four, "dst").Masked(),
			Index:  rapid.IntRange(0, 1<<31-1).Draw(t, "index"),
			Metric: rapid.Uint32().Draw(t, "metric"), Table: rapid.Uint32Range(1, 1<<32-1).Draw(t, "table"),
			Proto: rapid.ByteRange(1, 255).Draw(t, "proto"), Scope: rapid.ByteRange(1, 255).Draw(t, "scope"),
			Type: rapid.ByteRange(1, 255).Draw(t, "type"), TOS: rapid.Byte().Draw(t, "tos"),
			Flags: rapid.SampledFrom([]uint32{0, unix.RTNH_F_ONLINK}).Draw(t, "flags"),
			MTU:   rapid.Uint32().Draw(t, "mtu"),
		}
		if rapid.Bool().Draw(t, "gateway") {
			r.Gateway = genIP(t, four && rapid.Bool().Draw(t, "same family"), "gateway")
		}
		if rapid.Bool().Draw(t, "source") {
			r.PrefSrc = genIP(t, four, "source")
		}
		data, err := r.encode(false)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRoute(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(r, got, equalIP); d != "" {
			t.Fatal(d)
		}
	})
}

// The scope that a route gets when nobody says one.
func TestRouteScope(t *testing.T) {
	four, six := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")
	gw := netip.MustParseAddr("192.0.2.1")
	tests := []struct {
		name string
		r    Route
		del  bool
		want uint8
	}{
		{"on link", Route{Dst: four}, false, unix.RT_SCOPE_LINK},
		{"with gateway", Route{Dst: four, Gateway: gw}, false, unix.RT_SCOPE_UNIVERSE},
		{"local", Route{Dst: four, Type: unix.RTN_LOCAL}, false, unix.RT_SCOPE_HOST},
		{"unreachable", Route{Dst: four, Type: unix.RTN_UNREACHABLE}, false, unix.RT_SCOPE_UNIVERSE},
		{"IPv6", Route{Dst: six}, false, unix.RT_SCOPE_UNIVERSE},
		{"said", Route{Dst: four, Scope: 200}, false, 200},
		{"any to delete", Route{Dst: four}, true, unix.RT_SCOPE_NOWHERE},
		{"one to delete", Route{Dst: four, Scope: unix.RT_SCOPE_LINK}, true, unix.RT_SCOPE_LINK},
	}
	for _, tt := range tests {
		if got := tt.r.scope(tt.del); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestLinkUp(t *testing.T) {
	const both = unix.IFF_UP | unix.IFF_LOWER_UP
	tests := []struct {
		l    Link
		want bool
	}{
		{Link{Flags: both, OperState: OperUp}, true},
		{Link{Flags: both, OperState: OperUnknown}, true},
		{Link{Flags: both, OperState: OperDormant}, false},
		{Link{Flags: both, OperState: 2}, false},
		{Link{Flags: unix.IFF_UP, OperState: OperUp}, false},
		{Link{Flags: unix.IFF_LOWER_UP, OperState: OperUp}, false},
	}
	for _, tt := range tests {
		if got := tt.l.Up(); got != tt.want {
			t.Errorf("%+v: %v", tt.l, got)
		}
	}
}

// The table of a VRF is read; the same attribute of another kind is no table.
func TestLinkVRF(t *testing.T) {
	for kind, want := range map[string]uint32{"vrf": 1234, "macvlan": 0} {
		data, err := encode(linkHeader(unix.AF_UNSPEC, 3, 0, 0), func(ae *netlink.AttributeEncoder) {
			ae.Nested(unix.IFLA_LINKINFO, func(nae *netlink.AttributeEncoder) error {
				nae.String(unix.IFLA_INFO_KIND, kind)
				nae.Nested(unix.IFLA_INFO_DATA, func(vae *netlink.AttributeEncoder) error {
					vae.Uint32(unix.IFLA_VRF_TABLE, 1234)
					return nil
				})
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if l, _, err := decodeLink(data); l.VRFTable != want || l.Kind != kind || err != nil {
			t.Errorf("%s: table %d, kind %q, %v; want table %d", kind, l.VRFTable, l.Kind, err, want)
		}
	}
}

// Messages that share a number with link changes but are something else.
func TestLinkEvents(t *testing.T) {
	message := func(typ netlink.HeaderType, family uint8, fn func(*netlink.AttributeEncoder)) *netlink.Message {
		data, err := encode(linkHeader(family, 3, 0, 0), func(ae *netlink.AttributeEncoder) {
			ae.String(unix.IFLA_IFNAME, "eth0")
			fn(ae)
		})
		if err != nil {
			t.Fatal(err)
		}
		return &netlink.Message{Header: netlink.Header{Type: typ}, Data: data}
	}
	nothing := func(*netlink.AttributeEncoder) {}
	flags := func(ae *netlink.AttributeEncoder) {
		ae.Nested(unix.IFLA_PROTINFO, func(nae *netlink.AttributeEncoder) error {
			nae.Uint32(unix.IFLA_INET6_FLAGS, InetManaged)
			return nil
		})
	}
	tests := []struct {
		name string
		m    *netlink.Message
		kind EventKind
		err  error
	}{
		{"new", message(unix.RTM_NEWLINK, unix.AF_UNSPEC, nothing), LinkNew, nil},
		{"gone", message(unix.RTM_DELLINK, unix.AF_UNSPEC, nothing), LinkDel, nil},
		{"bridge port gone", message(unix.RTM_DELLINK, unix.AF_BRIDGE, nothing), 0, errIgnored},
		{"bridge port", message(unix.RTM_NEWLINK, unix.AF_BRIDGE, nothing), 0, errIgnored},
		{"wireless", message(unix.RTM_NEWLINK, unix.AF_UNSPEC, func(ae *netlink.AttributeEncoder) {
			ae.Bytes(unix.IFLA_WIRELESS, []byte{1})
		}), 0, errIgnored},
		{"flags", message(unix.RTM_NEWLINK, unix.AF_INET6, flags), LinkInet6, nil},
		{"IPv6 off", message(unix.RTM_DELLINK, unix.AF_INET6, flags), LinkInet6, nil},
		{"MTU of 2 octets", message(unix.RTM_NEWLINK, unix.AF_UNSPEC, func(ae *netlink.AttributeEncoder) {
			ae.Uint16(unix.IFLA_MTU, 1500)
		}), 0, errors.New("any")},
		{"short", &netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWLINK}, Data: make([]byte, 15)}, 0, errShort},
		{"namespace id", &netlink.Message{Header: netlink.Header{Type: unix.RTM_NEWNSID}}, 0, errIgnored},
	}
	for _, tt := range tests {
		ev, err := decodeEvent(tt.m)
		if (err == nil) != (tt.err == nil) || (tt.err == errIgnored) != (err == errIgnored) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
		if err == nil && (ev.Kind != tt.kind || ev.Link.Name != "eth0" || ev.Link.Index != 3) {
			t.Errorf("%s: %+v", tt.name, ev)
		}
	}
}

// ack makes the kernel's answer: number, header of the request, attributes.
func ack(errno int32, flags netlink.HeaderFlags, payload int, text string) *netlink.Message {
	m := &netlink.Message{Header: netlink.Header{Type: netlink.Error, Flags: flags}}
	m.Data = ne.AppendUint32(nil, uint32(errno))
	m.Data = ne.AppendUint32(m.Data, uint32(16+payload))
	m.Data = append(m.Data, make([]byte, 12)...)
	if flags&netlink.Capped == 0 {
		m.Data = append(m.Data, make([]byte, payload)...)
	}
	ae := netlink.NewAttributeEncoder()
	ae.String(unix.NLMSGERR_ATTR_MSG, text)
	b, _ := ae.Encode()
	m.Data = append(m.Data, b...)
	return m
}

func TestAckError(t *testing.T) {
	const tlv = netlink.AcknowledgeTLVs
	tests := []struct {
		name string
		m    *netlink.Message
		no   int
		text string
	}{
		{"fine", ack(0, netlink.Capped, 8, ""), 0, ""},
		{"explained, capped", ack(-17, tlv|netlink.Capped, 8, "why"), 17, "why"},
		{"explained, whole", ack(-17, tlv, 8, "why"), 17, "why"},
		{"attributes not announced", ack(-17, netlink.Capped, 8, "why"), 17, ""},
		{"length of the request wrong", ack(-17, tlv, 1<<20, "why"), 17, ""},
		{"positive", ack(5, 0, 0, ""), int(unix.EPROTO), ""},
		{"least number", ack(-1<<31, 0, 0, ""), int(unix.EPROTO), ""},
	}
	tests[4].m.Data = tests[4].m.Data[:28]
	for _, tt := range tests {
		no, text, ok := ackError(tt.m)
		if int(no) != tt.no || text != tt.text || !ok {
			t.Errorf("%s: %d %q %v", tt.name, no, text, ok)
		}
	}
	if _, _, ok := ackError(&netlink.Message{Data: []byte{1, 2, 3}}); ok {
		t.Error("three octets are an answer")
	}
}

func TestErrorText(t *testing.T) {
	err := error(&Error{Op: "add route 0.0.0.0/0 on interface 3", Errno: unix.EEXIST, Message: "words"})
	if got := err.Error(); got != "add route 0.0.0.0/0 on interface 3: file exists (words)" {
		t.Error(got)
	}
	if !errors.Is(err, unix.EEXIST) || First([]error{nil, err}) != err || First(nil) != nil {
		t.Error("not found")
	}
	var b Batch
	b.AddRule(Rule{Priority: 9})
	b.AddAddr(Addr{}, true)
	b.DelAddr(Addr{})
	b.AddNeigh(Neigh{})
	b.SetLink(3, SetLinkOptions{Name: strings.Repeat("x", 1<<16)})
	for _, it := range b.items {
		if it.err == nil {
			t.Errorf("%s was encoded", &it)
		}
	}
}

func TestChunks(t *testing.T) {
	var b Batch
	for range chunkMessages + 1 {
		b.DelLink(1)
	}
	if n := b.chunk(0); n != chunkMessages {
		t.Errorf("%d", n)
	}
	if n := b.chunk(chunkMessages); n != 1 {
		t.Errorf("%d", n)
	}
	for i := range b.items {
		b.items[i].data = make([]byte, 60<<10)
	}
	if n := b.chunk(0); n != 2 {
		t.Errorf("%d of 60 KiB", n)
	}
	b.items[0].data = make([]byte, 1<<20)
	if n := b.chunk(0); n != 1 {
		t.Errorf("%d with one of 1 MiB", n)
	}
}

// FuzzDatagram feeds a datagram to everything that reads one.
func FuzzDatagram(f *testing.F) {
	seed := func(typ netlink.HeaderType, data []byte, err error) {
		b, merr := marshal(nil, typ, netlink.Multi, 1, data)
		if err != nil || merr != nil {
			f.Fatal(err, merr)
		}
		f.Add(b)
	}
	p := netip.MustParsePrefix("192.0.2.1/24")
	add := func(typ netlink.HeaderType, fn func() ([]byte, error)) {
		data, err := fn()
		seed(typ, data, err)
	}
	add(unix.RTM_NEWADDR, (&Addr{Index: 1, Prefix: p, Valid: 9, Label: "l", Peer: p.Masked().Addr()}).encode)
	add(unix.RTM_NEWROUTE, func() ([]byte, error) {
		r := Route{Dst: p, Gateway: netip.MustParseAddr("fe80::1"), MTU: 1400, Table: 1000}
		return r.encode(false)
	})
	add(unix.RTM_NEWNEIGH, (&Neigh{Index: 1, IP: p.Addr(), HW: []byte{1}}).encode)
	add(unix.RTM_NEWRULE, (&Rule{From: p, To: p, In: "i", Mark: 1, Table: 300}).encode)
	add(unix.RTM_NEWROUTE, func() ([]byte, error) {
		return encode(routeHeader(unix.AF_INET, 0, 254, 0, 0, 1, 0), func(ae *netlink.AttributeEncoder) {
			hop := []byte{16, 0, 0, 0, 2, 0, 0, 0, 8, 0, 5, 0, 192, 0, 2, 1}
			ae.Bytes(unix.RTA_MULTIPATH, append(hop, hop...))
		})
	})
	var b Batch
	b.AddVeth(VethEnd{Name: "a"}, VethEnd{Name: "b", SetLinkOptions: SetLinkOptions{MTU: 1400, AddrGenMode: new(uint8)}})
	seed(unix.RTM_NEWLINK, b.items[0].data, b.items[0].err)
	a := ack(-17, netlink.AcknowledgeTLVs, 8, "why")
	seed(netlink.Error, a.Data, nil)
	f.Add([]byte{16, 0, 0, 0, 16, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		table := NewTable(WithLinks | WithAddrs4 | WithAddrs6 | WithRoutes4 | WithRoutes6 | WithNeighs | WithRules)
		total := 0
		eachMessage(b, func(m *netlink.Message) bool {
			total += unix.SizeofNlMsghdr + len(m.Data)
			_, _, _ = ackError(m)
			ev, err := decodeEvent(m)
			if err != nil {
				return true
			}
			if p := ev.Addr.Prefix; ev.Kind == AddrNew && !p.IsValid() {
				t.Fatalf("%+v", ev.Addr)
			}
			if p := ev.Route.Dst; ev.Kind == RouteNew && !p.IsValid() {
				t.Fatalf("%+v", ev.Route)
			}
			if ev.Kind == LinkNew && ev.Link.Index <= 0 {
				t.Fatalf("%+v", ev.Link)
			}
			table.Apply(ev, nil)
			return true
		})
		if total > len(b) {
			t.Fatalf("%d octets of messages in %d", total, len(b))
		}
	})
}
