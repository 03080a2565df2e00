package config

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// Limits of the file.
const (
	maxLine     = 1023
	maxSettings = 16384
	maxGlobs    = 256
)

type scope struct {
	ifname string // "" for all interfaces
	v6     bool
	param  Param
}

type entry struct {
	value string
	key   string // as written
	line  int
	bad   bool
}

type globEntry struct {
	scope
	entry
}

// settings is what one source sets.
type settings struct {
	exact map[scope]*entry
	globs []globEntry
}

// find returns what s says about a parameter: by the interface, by pattern, in
// general; nil for nothing.
func (s *settings) find(p Param, ifname string, six bool) *entry {
	if len(s.exact) == 0 && len(s.globs) == 0 {
		return nil
	}
	if ifname != "" {
		if e := s.exact[scope{ifname, six, p}]; e != nil {
			return e
		}
		for i := len(s.globs) - 1; i >= 0; i-- {
			if g := &s.globs[i]; g.param == p && g.v6 == six && match(g.ifname, ifname) {
				return &g.entry
			}
		}
	}
	return s.exact[scope{"", six, p}]
}

// mentions reports whether s says anything about a parameter.
func (s *settings) mentions(p Param) bool {
	for k := range s.exact {
		if k.param == p {
			return true
		}
	}
	return slices.ContainsFunc(s.globs, func(g globEntry) bool { return g.param == p })
}

// parse takes the contents of a file. cut says that the end is missing.
func (s *settings) parse(b []byte, cut bool, code func(string, bool) (uint16, bool), warn func(Warning)) {
	for n := 1; len(b) > 0; n++ {
		line, rest, ended := bytes.Cut(b, []byte{'\n'})
		b = rest
		if !ended && cut {
			return // a part of a line could say anything
		}
		line = bytes.TrimRight(line, "\r")
		if len(line) > maxLine {
			warn(Warning{Line: n, Text: "longer than 1023 characters, ignored"})
			continue
		}
		s.line(n, line, code, warn)
	}
}

// line takes one line of a file, or an assignment with line number 0.
func (s *settings) line(n int, b []byte, code func(string, bool) (uint16, bool), warn func(Warning)) {
	b = bytes.Trim(b, " \t\r")
	eq := bytes.IndexByte(b, '=')
	if len(b) == 0 || b[0] == '#' || eq < 0 {
		return
	}
	if bytes.IndexByte(b, 0) >= 0 {
		warn(Warning{Line: n, Text: "contains a NUL character, ignored"})
		return
	}
	key := string(bytes.TrimRight(b[:eq], " \t"))
	value := string(bytes.TrimLeft(b[eq+1:], " \t"))
	ifname, six, name := splitKey(key)
	p, ok := paramByName(name)
	if !ok {
		warn(Warning{Line: n, Text: "unknown parameter " + quote(name) + ", ignored"})
		return
	}
	if why := unfit(&params[p], ifname, six); why != "" {
		warn(Warning{Line: n, Text: params[p].name + " " + why})
		return
	}
	if params[p].family&later != 0 {
		warn(Warning{Line: n, Text: params[p].name + " has no effect in this version"})
	}
	e := entry{value: value, key: key, line: n}
	if err := params[p].check(value, six); err != nil {
		warn(Warning{Line: n, Text: params[p].name + "=" + quote(value) + ": " + err.Error()})
		e.bad = true
	}
	checkItems(p, value, six, code, func(what string) {
		warn(Warning{Line: n, Text: params[p].name + ": " + what})
	})
	if !s.add(scope{ifname, six, p}, e) {
		warn(Warning{Line: n, Text: "too many settings, ignored"})
	}
}

// splitKey takes a key apart. Interface names may contain dots (eth0.10), so
// the parameter is what follows the last one, and a V6 directly before it
// marks DHCPv6.
func splitKey(key string) (ifname string, six bool, name string) {
	dot := strings.LastIndexByte(key, '.')
	if dot < 0 {
		return "", false, key
	}
	ifname, name = key[:dot], key[dot+1:]
	if n := len(ifname); n >= 3 && strings.EqualFold(ifname[n-3:], ".v6") {
		return ifname[:n-3], true, name
	}
	return ifname, false, name
}

// unfit says why a parameter cannot be set in this form.
func unfit(p *param, ifname string, six bool) string {
	switch {
	case p.kind == kindObsolete:
		return "is obsolete and has no effect"
	case p.family&global != 0 && (ifname != "" || six):
		return "concerns the whole agent and takes no interface or .V6"
	case six && p.family&(v6|global) == 0:
		return "has no meaning in DHCPv6"
	case !six && p.family&(v4|global) == 0:
		return "has a meaning in DHCPv6 only (.V6." + p.name + ")"
	case isGlob(ifname):
		if _, err := path.Match(ifname, ""); err != nil {
			return "is set for a malformed pattern"
		}
	}
	return ""
}

// checkItems reports the items of a list that will be skipped.
func checkItems(p Param, value string, six bool, code func(string, bool) (uint16, bool), bad func(string)) {
	switch params[p].kind {
	case kindOptions:
		codes := optionCodes(value, six, code, func(it string) { bad("unknown option " + quote(it) + " skipped") })
		if p != ParamIgnoreList {
			return
		}
		for _, c := range codes {
			if needed(c, six) {
				bad("the protocol itself needs option " + utoa(c) + "; it is not ignored")
			}
		}
	case kindPrefixes:
		parsePrefixes(value, func(it string) { bad("bad prefix " + quote(it) + " skipped") })
	}
}

// needed reports whether the protocol cannot do without an option.
func needed(code uint16, six bool) bool {
	if six {
		switch code {
		case 1, 2, 3, 13, 25: // client and server id, IA_NA, status, IA_PD
			return true
		}
		return false
	}
	switch code {
	case 51, 53, 54: // lease time, message type, server id
		return true
	}
	return false
}

// add stores a setting. Replacing an earlier one is always possible.
func (s *settings) add(sc scope, e entry) bool {
	if isGlob(sc.ifname) {
		if len(s.globs) >= maxGlobs {
			return false
		}
		s.globs = append(s.globs, globEntry{sc, e})
		return true
	}
	if s.exact == nil {
		s.exact = make(map[scope]*entry)
	}
	if _, ok := s.exact[sc]; !ok && len(s.exact) >= maxSettings {
		return false
	}
	s.exact[sc] = &e
	return true
}

func hasAssignment(s string) bool {
	s = strings.TrimLeft(s, " \t")
	return s != "" && s[0] != '#' && strings.Contains(s, "=")
}
