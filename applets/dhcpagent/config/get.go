package config

import (
	"slices"
	"strconv"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/ident"
	"daemonbox/applets/dhcpagent/resolver"
)

// v4Highest is the highest code of a DHCPv4 option that carries a value.
const (
	v4Highest = 254
	v6Highest = 65535
)

// Options of DHCPv4 whose order in the request list counts.
const (
	optRouter    = 3
	optStatic    = 33
	optClassless = 121
	optMSRoutes  = 249
)

// The typed getters below are only given parameters of their kind, and values
// that check has let through.

func (c *Config) bool(p Param, ifname string) bool {
	b, _ := parseBool(c.value(p, ifname, false))
	return b
}

func (c *Config) int(p Param, ifname string) uint32 {
	n, _ := parseInt(c.value(p, ifname, false), params[p].min, params[p].max)
	return n
}

func (c *Config) enum(p Param, ifname string) int {
	n, _ := parseEnum(c.value(p, ifname, false), params[p].enum)
	return n
}

func (c *Config) seconds(p Param, ifname string) time.Duration {
	return time.Duration(c.int(p, ifname)) * time.Second
}

// V4 returns the settings of the DHCPv4 client on the logical interface l.
func (c *Config) V4(l ident.Link, primary bool) *dhcp4.Config {
	c.refresh()
	n := l.Name
	mtu, _ := parseMTU(c.value(SetMTU, n, false))
	lease, _ := parseLeaseTime(c.value(LeaseTime, n, false))
	id := c.clientID(l)
	d := &dhcp4.Config{
		Alias:             l.Alias,
		Primary:           primary,
		OfferWait:         c.seconds(OfferWait, n),
		StartDelay:        c.seconds(StartDelay, n),
		ClientID:          id.Octets,
		ClientIDFollowsHW: id.FollowsHW,
		ParamRequest:      c.requestList(n),
		ParamIgnore:       c.ignoreList(n),
		VendorClass:       c.value(VendorClass, n, false),
		LeaseTime:         lease,
		Broadcast:         c.bool(Broadcast, n),
		RequestHostname:   c.bool(RequestHostname, n),
		RequestFQDN:       c.bool(RequestFQDN, n),
		DNSDomain:         c.value(DNSDomainname, n, false),
		AdoptDomain:       c.bool(AdoptDomainname, n),
		VerifiedLeaseOnly: c.bool(VerifiedLeaseOnly, n),
		ReleaseOnSigterm:  c.bool(ReleaseOnSigterm, n),
		KeepOnExpiry:      c.bool(KeepOnExpiry, n),
		ACD:               dhcp4.ACDMode(c.enum(ACD, n)),
		ACDDefend:         c.bool(ACDDefend, n),
		MTU:               mtu,
		MSRoutes:          c.bool(MSRoutes, n),
		Allow240:          c.bool(Allow240, n),
		RouteAllow:        dhcp4.RoutePolicy(c.enum(RouteAllow, n)),
		RouteDeny:         parsePrefixes(c.value(RouteDenyPrefixes, n, false), func(string) {}),
		HookExtra:         c.bool(HookExtra, n),
	}
	if d.RequestHostname {
		d.IfHostname = ifHostname(c.o.Etc, n)
		if primary {
			d.NodeName = nodeName(c.o.Etc)
		}
	}
	if d.AdoptDomain {
		d.ResolverDomain = resolver.Domain(c.o.Etc + "/resolv.conf")
	}
	return d
}

func (c *Config) clientID(l ident.Link) ident.ID {
	set, err := ident.Parse(c.value(ClientID, l.Name, false))
	if err != nil {
		set = ident.Setting{} // a bad value was reported when it was read
	}
	if c.o.Identity == nil {
		return ident.ID{FollowsHW: true}
	}
	id, err := c.o.Identity.Client4(&set, c.bool(V4DefaultIAIDDUID, l.Name), l)
	if err != nil {
		c.warnOnce(l.Name + ": " + err.Error() + "; the default identity is used")
	}
	return id
}

// requestList is the value of option 55. RFC 3442 wants option 121 before 3
// and 33, whatever the administrator's order is.
func (c *Config) requestList(ifname string) []uint8 {
	value := c.value(ParamRequestList, ifname, false)
	codes := optionCodes(value, false, c.o.OptionCode, func(string) {})
	if c.bool(MSRoutes, ifname) && value == params[ParamRequestList].def {
		codes = append(codes, optMSRoutes)
	}
	if at := slices.Index(codes, optClassless); at >= 0 {
		first := slices.IndexFunc(codes, func(c uint16) bool { return c == optRouter || c == optStatic })
		if first >= 0 && first < at {
			codes = slices.Insert(slices.Delete(codes, at, at+1), first, optClassless)
		}
	}
	return octets(codes)
}

func (c *Config) ignoreList(ifname string) []uint8 {
	codes := optionCodes(c.value(ParamIgnoreList, ifname, false), false, c.o.OptionCode, func(string) {})
	return octets(slices.DeleteFunc(codes, func(c uint16) bool { return needed(c, false) }))
}

func optionCodes(value string, six bool, code func(string, bool) (uint16, bool), bad func(string)) []uint16 {
	highest := uint64(v4Highest)
	if six {
		highest = v6Highest
	}
	return parseOptions(value, highest, func(name string) (uint16, bool) { return code(name, six) }, bad)
}

func octets(codes []uint16) []uint8 {
	if len(codes) == 0 {
		return nil
	}
	b := make([]uint8, len(codes))
	for i, c := range codes {
		b[i] = uint8(c)
	}
	return b
}

// Local are the settings of an interface that concern the driver of its client
// rather than the protocol.
type Local struct {
	// Metric of the routes; Auto leaves the choice to the agent.
	Metric     uint32
	AutoMetric bool
	// Table of the routes, 0: that of the interface's VRF, else main.
	Table         uint32
	ResolvConf    resolver.Mode
	KeepOnExit    bool
	LinkDownDelay time.Duration
	Autostart     bool
}

// Local returns the settings of the driver for an interface.
func (c *Config) Local(ifname string) Local {
	c.refresh()
	metric, ok, _ := parseMetric(c.value(RouteMetric, ifname, false))
	table, _ := parseTable(c.value(RouteTable, ifname, false))
	return Local{
		Metric:        metric,
		AutoMetric:    !ok,
		Table:         table,
		ResolvConf:    resolver.Mode(c.enum(ResolvConf, ifname)),
		KeepOnExit:    c.bool(KeepOnExit, ifname),
		LinkDownDelay: c.seconds(LinkDownDelay, ifname),
		Autostart:     c.bool(Autostart, ifname),
	}
}

// Mentions reports whether a parameter is set for any interface at all.
func (c *Config) Mentions(p Param) bool {
	c.refresh()
	return c.set.mentions(p) || c.file.mentions(p)
}

// Agent are the settings of the agent as a whole.
type Agent struct {
	DebugLevel int
	Verbose    bool
	// Group may give privileged commands, "" for none; a name or a number.
	Group string
}

// Agent returns the settings of the agent as a whole.
func (c *Config) Agent() Agent {
	c.refresh()
	return Agent{
		DebugLevel: int(c.int(DebugLevel, "")),
		Verbose:    c.bool(Verbose, ""),
		Group:      c.value(IPCGroup, "", false),
	}
}

func utoa(n uint16) string { return strconv.Itoa(int(n)) }

// quote makes a piece of the file fit for a log, and short.
func quote(s string) string {
	const longest = 60
	if len(s) > longest {
		s = s[:longest] + "..."
	}
	return strconv.QuoteToASCII(s)
}
