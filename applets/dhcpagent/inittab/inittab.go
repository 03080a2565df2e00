// Package inittab knows names and types of DHCP options: the built-in tables
// for DHCPv4 and DHCPv6, the inittab files that add to them or override them,
// and the text form of option values. A Table is changed only by ParseFile;
// afterwards any goroutine may read it.
package inittab

import (
	"strconv"
	"strings"

	"daemonbox/applets/dhcpagent/api"
)

// Type is the type of an option's value.
type Type uint8

// The types. Octet, ASCII, Domain, DUID, Bool, Number and Routes take the whole
// value; the others are lists of elements of fixed size.
const (
	Octet Type = iota
	ASCII
	IP
	IPv6
	Number // 1, 2, 4 or 8 octets
	UNumber8
	UNumber16
	UNumber24
	UNumber32
	UNumber64
	SNumber8
	SNumber16
	SNumber32
	SNumber64
	Domain // RFC 1035 names
	DUID   // RFC 8415 §11
	Bool   // true by being there
	Routes // RFC 3442

	numTypes
)

var types = [numTypes]struct {
	name string
	size uint8 // octets of an element
}{
	{"OCTET", 1},
	{"ASCII", 1},
	{"IP", 4},
	{"IPV6", 16},
	{"NUMBER", 1},
	{"UNUMBER8", 1},
	{"UNUMBER16", 2},
	{"UNUMBER24", 3},
	{"UNUMBER32", 4},
	{"UNUMBER64", 8},
	{"SNUMBER8", 1},
	{"SNUMBER16", 2},
	{"SNUMBER32", 4},
	{"SNUMBER64", 8},
	{"DOMAIN", 1},
	{"DUID", 1},
	{"BOOL", 1},
	{"ROUTES", 1},
}

// String returns the name used in files.
func (t Type) String() string {
	if t < numTypes {
		return types[t].name
	}
	return "TYPE" + strconv.Itoa(int(t))
}

func parseType(s string) (Type, bool) {
	for i := range types {
		if strings.EqualFold(types[i].name, s) {
			return Type(i), true
		}
	}
	return 0, false
}

// Consumers is the set of programs an entry is meant for.
type Consumers uint8

// The consumers, with their letters in files.
const (
	Snoop   Consumers = 1 << iota // s
	Server                        // d
	Manager                       // m
	Info                          // i

	allConsumers = Snoop | Server | Manager | Info
)

// Entry is one option, sub-option or field.
type Entry struct {
	Name     string
	Category api.Category
	// Code is the option code; for fields the offset in the packet.
	Code uint32
	Type Type
	// Gran is how many values belong together (one line), Max how many such
	// groups there are at most, 0 for any number.
	Gran, Max uint8
	Consumers Consumers
	// Family is 4 or 6.
	Family uint8
}

// Size returns the most octets a value can have, 0 for no limit. It is the
// length of a field.
func (e *Entry) Size() int { return int(types[e.Type].size) * int(e.Gran) * int(e.Max) }

// Table finds entries: those of files first, then the built-in ones.
type Table struct {
	family uint8
	extra  []Entry
}

// New returns the built-in table of family 4 or 6.
func New(family int) *Table {
	if family == 6 {
		return &Table{family: 6}
	}
	return &Table{family: 4}
}

// Lookup returns the entry of that name, whatever its case, in the first of the
// categories that has one.
func (t *Table) Lookup(name string, cats ...api.Category) (Entry, bool) {
	for _, cat := range cats {
		if e, ok := t.find(cat, func(n string, _ uint32) bool { return strings.EqualFold(n, name) }); ok {
			return e, true
		}
	}
	return Entry{}, false
}

// ByCode returns the entry with that code.
func (t *Table) ByCode(cat api.Category, code uint32) (Entry, bool) {
	return t.find(cat, func(_ string, c uint32) bool { return c == code })
}

