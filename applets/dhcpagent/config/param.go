package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/ident"
	"daemonbox/applets/dhcpagent/resolver"
)

// A Param names a parameter.
type Param uint8

// The parameters, in the order in which they are listed.
const (
	ReleaseOnSigterm Param = iota
	OfferWait
	StartDelay
	ClientID
	ParamRequestList
	ParamIgnoreList
	RequestHostname
	RequestFQDN
	DNSDomainname
	AdoptDomainname
	V4DefaultIAIDDUID
	VerifiedLeaseOnly
	SetMTU
	VendorClass
	LeaseTime
	Broadcast
	ACD
	ACDDefend
	MSRoutes
	Allow240
	RouteAllow
	RouteDenyPrefixes
	RouteMetric
	RouteTable
	ResolvConf
	KeepOnExit
	KeepOnExpiry
	HookExtra
	LinkDownDelay
	Autostart
	Anonymity
	RapidCommit
	DNATimeout
	IPv6OnlyCapable
	VendorEnterprise
	RATrigger
	ServerUnicast
	PD
	PDAssign
	IPCGroup
	DebugLevel
	Verbose
	IgnoreFailedARP
	ARPWait

	numParams
)

// kind is the type of a parameter's value.
type kind uint8

const (
	kindBool kind = iota
	kindInt
	kindText
	kindDomain
	kindEnum
	kindOptions
	kindPrefixes
	kindClientID
	kindMTU
	kindLeaseTime
	kindMetric
	kindTable
	kindVendor
	kindObsolete
)

// family says in which forms a parameter means something.
type family uint8

const (
	v4     family = 1 << iota
	v6            // has a .V6 form
	global        // concerns the whole agent: no interface
	later         // known, but nothing acts on it yet
)

type param struct {
	name     string
	def      string
	kind     kind
	family   family
	min, max uint32 // kindInt
	enum     string // kindEnum: words separated by |
}

// params is the table of parameters; its zero-cost form matters, as every
// start of every applet pays for package variables that need code.
var params = [numParams]param{
	ReleaseOnSigterm:  {name: "RELEASE_ON_SIGTERM", def: "no", kind: kindBool, family: v4 | v6},
	OfferWait:         {name: "OFFER_WAIT", def: "0", kind: kindInt, family: v4 | v6, max: 20},
	StartDelay:        {name: "START_DELAY", def: "0", kind: kindInt, family: v4 | v6, max: 3600},
	ClientID:          {name: "CLIENT_ID", kind: kindClientID, family: v4 | v6},
	ParamRequestList:  {name: "PARAM_REQUEST_LIST", def: "1,121,3,6,12,15,26,28,33,42,119", kind: kindOptions, family: v4 | v6},
	ParamIgnoreList:   {name: "PARAM_IGNORE_LIST", kind: kindOptions, family: v4 | v6},
	RequestHostname:   {name: "REQUEST_HOSTNAME", def: "yes", kind: kindBool, family: v4},
	RequestFQDN:       {name: "REQUEST_FQDN", def: "yes", kind: kindBool, family: v4 | v6},
	DNSDomainname:     {name: "DNS_DOMAINNAME", kind: kindDomain, family: v4},
	AdoptDomainname:   {name: "ADOPT_DOMAINNAME", def: "no", kind: kindBool, family: v4},
	V4DefaultIAIDDUID: {name: "V4_DEFAULT_IAID_DUID", def: "no", kind: kindBool, family: v4},
	VerifiedLeaseOnly: {name: "VERIFIED_LEASE_ONLY", def: "no", kind: kindBool, family: v4 | v6},
	// With some drivers a new MTU resets the link, and DHCP starts anew.
	SetMTU:            {name: "SET_MTU", def: "no", kind: kindMTU, family: v4},
	VendorClass:       {name: "VENDOR_CLASS", def: "dhcpagent", kind: kindVendor, family: v4 | v6},
	LeaseTime:         {name: "LEASE_TIME", def: "4294967295", kind: kindLeaseTime, family: v4},
	Broadcast:         {name: "BROADCAST", def: "no", kind: kindBool, family: v4},
	ACD:               {name: "ACD", def: "fast", kind: kindEnum, family: v4, enum: "fast|full|off|optimistic"},
	ACDDefend:         {name: "ACD_DEFEND", def: "yes", kind: kindBool, family: v4},
	MSRoutes:          {name: "MS_ROUTES", def: "no", kind: kindBool, family: v4},
	Allow240:          {name: "ALLOW_240", def: "no", kind: kindBool, family: v4},
	RouteAllow:        {name: "ROUTE_ALLOW", def: "all", kind: kindEnum, family: v4, enum: "all|default-only|none"},
	RouteDenyPrefixes: {name: "ROUTE_DENY_PREFIXES", kind: kindPrefixes, family: v4},
	RouteMetric:       {name: "ROUTE_METRIC", def: "auto", kind: kindMetric, family: v4},
	RouteTable:        {name: "ROUTE_TABLE", def: "auto", kind: kindTable, family: v4},
	ResolvConf:        {name: "RESOLV_CONF", def: "auto", kind: kindEnum, family: v4 | v6, enum: resolver.Modes},
	KeepOnExit:        {name: "KEEP_ON_EXIT", def: "no", kind: kindBool, family: v4 | v6},
	KeepOnExpiry:      {name: "KEEP_ON_EXPIRY", def: "no", kind: kindBool, family: v4},
	HookExtra:         {name: "HOOK_EXTRA", def: "no", kind: kindBool, family: v4 | v6},
	LinkDownDelay:     {name: "LINK_DOWN_DELAY", def: "0", kind: kindInt, family: v4 | v6, max: 3600},
	Autostart:         {name: "AUTOSTART", def: "no", kind: kindBool, family: v4 | v6},
	Anonymity:         {name: "ANONYMITY", def: "no", kind: kindBool, family: v4 | v6 | later},
	RapidCommit:       {name: "RAPID_COMMIT", def: "no", kind: kindBool, family: v4 | v6 | later},
	DNATimeout:        {name: "DNA_TIMEOUT", def: "200", kind: kindInt, family: v4 | later, max: 10000}, // ms
	IPv6OnlyCapable:   {name: "IPV6_ONLY_CAPABLE", def: "no", kind: kindBool, family: v4 | later},
	VendorEnterprise:  {name: "VENDOR_ENTERPRISE", def: "42", kind: kindInt, family: v6 | later, max: 4294967295},
	RATrigger:         {name: "RA_TRIGGER", def: "off", kind: kindEnum, family: v6 | later, enum: "off|auto"},
	ServerUnicast:     {name: "SERVER_UNICAST", def: "no", kind: kindBool, family: v6 | later},
	PD:                {name: "PD", kind: kindText, family: v6 | later},
	PDAssign:          {name: "PD_ASSIGN", kind: kindText, family: v6 | later},
	IPCGroup:          {name: "DHCP_IPC_GROUP", kind: kindText, family: global},
	DebugLevel:        {name: "DEBUG_LEVEL", def: "0", kind: kindInt, family: global, max: 3},
	Verbose:           {name: "VERBOSE", def: "no", kind: kindBool, family: global},
	IgnoreFailedARP:   {name: "IGNORE_FAILED_ARP", kind: kindObsolete, family: global},
	ARPWait:           {name: "ARP_WAIT", kind: kindObsolete, family: global},
}

