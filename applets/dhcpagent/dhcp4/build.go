package dhcp4

import (
	"encoding/binary"
	"net/netip"

	"daemonbox/applets/dhcpagent/dnsname"
)

// kind is a message a client sends. The REQUEST has four forms (RFC 2131
// §4.3.2, table 4).
type kind uint8

const (
	kindDiscover kind = iota
	kindSelect        // REQUEST that takes an offer
	kindReboot        // REQUEST in INIT-REBOOT
	kindRenew         // REQUEST in RENEWING
	kindRebind        // REQUEST in REBINDING
	kindDecline
	kindRelease
	kindInform
)

// msgType returns the value of option 53.
func (k kind) msgType() uint8 {
	switch k {
	case kindDiscover:
		return typeDiscover
	case kindDecline:
		return typeDecline
	case kindRelease:
		return typeRelease
	case kindInform:
		return typeInform
	}
	return typeRequest
}

// outgoing is what appendMessage has to know apart from configuration and
// link.
type outgoing struct {
	kind kind
	xid  uint32
	secs uint16
	// addr is the address the message is about. It becomes option 50 in
	// DISCOVER (a hint, may be invalid), the first two REQUESTs and DECLINE,
	// ciaddr in the rest.
	addr netip.Addr
	// server is option 54 in REQUEST when selecting, DECLINE and RELEASE.
	server netip.Addr
	// lease is option 51 when selecting; 0 falls back to the configured one.
	lease uint32
	// hostname is option 12; fqdn replaces it by option 81. Both are valid
	// names or empty.
	hostname, fqdn string
	// reason is option 56 of DECLINE and RELEASE.
	reason string
}

// appendMessage appends the BOOTP payload of a message as in RFC 2131 table 5.
// It is padded with zeros to 300 octets at least.
func appendMessage(b []byte, cfg *Config, link *Link, o *outgoing) []byte {
	start := len(b)
	b = appendHeader(b, cfg, link, o)
	b = append(b, optType, 1, o.kind.msgType())
	b = appendOption(b, optClientID, cfg.ClientID)
	switch o.kind {
	case kindDiscover, kindSelect, kindReboot, kindDecline:
		b = appendAddr(b, optRequestedIP, o.addr)
	}
	switch o.kind {
	case kindSelect, kindDecline, kindRelease:
		b = appendAddr(b, optServerID, o.server)
	}
	if o.kind == kindDecline || o.kind == kindRelease {
		// RFC 2131 table 5 forbids them all other options.
		b = appendOption(b, optMessage, []byte(o.reason))
	} else {
		b = appendWishes(b, cfg, link, o)
	}
	b = append(b, optEnd)
	for len(b)-start < minPayload {
		b = append(b, optPad)
	}
	return b
}

// appendHeader appends the fixed part and the cookie.
func appendHeader(b []byte, cfg *Config, link *Link, o *outgoing) []byte {
	var h [offOptions]byte
	h[0], h[1] = opRequest, uint8(link.HWType)
	wide := link.HWType == hwInfiniband || len(link.HWAddr) > 16
	if !wide {
		// RFC 4390 §2.1: an InfiniBand address has no room in chaddr, hlen is 0.
		h[2] = uint8(copy(h[offCHAddr:offSname], link.HWAddr))
	}
	binary.BigEndian.PutUint32(h[offXid:], o.xid)
	bound := false
	switch o.kind {
	case kindRenew, kindRebind, kindRelease, kindInform:
		bound = o.addr.Is4()
		if bound {
			a := o.addr.As4()
			copy(h[offCIAddr:], a[:])
		}
	}
	if o.kind != kindDecline && o.kind != kindRelease {
		binary.BigEndian.PutUint16(h[offSecs:], o.secs)
		// Without a hardware address in chaddr nobody can send to us before
		// the address is ours.
		if cfg.Broadcast || wide && !bound {
			binary.BigEndian.PutUint16(h[offFlags:], flagBroadcast)
		}
	}
	binary.BigEndian.PutUint32(h[offCookie:], magic)
	return append(b, h[:]...)
}

// appendWishes appends what a client asks for.
func appendWishes(b []byte, cfg *Config, link *Link, o *outgoing) []byte {
	if o.kind != kindInform { // RFC 2131 table 5: no lease is asked for there
		lease := cfg.LeaseTime
		if o.kind == kindSelect && o.lease != 0 {
			lease = o.lease
		}
		if lease != 0 {
			b = append(b, optLeaseTime, 4)
			b = binary.BigEndian.AppendUint32(b, lease)
		}
	}
	b = append(b, optMaxSize, 2)
	b = binary.BigEndian.AppendUint16(b, maxSize(link.MTU))
	b = appendOption(b, optVendorClass, []byte(cfg.VendorClass))
	if o.kind != kindInform {
		if o.fqdn != "" {
			b = appendFQDN(b, o.fqdn)
		} else {
			b = appendOption(b, optHostName, []byte(o.hostname))
		}
	}
	return appendOption(b, optParams, cfg.ParamRequest)
}

// maxSize is option 57: the largest message that comes through the MTU without
// fragments, but never less than what everybody has to take (RFC 2132 §9.10).
func maxSize(mtu int) uint16 {
	const ipUDP, minimum = 28, 576
	return uint16(min(max(mtu-ipUDP, minimum), 0xffff))
}

// appendOption appends an option in as many fragments as it needs (RFC 3396
// §5). Without a value it appends nothing.
func appendOption(b []byte, code uint8, v []byte) []byte {
	for len(v) > 0 {
		n := min(len(v), 255)
		b = append(b, code, uint8(n))
		b = append(b, v[:n]...)
		v = v[n:]
	}
	return b
}

// appendAddr appends an option with one address, nothing for an invalid one.
func appendAddr(b []byte, code uint8, a netip.Addr) []byte {
	if !a.Is4() {
		return b
	}
	v := a.As4()
	b = append(b, code, 4)
	return append(b, v[:]...)
}

// appendFQDN appends option 81 (RFC 4702 §2): flags S (the server shall update
// the A record) and E (name in wire form), two RCODE octets of no use any more,
// and the name without compression. A name that has no wire form is left out.
func appendFQDN(b []byte, name string) []byte {
	const flagS, flagE = 0x01, 0x04
	var v [3 + dnsname.MaxWire]byte
	v[0] = flagS | flagE
	wire, ok := dnsname.Append(v[:3], name)
	if !ok {
		return b
	}
	return appendOption(b, optFQDN, wire)
}