func (t *Table) find(cat api.Category, is func(name string, code uint32) bool) (Entry, bool) {
	for i := len(t.extra) - 1; i >= 0; i-- { // the last line on a thing counts
		if e := &t.extra[i]; e.Category == cat && is(e.Name, e.Code) {
			return *e, true
		}
	}
	list := builtins(t.family, cat)
	for i := range list {
		if r := &list[i]; is(r.name, uint32(r.code)) {
			return t.entry(cat, r), true
		}
	}
	return Entry{}, false
}

func (t *Table) entry(cat api.Category, r *row) Entry {
	return Entry{
		Name: r.name, Category: cat, Code: uint32(r.code), Type: r.typ, Gran: max(r.gran, 1), Max: r.max,
		Consumers: allConsumers, Family: t.family,
	}
}

// Resolve finds what a user asks for: a name in the categories SITE, STANDARD,
// VENDOR and FIELD, in this order, among the entries meant for Info; or a
// number: an option code, above 256 (DHCPv4) or 65536 (DHCPv6) a vendor
// sub-option. Vendor and site options that no table has are octets.
func (t *Table) Resolve(arg string) (Entry, bool) {
	if arg == "" || arg[0] < '0' || arg[0] > '9' {
		for _, cat := range [...]api.Category{api.Site, api.Standard, api.Vendor, api.Field} {
			e, ok := t.find(cat, func(n string, _ uint32) bool { return strings.EqualFold(n, arg) })
			if ok && e.Consumers&Info != 0 {
				return e, true
			}
		}
		return Entry{}, false
	}
	n, ok := parseNumber(arg, 1<<18)
	if !ok {
		return Entry{}, false
	}
	limit, siteFirst := uint32(256), uint32(128)
	if t.family == 6 {
		limit, siteFirst = 65536, 65536 // DHCPv6 has no range for sites
	}
	switch {
	case n == limit || n > 2*limit:
		return Entry{}, false
	case n > limit:
		return t.orOctets(api.Vendor, n-limit), true
	}
	for _, cat := range [...]api.Category{api.Standard, api.Site} {
		if e, ok := t.ByCode(cat, n); ok {
			return e, true
		}
	}
	if n >= siteFirst && n < limit-1 {
		return t.orOctets(api.Site, n), true
	}
	return Entry{}, false
}

func (t *Table) orOctets(cat api.Category, code uint32) Entry {
	if e, ok := t.ByCode(cat, code); ok {
		return e
	}
	return Entry{Category: cat, Code: code, Type: Octet, Gran: 1, Consumers: allConsumers, Family: t.family}
}

// maxList bounds the codes taken from one list.
const maxList = 255

// ParseList reads a list of options as in a request or ignore list: numbers
// (decimal, octal with 0, hexadecimal with 0x before) or names of the
// categories STANDARD and SITE, with commas between. Each code comes once;
// unknown items are returned in bad.
func (t *Table) ParseList(s string) (codes []uint16, bad []string) {
	last := uint32(254) // 0 and 255 are PAD and END
	if t.family == 6 {
		last = 65535
	}
	var seen [1 << 16 / 64]uint64
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		var code uint32
		var ok bool
		if item[0] >= '0' && item[0] <= '9' {
			code, ok = parseNumber(item, last)
			ok = ok && code > 0
		} else {
			var e Entry
			e, ok = t.Lookup(item, api.Standard, api.Site)
			code = e.Code
		}
		switch {
		case !ok || code > last || len(codes) == maxList:
			bad = append(bad, item)
		case seen[code/64]>>(code%64)&1 == 0:
			seen[code/64] |= 1 << (code % 64)
			codes = append(codes, uint16(code))
		}
	}
	return codes, bad
}

// parseNumber reads a number up to limit in C notation.
func parseNumber(s string, limit uint32) (uint32, bool) {
	base := 10
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X"):
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		s, base = s[1:], 8
	}
	n, err := strconv.ParseUint(s, base, 32)
	return uint32(n), err == nil && uint32(n) <= limit
}
