package rawsock

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// control makes a control message as the kernel does.
func control(level, typ int32, data []byte) []byte {
	n := unix.SizeofCmsghdr + len(data)
	b := make([]byte, (n+7)&^7)
	if unix.SizeofPtr == 8 {
		binary.NativeEndian.PutUint64(b, uint64(n))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(n))
	}
	binary.NativeEndian.PutUint32(b[unix.SizeofPtr:], uint32(level))
	binary.NativeEndian.PutUint32(b[unix.SizeofPtr+4:], uint32(typ))
	copy(b[unix.SizeofCmsghdr:], data)
	return b
}

func auxdata(status uint32, tci uint16) []byte {
	b := make([]byte, 20)
	binary.NativeEndian.PutUint32(b, status)
	binary.NativeEndian.PutUint16(b[16:], tci)
	return b
}

func TestAuxdata(t *testing.T) {
	aux := control(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(unix.TP_STATUS_CSUMNOTREADY, 0))
	tagged := control(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(unix.TP_STATUS_VLAN_VALID, 0x6005))
	untagged := control(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(0, 0x6005))
	other := control(unix.SOL_SOCKET, unix.SO_TIMESTAMP, make([]byte, 16))
	tests := []struct {
		name string
		b    []byte
		want Meta
	}{
		{"none", nil, Meta{}},
		{"partial checksum", aux, Meta{ChecksumNotReady: true}},
		{"VLAN 5, priority 3", tagged, Meta{HasVLAN: true, VLAN: 0x6005}},
		{"field without the flag", untagged, Meta{}},
		{"behind another message", append(append([]byte{}, other...), aux...), Meta{ChecksumNotReady: true}},
		{"other type", control(unix.SOL_PACKET, unix.PACKET_STATISTICS, auxdata(^uint32(0), 1)), Meta{}},
		{"too short", control(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(^uint32(0), 1)[:19]), Meta{}},
		{"cut", aux[:len(aux)-8], Meta{}},
		{"length 0", make([]byte, 64), Meta{}},
	}
	for _, tt := range tests {
		var m Meta
		m.auxdata(tt.b)
		if m != tt.want {
			t.Errorf("%s: %+v", tt.name, m)
		}
	}
}

func FuzzAuxdata(f *testing.F) {
	f.Add(control(unix.SOL_PACKET, unix.PACKET_AUXDATA, auxdata(unix.TP_STATUS_VLAN_VALID, 5)))
	f.Add(control(unix.SOL_SOCKET, 1, []byte{1}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m Meta
		m.auxdata(b)
		if m.HasVLAN && len(b) < unix.SizeofCmsghdr+20 {
			t.Fatalf("%+v from %x", m, b)
		}
	})
}
