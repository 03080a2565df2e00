package dhcp4

import (
	"encoding/binary"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4"
)

// reply is a BOOTREPLY to be spoiled by tests: options in the given areas, each
// as it stands.
type reply struct {
	yiaddr          string
	options         string
	file, sname     string
	noEnd, noCookie bool
	op, hlen, htype uint8
	trailer         string
	siaddr, ciaddr  string
	flags           uint16
	secs            uint16
	chaddr          string
	xid             uint32
}

func (r reply) bytes() []byte {
	b := make([]byte, offOptions)
	b[0], b[1], b[2] = opReply, 1, 6
	if r.op != 0 {
		b[0] = r.op
	}
	if r.htype != 0 {
		b[1] = r.htype
	}
	if r.hlen != 0 {
		b[2] = r.hlen
	}
	binary.BigEndian.PutUint32(b[offXid:], r.xid)
	binary.BigEndian.PutUint16(b[offSecs:], r.secs)
	binary.BigEndian.PutUint16(b[offFlags:], r.flags)
	for off, s := range map[int]string{offCIAddr: r.ciaddr, offYIAddr: r.yiaddr, offSIAddr: r.siaddr} {
		if s != "" {
			copy(b[off:], netip.MustParseAddr(s).AsSlice())
		}
	}
	copy(b[offCHAddr:offSname], "\x02\x00\x00\x00\x00\x01")
	if r.chaddr != "" {
		copy(b[offCHAddr:offSname], r.chaddr)
	}
	copy(b[offSname:offFile], r.sname)
	copy(b[offFile:offCookie], r.file)
	if !r.noCookie {
		binary.BigEndian.PutUint32(b[offCookie:], magic)
	}
	b = append(b, r.options...)
	if !r.noEnd {
		b = append(b, optEnd)
	}
	return append(b, r.trailer...)
}

// tlv is one option.
func tlv(code uint8, v string) string { return string([]byte{code, uint8(len(v))}) + v }

// u32 is a number on the wire.
func u32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }

// ips are addresses on the wire.
func ips(list ...string) string {
	s := ""
	for _, a := range list {
		s += string(netip.MustParseAddr(a).AsSlice())
	}
	return s
}

// ackOptions are those of an ordinary ACK.
func ackOptions(more string) string {
	return tlv(optType, "\x05") + tlv(optServerID, ips("192.0.2.1")) + tlv(optLeaseTime, u32(3600)) +
		tlv(optMask, ips("255.255.255.0")) + more
}

// ack parses an ordinary ACK for 192.0.2.10 with more options.
func ack(more string) *Message {
	var m Message
	if r := Parse(&m, reply{yiaddr: "192.0.2.10", options: ackOptions(more)}.bytes(), netip.AddrPort{}, false); r != DropNone {
		panic("test message dropped: " + r.String())
	}
	return &m
}

// decodeLibrary decodes with the library, nil where it does not like it.
func decodeLibrary(b []byte) (p *dhcpv4.DHCPv4) {
	defer func() {
		if recover() != nil {
			p = nil
		}
	}()
	p, err := dhcpv4.FromBytes(b)
	if err != nil {
		return nil
	}
	return p
}
