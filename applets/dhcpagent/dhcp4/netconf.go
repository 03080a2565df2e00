package dhcp4

import (
	"encoding/binary"
	"log/slog"
	"math/bits"
	"net/netip"
	"slices"

	"daemonbox/core/timer"
)

// Warning is something about a lease that an operator should know; the client
// makes a Note of it.
type Warning struct {
	Level slog.Level
	Text  string
	Attrs []slog.Attr
}

// minMTU is the smallest MTU taken from a server. RFC 2132 §5.1 would have 68,
// but below 576 (RFC 1122 §3.3.2) a single message makes a host useless.
const minMTU = 576

// netBuilder collects what BuildNet makes.
type netBuilder struct {
	cfg  *Config
	m    *Message
	net  *NetConfig
	warn []Warning
}

// BuildNet makes of an ACK (or a BOOTP reply) what is to be put on the host.
// What is malformed is left out, with a warning. The ACK to an INFORM has no
// yiaddr: then there are neither address nor routes nor MTU.
func BuildNet(cfg *Config, m *Message, expires timer.Time) (*NetConfig, []Warning) {
	b := netBuilder{cfg: cfg, m: m, net: &NetConfig{Expires: expires, Server: m.ServerID()}}
	if ValidAddr(m.YIAddr, cfg.Allow240) {
		b.address()
		b.routes()
		b.mtu()
	}
	b.net.DNS = b.servers(optDNS)
	b.net.NTP = b.servers(optNTP)
	b.names()
	return b.net, b.warn
}

func (b *netBuilder) note(level slog.Level, text string, attrs ...slog.Attr) {
	b.warn = append(b.warn, Warning{level, text, attrs})
}

// address sets address, prefix length and broadcast address.
func (b *netBuilder) address() {
	n, ok := b.m.maskBits()
	if !ok {
		n = classBits(b.m.YIAddr)
		b.note(slog.LevelWarn, "no usable subnet mask, taking that of the address class", slog.Int("prefixlen", n))
	}
	p := netip.PrefixFrom(b.m.YIAddr, n)
	b.net.Addr = p
	if n < 31 { // RFC 3021: none on a /31
		b.net.Broadcast = lastAddr(p)
	}
	if given, ok := b.m.Addr(optBroadcast); ok && n < 31 && given != b.net.Broadcast {
		b.note(slog.LevelInfo, "server's broadcast address does not fit the mask, ignored",
			slog.String("given", given.String()), slog.String("used", b.net.Broadcast.String()))
	}
}

// routes chooses the options that count: RFC 3442 has a client that gets
// option 121 ignore options 3 and 33.
func (b *netBuilder) routes() {
	plan := routePlan{cfg: b.cfg, subnet: b.net.Addr, reject: b.rejected}
	if !b.classless(&plan) {
		if v, ok := b.m.Option(optStaticRoutes); ok {
			if len(v)%8 != 0 {
				b.note(slog.LevelWarn, "static routes: incomplete entry left out", optionAttr(optStaticRoutes))
			}
			list := parseStatic(v)
			plan.add(slices.DeleteFunc(list, func(r Route) bool {
				bad := r.Dst.Addr().IsUnspecified() || r.Gateway.IsUnspecified() // RFC 2132 §5.8: no default here
				if bad {
					b.rejected(r, routeBadValue)
				}
				return bad
			}))
		}
		if v, ok := b.m.Option(optRouter); ok {
			list, ok := parseRouters(v)
			if !ok {
				b.note(slog.LevelWarn, "list of routers malformed, not used", optionAttr(optRouter))
			}
			plan.add(list)
		}
	}
	b.net.Routes = plan.order()
}

// classless adds the routes of option 121, or of 249 where that is wanted and
// 121 is not there, and reports whether they replace options 3 and 33.
func (b *netBuilder) classless(plan *routePlan) bool {
	code := optRoutes
	v, ok := b.m.Option(code)
	if !ok && b.cfg.MSRoutes {
		code = optMSRoutes
		v, ok = b.m.Option(code)
	}
	if !ok {
		return false
	}
	list, ok := parseClassless(v)
	if !ok {
		b.note(slog.LevelWarn, "classless routes malformed, not used", optionAttr(code))
		return false
	}
	plan.add(list)
	return true
}

func (b *netBuilder) rejected(r Route, why routeError) {
	gw := "on-link"
	if r.Gateway.IsValid() {
		gw = r.Gateway.String()
	}
	level := slog.LevelWarn
	switch why {
	case routeAlias:
		level = slog.LevelDebug
	case routeDenied:
		level = slog.LevelInfo
	}
	b.note(level, "route left out: "+string(why), slog.String("dst", r.Dst.String()), slog.String("gateway", gw))
}

// mtu looks at option 26 where the configuration wants it.
func (b *netBuilder) mtu() {
	if b.cfg.MTU == MTUIgnore || !b.m.Has(optMTU) {
		return
	}
	v, ok := b.m.Uint16(optMTU)
	switch {
	case !ok || v < minMTU:
		b.note(slog.LevelWarn, "MTU malformed or too small, ignored", slog.Int("mtu", int(v)))
	case b.cfg.MTU == MTULink:
		b.net.MTU = int(v)
	case b.cfg.MTU == MTURoute:
		b.net.RouteMTU = int(v)
	}
}

// servers returns the usable addresses of a list, each once.
func (b *netBuilder) servers(code uint8) []netip.Addr {
	list := b.m.Addrs(code)
	out := list[:0]
	for _, a := range list {
		if ValidAddr(a, b.cfg.Allow240) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		if b.m.Has(code) {
			b.note(slog.LevelWarn, "no usable address in the option", optionAttr(code))
		}
		return nil
	}
	return out
}

// names takes domain and search list if they can be written to files.
func (b *netBuilder) names() {
	if s := b.m.String(optDomain); s != "" {
		var ok bool
		if b.net.Domain, ok = domain(s); !ok {
			b.note(slog.LevelWarn, "domain name not usable", slog.String("domain", Printable(s)))
		}
	}
	v, ok := b.m.Option(optSearch)
	if !ok {
		return
	}
	list, bad, whole := searchList(v)
	if bad > 0 || !whole {
		b.note(slog.LevelWarn, "search list: names left out", slog.Int("used", len(list)), slog.Bool("malformed", !whole))
	}
	b.net.Search = list
}

func optionAttr(code uint8) slog.Attr { return slog.Int("option", int(code)) }

// maskBits returns the prefix length of option 1; false unless it is contiguous
// and not zero.
func (m *Message) maskBits() (int, bool) {
	v, ok := m.Uint32(optMask)
	n := bits.LeadingZeros32(^v)
	return n, ok && n > 0 && v<<n == 0
}

// lastAddr returns the address of p with all host bits set.
func lastAddr(p netip.Prefix) netip.Addr {
	a := p.Masked().Addr().As4()
	v := binary.BigEndian.Uint32(a[:]) | uint32(uint64(1)<<(32-p.Bits())-1)
	binary.BigEndian.PutUint32(a[:], v)
	return netip.AddrFrom4(a)
}
