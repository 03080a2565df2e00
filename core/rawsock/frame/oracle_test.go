package frame

import (
	"bytes"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// FuzzUDP4Gvisor compares with the headers of gVisor's network stack.
func FuzzUDP4Gvisor(f *testing.F) {
	seedUDP4(f)
	f.Fuzz(func(t *testing.T, b []byte, notReady bool) {
		eachRepair(b, func(b []byte) { compareUDP4(t, b, notReady) })
	})
}

func compareUDP4(t *testing.T, b []byte, notReady bool) {
	got, err := ParseUDP4(b, notReady)
	ip := header.IPv4(b)
	want := len(b) >= 20 && ip.IsValid(len(b)) && ip.IsChecksumValid() &&
		ip.TransportProtocol() == header.UDPProtocolNumber && !ip.More() && ip.FragmentOffset() == 0
	var udp header.UDP
	if want {
		udp = header.UDP(ip.Payload())
		want = len(udp) >= 8 && udp.Length() >= 8 && int(udp.Length()) <= len(udp)
	}
	if want {
		udp = udp[:udp.Length()]
		want = notReady || udp.Checksum() == 0 || udp.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(),
			checksum.Checksum(udp.Payload(), 0))
	}
	if want != (err == nil) {
		t.Fatalf("%v, another implementation says %v: %x", err, want, b)
	}
	if err != nil {
		return
	}
	if tcpip.AddrFrom4(got.Src.Addr().As4()) != ip.SourceAddress() || tcpip.AddrFrom4(got.Dst.Addr().As4()) != ip.DestinationAddress() ||
		got.Src.Port() != udp.SourcePort() || got.Dst.Port() != udp.DestinationPort() ||
		got.TTL != ip.TTL() || got.ID != ip.ID() || !bytes.Equal(got.Payload, udp.Payload()) {
		t.Fatalf("%+v from %x", got, b)
	}
	// The other way round: what we make must please the other side.
	ip = header.IPv4(got.Append(nil))
	udp = header.UDP(ip.Payload())
	if !ip.IsValid(len(ip)) || !ip.IsChecksumValid() ||
		!udp.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), checksum.Checksum(udp.Payload(), 0)) {
		t.Fatalf("refused: %x", []byte(ip))
	}
}

func FuzzARPGvisor(f *testing.F) {
	a := ARP{Op: ARPReply, SenderHW: [6]byte{1}, SenderIP: netip.MustParseAddr("192.0.2.1"), TargetIP: netip.MustParseAddr("192.0.2.2")}
	f.Add(a.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ParseARP(b)
		if o := header.ARP(b); o.IsValid() && (err != nil || uint16(o.Op()) != got.Op ||
			!bytes.Equal(o.HardwareAddressSender(), got.SenderHW[:]) || !bytes.Equal(o.HardwareAddressTarget(), got.TargetHW[:]) ||
			!bytes.Equal(o.ProtocolAddressSender(), got.SenderIP.AsSlice()) || !bytes.Equal(o.ProtocolAddressTarget(), got.TargetIP.AsSlice())) {
			t.Fatalf("%+v %v from %x", got, err, b)
		}
	})
}
