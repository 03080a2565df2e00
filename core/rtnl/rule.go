package rtnl

import (
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Rule is a policy routing rule.
type Rule struct {
	Family     uint8 // AF_INET or AF_INET6; 0 in a request: that of From or To
	Priority   uint32
	Table      uint32
	From, To   netip.Prefix // zero: any
	In, Out    string       // interface names; empty: any
	Mark, Mask uint32       // firewall mark; both 0: any
	Proto      uint8        // RTPROT_*: who added it
	Action     uint8        // FR_ACT_*; 0 in a request: look up Table
	Invert     bool         // the rule is for what does not match
}

// ruleHeaderLen is the size of struct fib_rule_hdr.
const ruleHeaderLen = 12

// decodeRule reads struct fib_rule_hdr and its attributes.
func decodeRule(data []byte) (r Rule, err error) {
	if len(data) < ruleHeaderLen {
		return Rule{}, errShort
	}
	r.Family = data[0]
	if r.Family != unix.AF_INET && r.Family != unix.AF_INET6 {
		return Rule{}, errIgnored
	}
	r.Table = uint32(data[4])
	r.Action = data[7]
	r.Invert = ne.Uint32(data[8:])&unix.FIB_RULE_INVERT != 0
	var from, to netip.Addr
	err = decodeAttrs(data, ruleHeaderLen, func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case unix.FRA_DST:
			to = decodeAddr(ad)
		case unix.FRA_SRC:
			from = decodeAddr(ad)
		case unix.FRA_IIFNAME:
			r.In = ad.String()
		case unix.FRA_OIFNAME:
			r.Out = ad.String()
		case unix.FRA_PRIORITY:
			r.Priority = ad.Uint32()
		case unix.FRA_TABLE:
			r.Table = ad.Uint32()
		case unix.FRA_FWMARK:
			r.Mark = ad.Uint32()
		case unix.FRA_FWMASK:
			r.Mask = ad.Uint32()
		case unix.FRA_PROTOCOL:
			r.Proto = ad.Uint8()
		}
	})
	if err != nil {
		return Rule{}, err
	}
	if r.To, err = rulePrefix(to, data[1], r.Family); err != nil {
		return Rule{}, err
	}
	r.From, err = rulePrefix(from, data[2], r.Family)
	return r, err
}

func rulePrefix(a netip.Addr, bits, family uint8) (netip.Prefix, error) {
	if !a.IsValid() {
		return netip.Prefix{}, nil
	}
	if familyOf(a) != family {
		return netip.Prefix{}, errFamily
	}
	return prefixOf(a, bits)
}

func (r *Rule) encode() ([]byte, error) {
	family := r.Family
	if family == 0 {
		family = familyOf(r.From.Addr()) | familyOf(r.To.Addr())
	}
	if family != unix.AF_INET && family != unix.AF_INET6 {
		return nil, errFamily
	}
	h := make([]byte, ruleHeaderLen, 96)
	h[0] = family
	h[1], h[2] = uint8(max(r.To.Bits(), 0)), uint8(max(r.From.Bits(), 0))
	if r.Table < 256 {
		h[4] = uint8(r.Table)
	}
	if h[7] = r.Action; h[7] == 0 {
		h[7] = unix.FR_ACT_TO_TBL
	}
	if r.Invert {
		ne.PutUint32(h[8:], unix.FIB_RULE_INVERT)
	}
	return encode(h, r.encodeAttrs)
}

func (r *Rule) encodeAttrs(ae *netlink.AttributeEncoder) {
	if r.To.Bits() > 0 {
		ae.Bytes(unix.FRA_DST, r.To.Masked().Addr().AsSlice())
	}
	if r.From.Bits() > 0 {
		ae.Bytes(unix.FRA_SRC, r.From.Masked().Addr().AsSlice())
	}
	if r.In != "" {
		ae.String(unix.FRA_IIFNAME, r.In)
	}
	if r.Out != "" {
		ae.String(unix.FRA_OIFNAME, r.Out)
	}
	ae.Uint32(unix.FRA_PRIORITY, r.Priority)
	if r.Table > 255 {
		ae.Uint32(unix.FRA_TABLE, r.Table)
	}
	if r.Mark != 0 || r.Mask != 0 {
		ae.Uint32(unix.FRA_FWMARK, r.Mark)
		ae.Uint32(unix.FRA_FWMASK, r.Mask)
	}
	if r.Proto != 0 {
		ae.Uint8(unix.FRA_PROTOCOL, r.Proto)
	}
}