// v6RequestList is the built-in PARAM_REQUEST_LIST of DHCPv6.
const v6RequestList = "23,24,31,56"

// String returns the name of the parameter as it is written in the file.
func (p Param) String() string { return params[p].name }

// builtin returns the value in force when nothing is set.
func (p Param) builtin(six bool) string {
	if six {
		switch p {
		case ParamRequestList:
			return v6RequestList
		case VendorClass:
			return ""
		}
	}
	return params[p].def
}

func paramByName(name string) (Param, bool) {
	for i := range params {
		if strings.EqualFold(params[i].name, name) {
			return Param(i), true
		}
	}
	return 0, false
}

// Errors of values.
var (
	errBool   = errors.New("want yes or no")
	errText   = errors.New("want printable ASCII characters")
	errDomain = errors.New("not a domain name")
)

// check says what is wrong with a value. Items of lists are looked at one by
// one by their own parsers.
func (p *param) check(value string, six bool) error {
	var err error
	switch p.kind {
	case kindBool:
		_, err = parseBool(value)
	case kindInt:
		_, err = parseInt(value, p.min, p.max)
	case kindText:
		if !printable(value) {
			err = errText
		}
	case kindDomain:
		if value != "" && !dhcp4.ValidHost(value) {
			err = errDomain
		}
	case kindEnum:
		_, err = parseEnum(value, p.enum)
	case kindClientID:
		err = checkClientID(value, six)
	case kindMTU:
		_, err = parseMTU(value)
	case kindLeaseTime:
		_, err = parseLeaseTime(value)
	case kindMetric:
		_, _, err = parseMetric(value)
	case kindTable:
		_, err = parseTable(value)
	case kindVendor:
		err = checkVendor(value, six)
	case kindOptions, kindPrefixes, kindObsolete:
	}
	return err
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "yes", "true", "1":
		return true, nil
	case "no", "false", "0":
		return false, nil
	}
	return false, errBool
}

// parseInt reads a decimal number. strconv would take a sign, which no
// parameter has.
func parseInt(s string, lo, hi uint32) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || s[0] < '0' || s[0] > '9' || uint32(n) < lo || uint32(n) > hi {
		return 0, fmt.Errorf("want a number in %d..%d", lo, hi)
	}
	return uint32(n), nil
}

