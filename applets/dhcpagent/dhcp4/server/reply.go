package server

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"
)

// The parts of a message that may carry options (RFC 2131 §2): offset and size.
const (
	offSname, sizeSname = 44, 64
	offFile, sizeFile   = 108, 128
)

// newReply begins an answer to q. RFC 6842 has the client's identifier come
// back, so that clients behind one hardware address know what is theirs.
func (s *Server) newReply(q *query, typ dhcpv4.MessageType) *dhcpv4.DHCPv4 {
	p := &dhcpv4.DHCPv4{
		OpCode:       dhcpv4.OpcodeBootReply,
		HWType:       iana.HWType(q.m.HType),
		ClientHWAddr: net.HardwareAddr(q.hw),
		Flags:        q.m.Flags,
		Options:      dhcpv4.Options{},
	}
	for i := range p.TransactionID {
		p.TransactionID[i] = byte(q.m.Xid >> (24 - 8*i))
	}
	if !q.m.GIAddr.IsUnspecified() {
		p.GatewayIPAddr = ip(q.m.GIAddr)
	}
	if typ != dhcpv4.MessageTypeNone {
		p.UpdateOption(dhcpv4.OptMessageType(typ))
		p.UpdateOption(dhcpv4.OptServerIdentifier(ip(s.id)))
		if len(q.id) > 0 {
			p.UpdateOption(dhcpv4.OptClientIdentifier(q.id))
		}
	}
	return p
}

// reply sends an OFFER or ACK for l, for INFORM without one, or a BOOTP reply.
func (s *Server) reply(q *query, typ dhcpv4.MessageType, l *Lease) {
	p := s.newReply(q, typ)
	if typ == dhcpv4.MessageTypeAck {
		p.ClientIPAddr = ip(q.m.CIAddr)
	}
	if l != nil {
		p.YourIPAddr = ip(l.Addr)
		if typ != dhcpv4.MessageTypeNone {
			s.addTimes(p, s.leaseTime(q.m))
		}
		if s.cfg.RapidCommit && typ == dhcpv4.MessageTypeAck && dhcpv4.MessageType(q.m.Type) == dhcpv4.MessageTypeDiscover {
			p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionRapidCommit, nil))
		}
	}
	s.addParameters(p, q)
	s.send(q, p, s.encode(p), typ)
}

// nak refuses. RFC 2131 table 3 leaves little in it.
func (s *Server) nak(q *query, why string) {
	p := s.newReply(q, dhcpv4.MessageTypeNak)
	p.UpdateOption(dhcpv4.OptMessage(why))
	s.send(q, p, p.ToBytes(), dhcpv4.MessageTypeNak)
}

// addTimes adds options 51, 58 and 59.
func (s *Server) addTimes(p *dhcpv4.DHCPv4, lease time.Duration) {
	p.UpdateOption(dhcpv4.OptIPAddressLeaseTime(lease))
	if s.cfg.T1 > 0 && s.cfg.T1 < lease {
		p.UpdateOption(dhcpv4.OptRenewTimeValue(s.cfg.T1))
	}
	if s.cfg.T2 > 0 && s.cfg.T2 < lease {
		p.UpdateOption(dhcpv4.OptRebindingTimeValue(s.cfg.T2))
	}
}

// addParameters adds the mask, and the rest as far as the client asks for it or
// does not say what it wants.
func (s *Server) addParameters(p *dhcpv4.DHCPv4, q *query) {
	p.UpdateOption(dhcpv4.OptSubnetMask(net.CIDRMask(s.cfg.Prefix.Bits(), 32)))
	list, _ := q.m.Option(uint8(dhcpv4.OptionParameterRequestList))
	add := func(have bool, o dhcpv4.Option) {
		if have && (len(list) == 0 || slices.Contains(list, o.Code.Code())) {
			p.UpdateOption(o)
		}
	}
	add(len(s.cfg.Routers) > 0, dhcpv4.OptRouter(ipList(s.cfg.Routers)...))
	add(len(s.cfg.DNS) > 0, dhcpv4.OptDNS(ipList(s.cfg.DNS)...))
	add(len(s.cfg.NTP) > 0, dhcpv4.OptNTPServers(ipList(s.cfg.NTP)...))
	add(s.cfg.Domain != "", dhcpv4.OptDomainName(s.cfg.Domain))
}

// encode adds the configured options and makes octets of the message. With
// Overload those that fit go into the file and sname fields.
func (s *Server) encode(p *dhcpv4.DHCPv4) []byte {
	file, sname := dhcpv4.Options{}, dhcpv4.Options{}
	fileFree, snameFree := 0, 0
	if s.cfg.Overload&1 != 0 {
		fileFree = sizeFile - 1 // for END
	}
	if s.cfg.Overload&2 != 0 {
		snameFree = sizeSname - 1
	}
	own := dhcpv4.Options{}
	for _, o := range s.cfg.Options {
		own[o.Code] = append(own[o.Code], o.Value...)
	}
	for code := range 256 { // in order: the same configuration makes the same octets
		v, ok := own[uint8(code)]
		if !ok {
			continue
		}
		delete(p.Options, uint8(code))
		n := len(v) + 2
		switch {
		case len(v) <= 255 && n <= fileFree:
			file[uint8(code)] = v
			fileFree -= n
		case len(v) <= 255 && n <= snameFree:
			sname[uint8(code)] = v
			snameFree -= n
		default:
			p.Options[uint8(code)] = v
		}
	}
	overload := byte(0)
	if len(file) > 0 {
		overload |= 1
	}
	if len(sname) > 0 {
		overload |= 2
	}
	if overload != 0 {
		p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionOptionOverload, []byte{overload}))
	}
	b := p.ToBytes()
	fill := func(o dhcpv4.Options, off, size int) {
		if len(o) > 0 {
			n := copy(b[off:off+size-1], o.ToBytes())
			b[off+n] = dhcpv4.OptionEnd.Code()
		}
	}
	fill(file, offFile, sizeFile)
	fill(sname, offSname, sizeSname)
	return b
}

// send addresses the answer as RFC 2131 §4.1 has it.
func (s *Server) send(q *query, p *dhcpv4.DHCPv4, b []byte, typ dhcpv4.MessageType) {
	r := Reply{Data: b, Dst: netip.AddrFrom4([4]byte{255, 255, 255, 255}), Broadcast: true}
	switch {
	case !q.m.GIAddr.IsUnspecified():
		r.Dst, r.Broadcast, r.Relay = q.m.GIAddr, false, true
	case typ == dhcpv4.MessageTypeNak:
	case !q.m.CIAddr.IsUnspecified():
		r.Dst, r.Broadcast = q.m.CIAddr, false
	case q.m.Flags&0x8000 == 0 && len(q.hw) > 0:
		r.Dst, r.Broadcast, r.DstHW = netip.AddrFrom4([4]byte(p.YourIPAddr.To4())), false, slices.Clone(q.hw)
	}
	s.stats.Sent[typ]++
	*q.out = append(*q.out, r)
}

func ip(a netip.Addr) net.IP {
	if !a.Is4() {
		return net.IPv4zero.To4()
	}
	return net.IP(a.AsSlice())
}

func ipList(list []netip.Addr) []net.IP {
	out := make([]net.IP, 0, len(list))
	for _, a := range list {
		out = append(out, ip(a))
	}
	return out
}
