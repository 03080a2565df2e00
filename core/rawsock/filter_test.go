package rawsock

import (
	"bytes"
	"net/netip"
	"testing"

	"golang.org/x/net/bpf"

	"daemonbox/core/rawsock/frame"
)

func vm(t *testing.T, prog []bpf.Instruction) func(b []byte) bool {
	t.Helper()
	v, err := bpf.NewVM(prog)
	if err != nil {
		t.Fatal(err)
	}
	return func(b []byte) bool {
		n, err := v.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		return n != 0
	}
}

func dhcpPacket(port uint16) []byte {
	u := frame.UDP4{
		Src: netip.MustParseAddrPort("192.0.2.1:67"), TTL: 64, Payload: []byte("payload"),
		Dst: netip.AddrPortFrom(netip.MustParseAddr("255.255.255.255"), port),
	}
	return u.Append(nil)
}

func TestDHCPFilter(t *testing.T) {
	pass := vm(t, dhcp(68))
	good := dhcpPacket(68)
	options := append(append(bytes.Clone(good[:20]), 1, 1, 1, 0), good[20:]...)
	options[0] = 0x46
	edit := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	tests := []struct {
		name string
		b    []byte
		want bool
	}{
		{"good", good, true},
		{"from any port", edit(21, 9), true},
		{"with options", options, true},
		{"dont fragment", edit(6, 0x40), true},
		{"port 67", dhcpPacket(67), false},
		{"port 68 in the wrong place", edit(23, 69), false},
		{"high octet of the port", edit(22, 1), false},
		{"TCP", edit(9, 6), false},
		{"first fragment", edit(6, 0x20), false},
		{"other fragment", edit(7, 3), false},
		{"IPv6", edit(0, 0x65), false},
		{"empty", nil, false},
		{"runt", good[:9], false},
		{"no port", good[:22], false},
		{"port only", good[:24], true}, // the codec's to refuse
	}
	for _, tt := range tests {
		if got := pass(tt.b); got != tt.want {
			t.Errorf("%s: passed %v", tt.name, got)
		}
	}
	if !vm(t, dhcp(67))(dhcpPacket(67)) {
		t.Error("another port does not pass its filter")
	}
}

func TestARPFilter(t *testing.T) {
	pass := vm(t, arp())
	a := frame.ARP{Op: frame.ARPRequest, TargetIP: netip.MustParseAddr("192.0.2.1")}
	good := a.Append(nil)
	a.Op = frame.ARPReply
	reply := a.Append(nil)
	a.Op = 3
	other := a.Append(nil)
	edit := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	tests := []struct {
		name string
		b    []byte
		want bool
	}{
		{"request", good, true},
		{"reply", reply, true},
		{"padded", append(bytes.Clone(good), 0, 0, 0), true},
		{"reverse ARP", other, false},
		{"protocol", edit(2, 0x86), false},
		{"hardware address length", edit(4, 8), false},
		{"protocol address length", edit(5, 16), false},
		{"runt", good[:27], false},
		{"empty", nil, false},
	}
	for _, tt := range tests {
		if got := pass(tt.b); got != tt.want {
			t.Errorf("%s: passed %v", tt.name, got)
		}
	}
}

// The kernel takes what Assemble made only if it is short and well formed;
// whether it means the same is for the tests with real sockets.
func TestAssembled(t *testing.T) {
	for _, p := range [][]bpf.RawInstruction{DHCPFilter(), UDPFilter(67), ARPFilter()} {
		if _, all := bpf.Disassemble(p); !all || len(p) > 32 {
			t.Errorf("%d instructions, understood %v", len(p), all)
		}
	}
}