// parseEnum returns the position of s among the words of enum.
func parseEnum(s, enum string) (int, error) {
	i := 0
	for w := range strings.SplitSeq(enum, "|") {
		if strings.EqualFold(s, w) {
			return i, nil
		}
		i++
	}
	return 0, fmt.Errorf("want one of %s", enum)
}

func parseMTU(s string) (dhcp4.MTUMode, error) {
	if strings.EqualFold(s, "route") {
		return dhcp4.MTURoute, nil
	}
	b, err := parseBool(s)
	switch {
	case err != nil:
		return 0, errors.New("want yes, no or route")
	case b:
		return dhcp4.MTULink, nil
	}
	return dhcp4.MTUIgnore, nil
}

// parseLeaseTime returns 0 for "none".
func parseLeaseTime(s string) (uint32, error) {
	if strings.EqualFold(s, "none") {
		return 0, nil
	}
	n, err := parseInt(s, 1, 4294967295)
	if err != nil {
		return 0, errors.New("want a number of seconds or none")
	}
	return n, nil
}

// parseMetric returns ok false for "auto".
func parseMetric(s string) (metric uint32, ok bool, err error) {
	if s == "" || strings.EqualFold(s, "auto") {
		return 0, false, nil
	}
	metric, err = parseInt(s, 0, 4294967295)
	if err != nil {
		return 0, false, errors.New("want a number or auto")
	}
	return metric, true, nil
}

// Routing tables that have names without a file (rtnetlink(7)).
const (
	tableDefault = 253
	tableMain    = 254
)

// parseTable returns 0 for "auto": the table of the interface's VRF, else main.
func parseTable(s string) (uint32, error) {
	switch strings.ToLower(s) {
	case "", "auto":
		return 0, nil
	case "main":
		return tableMain, nil
	case "default":
		return tableDefault, nil
	}
	n, err := parseInt(s, 1, 4294967295)
	if err != nil {
		return 0, errors.New("want a number above 0, main, default or auto")
	}
	return n, nil
}

func checkClientID(s string, six bool) error {
	set, err := ident.Parse(s)
	if err != nil {
		return err
	}
	if six && !set.IsDUID() {
		return errors.New("DHCPv6 takes a DUID")
	}
	return nil
}

// checkVendor checks VENDOR_CLASS: in DHCPv6 an enterprise number stands
// before the text.
func checkVendor(s string, six bool) error {
	text := s
	if six && s != "" {
		number, rest, ok := strings.Cut(s, ",")
		if _, err := parseInt(number, 0, 4294967295); err != nil || !ok {
			return errors.New("want ENTERPRISE,TEXT")
		}
		text = rest
	}
	if !printable(text) || len(text) > 255 {
		return errText
	}
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// items splits a list; blanks around items and empty items don't count.
func items(s string, fn func(item string)) {
	for it := range strings.SplitSeq(s, ",") {
		if it = strings.TrimSpace(it); it != "" {
			fn(it)
		}
	}
}

// maxPrefixes bounds ROUTE_DENY_PREFIXES.
const maxPrefixes = 256

func parsePrefixes(s string, bad func(item string)) []netip.Prefix {
	var out []netip.Prefix
	items(s, func(it string) {
		p, err := netip.ParsePrefix(it)
		if a, aerr := netip.ParseAddr(it); err != nil && aerr == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil || !p.Addr().Is4() || len(out) == maxPrefixes {
			bad(it)
			return
		}
		out = append(out, p.Masked())
	})
	return out
}

// parseOptions reads a list of option codes. Numbers may be decimal, octal with
// a leading 0 or hexadecimal with 0x; names are looked up.
func parseOptions(s string, highest uint64, code func(name string) (uint16, bool), bad func(item string)) []uint16 {
	var out []uint16
	seen := make(map[uint16]bool)
	items(s, func(it string) {
		var c uint16
		if it[0] >= '0' && it[0] <= '9' {
			n, err := parseCode(it)
			if err != nil || n < 1 || n > highest {
				bad(it)
				return
			}
			c = uint16(n)
		} else {
			n, ok := code(it)
			if !ok || uint64(n) > highest {
				bad(it)
				return
			}
			c = n
		}
		if !seen[c] {
			seen[c] = true
			out = append(out, c)
		}
	})
	return out
}

// parseCode reads a number as C does, without the further forms of Go.
func parseCode(s string) (uint64, error) {
	switch {
	case len(s) > 2 && s[0] == '0' && s[1]|0x20 == 'x':
		return strconv.ParseUint(s[2:], 16, 16)
	case len(s) > 1 && s[0] == '0':
		return strconv.ParseUint(s[1:], 8, 16)
	}
	return strconv.ParseUint(s, 10, 16)
}
