package peer

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// The codec of the scripted server is kept apart from the agent's own, so that
// a mistake in one is not hidden by the same mistake in the other.

// DHCP message types, RFC 2132 section 9.6.
const (
	Discover byte = 1 + iota
	Offer
	Request
	Decline
	Ack
	Nak
	Release
	Inform
)

// Options that the scripted server deals with, RFC 2132.
const (
	OptMask      byte = 1
	OptRouter    byte = 3
	OptRequested byte = 50
	OptLease     byte = 51
	OptType      byte = 53
	OptServer    byte = 54
	OptMessage   byte = 56
	OptT1        byte = 58
	OptT2        byte = 59
	OptClientID  byte = 61
)

// headerLen is the fixed part of a BOOTP message with the magic cookie after
// it, RFC 2131 section 2.
const headerLen = 236 + 4

// Option is one option of a message.
type Option struct {
	Code  byte
	Value []byte
}

// Message is a BOOTP or DHCP message. Addresses are never invalid; absent is
// 0.0.0.0.
type Message struct {
	Op, HType, HLen, Hops          byte
	XID                            uint32
	Secs, Flags                    uint16
	CIAddr, YIAddr, SIAddr, GIAddr netip.Addr
	CHAddr                         [16]byte
	SName                          [64]byte
	File                           [128]byte
	Options                        []Option
	// NoCookie makes a plain BOOTP message.
	NoCookie bool
	// Src and Dst are the addresses of the packet it came in, DstMAC that of its
	// frame.
	Src, Dst netip.AddrPort
	DstMAC   [6]byte
}

// Get returns the value of an option, nil if it is absent. Repeated options
// are joined, RFC 3396.
func (m *Message) Get(code byte) []byte {
	var v []byte
	for _, o := range m.Options {
		if o.Code == code {
			v = append(v, o.Value...)
		}
	}
	return v
}

// Type returns the message type, 0 for plain BOOTP.
func (m *Message) Type() byte {
	if v := m.Get(OptType); len(v) == 1 {
		return v[0]
	}
	return 0
}

// Addr returns an option's value as an address, 0.0.0.0 if it is none.
func (m *Message) Addr(code byte) netip.Addr {
	if v := m.Get(code); len(v) == 4 {
		return netip.AddrFrom4([4]byte(v))
	}
	return netip.IPv4Unspecified()
}

// MAC returns the client's hardware address.
func (m *Message) MAC() [6]byte { return [6]byte(m.CHAddr[:6]) }

// parseMessage decodes what a client sends.
func parseMessage(b []byte) (*Message, error) {
	if len(b) < headerLen || binary.BigEndian.Uint32(b[236:]) != 0x63825363 {
		return nil, errors.New("no DHCP message")
	}
	m := &Message{
		Op: b[0], HType: b[1], HLen: b[2], Hops: b[3],
		XID: binary.BigEndian.Uint32(b[4:]), Secs: binary.BigEndian.Uint16(b[8:]), Flags: binary.BigEndian.Uint16(b[10:]),
		CIAddr: netip.AddrFrom4([4]byte(b[12:])), YIAddr: netip.AddrFrom4([4]byte(b[16:])),
		SIAddr: netip.AddrFrom4([4]byte(b[20:])), GIAddr: netip.AddrFrom4([4]byte(b[24:])),
	}
	copy(m.CHAddr[:], b[28:])
	copy(m.SName[:], b[44:])
	copy(m.File[:], b[108:])
	for b = b[headerLen:]; len(b) > 0 && b[0] != 255; {
		if b[0] == 0 {
			b = b[1:]
			continue
		}
		if len(b) < 2 || len(b) < 2+int(b[1]) {
			return nil, errors.New("option beyond the end")
		}
		m.Options = append(m.Options, Option{b[0], append([]byte{}, b[2:2+int(b[1])]...)})
		b = b[2+int(b[1]):]
	}
	return m, nil
}

// Bytes encodes the message as a UDP payload of at least 300 octets, options
// exactly as given: split nothing, check nothing.
func (m *Message) Bytes() []byte {
	b := make([]byte, 236, 576)
	b[0], b[1], b[2], b[3] = m.Op, m.HType, m.HLen, m.Hops
	binary.BigEndian.PutUint32(b[4:], m.XID)
	binary.BigEndian.PutUint16(b[8:], m.Secs)
	binary.BigEndian.PutUint16(b[10:], m.Flags)
	for i, a := range []netip.Addr{m.CIAddr, m.YIAddr, m.SIAddr, m.GIAddr} {
		copy(b[12+4*i:], a.AsSlice())
	}
	copy(b[28:], m.CHAddr[:])
	copy(b[44:], m.SName[:])
	copy(b[108:], m.File[:])
	if !m.NoCookie {
		b = append(b, 0x63, 0x82, 0x53, 0x63)
		for _, o := range m.Options {
			b = append(append(b, o.Code, byte(len(o.Value))), o.Value...)
		}
		b = append(b, 255)
	}
	for len(b) < 300 {
		b = append(b, 0)
	}
	return b
}

// Reply begins an answer to a client's message.
func (m *Message) Reply(kind byte, server, yiaddr netip.Addr, opts ...Option) *Message {
	r := &Message{
		Op: 2, HType: m.HType, HLen: m.HLen, XID: m.XID, Flags: m.Flags, CHAddr: m.CHAddr,
		CIAddr: netip.IPv4Unspecified(), YIAddr: yiaddr, SIAddr: netip.IPv4Unspecified(), GIAddr: m.GIAddr,
	}
	r.Options = append(r.Options, Option{OptType, []byte{kind}}, Option{OptServer, server.AsSlice()})
	if id := m.Get(OptClientID); id != nil { // RFC 6842
		r.Options = append(r.Options, Option{OptClientID, id})
	}
	r.Options = append(r.Options, opts...)
	return r
}

// Seconds is the value of an option that is a time.
func Seconds(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
