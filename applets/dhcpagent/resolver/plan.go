package resolver

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Limits of what is told to a resolver. The C library uses three servers
// (MAXNS in resolv.conf(5)), others use more.
const (
	maxServers = 8
	maxSearch  = 32
)

// world is what was found on the host.
type world struct {
	auto       Mode
	resolvectl string // path, "" if it is not there
	resolvconf string
	// bareNames: resolvconf is systemd's, which takes the name of an interface
	// and no protocol after it.
	bareNames bool
}

// applied is what was brought about.
type applied struct {
	file       string            // text of resolv.conf, "" if it is not ours
	resolvconf map[string]string // text by the name given to the tool
	resolved   map[string]string // servers and domains by interface, joined
	tools      world             // by which the two were told
}

// A step is one piece of work.
type step struct {
	mode  Mode
	argv  []string
	stdin string // text for the tool, or of the file ("": restore the former one)
	// lenient: failing is as good as succeeding. What is to be removed may
	// have gone with its interface.
	lenient bool
	apply   func(*applied)
}

// plan returns the steps from what was brought about to what the entries say.
// It changes nothing. An error concerns entries that cannot be served.
func plan(entries []*Entry, have *applied, w world) (steps []step, err error) {
	var inFile, byConf, byResolved []*Entry
	for _, e := range entries {
		if !e.useful() {
			continue
		}
		m := e.Mode
		if m == Auto {
			m = w.auto
		}
		switch {
		case m == File:
			inFile = append(inFile, e)
		case m == Resolvconf && w.resolvconf != "":
			byConf = append(byConf, e)
		case m == Resolved && w.resolvectl != "":
			byResolved = append(byResolved, e)
		case m == Resolvconf:
			err = fmt.Errorf("the name servers of %s are not in use: resolvconf is not installed", e.Name)
		case m == Resolved:
			err = fmt.Errorf("the name servers of %s are not in use: resolvectl is not installed", e.Name)
		}
	}
	steps = planResolvconf(steps, byConf, have, w)
	steps = planResolved(steps, byResolved, have, w)
	return planFile(steps, inFile, have), err
}

func planFile(steps []step, entries []*Entry, have *applied) []step {
	text := fileText(entries)
	if text == have.file {
		return steps
	}
	return append(steps, step{mode: File, stdin: text, apply: func(a *applied) { a.file = text }})
}

func planResolvconf(steps []step, entries []*Entry, have *applied, w world) []step {
	want := make(map[string]string)
	for name, es := range grouped(entries, func(e *Entry) string { return confName(e, w.bareNames) }) {
		want[name] = body(es)
	}
	for _, name := range slices.Sorted(maps.Keys(have.resolvconf)) {
		if _, ok := want[name]; ok {
			continue
		}
		steps = append(steps, step{
			mode: Resolvconf, argv: []string{cmp.Or(w.resolvconf, have.tools.resolvconf), "-d", name}, lenient: true,
			apply: func(a *applied) { delete(a.resolvconf, name) },
		})
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		text := want[name]
		if have.resolvconf[name] == text {
			continue
		}
		steps = append(steps, step{
			mode: Resolvconf, argv: []string{w.resolvconf, "-a", name}, stdin: text,
			apply: func(a *applied) {
				a.tools.resolvconf = w.resolvconf
				put(&a.resolvconf, name, text)
			},
		})
	}
	return steps
}

func planResolved(steps []step, entries []*Entry, have *applied, w world) []step {
	want := grouped(entries, func(e *Entry) string { return link(e.Name) })
	for _, name := range slices.Sorted(maps.Keys(have.resolved)) {
		if _, ok := want[name]; ok {
			continue
		}
		steps = append(steps, step{
			mode: Resolved, argv: []string{cmp.Or(w.resolvectl, have.tools.resolvectl), "revert", name}, lenient: true,
			apply: func(a *applied) { delete(a.resolved, name) },
		})
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		servers, domains := servers(want[name]), domains(want[name])
		state := strings.Join(servers, " ") + "\n" + strings.Join(domains, " ")
		if have.resolved[name] == state {
			continue
		}
		if len(domains) == 0 {
			domains = []string{""} // resolvectl(1): an empty string takes the former ones away
		}
		steps = append(steps,
			step{
				mode: Resolved, argv: append([]string{w.resolvectl, "dns", name}, servers...),
				// Half of the work counts as none, but has to be undone.
				apply: func(a *applied) {
					a.tools.resolvectl = w.resolvectl
					put(&a.resolved, name, "")
				},
			},
			step{
				mode: Resolved, argv: append([]string{w.resolvectl, "domain", name}, domains...),
				apply: func(a *applied) { put(&a.resolved, name, state) },
			})
	}
	return steps
}

func put(m *map[string]string, key, value string) {
	if *m == nil {
		*m = make(map[string]string)
	}
	(*m)[key] = value
}

func grouped(entries []*Entry, key func(*Entry) string) map[string][]*Entry {
	m := make(map[string][]*Entry)
	for _, e := range entries {
		m[key(e)] = append(m[key(e)], e)
	}
	return m
}

// link is the kernel's interface under a logical one.
func link(name string) string {
	base, _, _ := strings.Cut(name, ":")
	return base
}

func confName(e *Entry, bare bool) string {
	if bare {
		return link(e.Name)
	}
	return e.Name + ".dhcp" + strconv.Itoa(e.Family)
}

// servers returns the name servers of entries in order, each once.
func servers(entries []*Entry) []string {
	var out []string
	seen := make(map[netip.Addr]bool)
	for _, e := range entries {
		for _, a := range e.DNS {
			if !a.IsValid() || a.IsUnspecified() || seen[a] || len(out) == maxServers {
				continue
			}
			seen[a] = true
			out = append(out, a.String())
		}
	}
	return out
}

// domains returns the search list of entries in order, each name once. A
// lease's own domain counts where it has no search list (RFC 3397 §3).
func domains(entries []*Entry) []string {
	var out []string
	for _, e := range entries {
		list := e.Search
		if len(list) == 0 && e.Domain != "" {
			list = []string{e.Domain}
		}
		for _, d := range list {
			if plain(d) && !slices.Contains(out, d) && len(out) < maxSearch {
				out = append(out, d)
			}
		}
	}
	return out
}

// plain is the last line of defence against a name that would become another
// line of a file or an option of a tool.
func plain(s string) bool {
	if s == "" || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// body is the text of entries in the form of resolv.conf(5), "" without
// servers.
func body(entries []*Entry) string {
	srv := servers(entries)
	if len(srv) == 0 {
		return ""
	}
	var b strings.Builder
	if d := domains(entries); len(d) > 0 {
		b.WriteString("search ")
		b.WriteString(strings.Join(d, " "))
		b.WriteByte('\n')
	}
	for _, s := range srv {
		b.WriteString("nameserver ")
		b.WriteString(s)
		b.WriteByte('\n')
	}
	return b.String()
}

// marker begins every file we write; by it we know our own again, also after a
// restart.
const marker = "# Written by dhcpagent"

// fileText is the text of resolv.conf for entries, "" for leaving it alone.
func fileText(entries []*Entry) string {
	text := body(entries)
	if text == "" {
		return ""
	}
	return marker + "; the former file is kept beside it as " + backupName + ".\n" + text
}
