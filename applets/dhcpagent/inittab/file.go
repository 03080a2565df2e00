package inittab

import (
	"strings"

	"daemonbox/applets/dhcpagent/api"
)

const (
	// maxLine is the longest line that is read, without its end.
	maxLine = 8192
	// maxEntries bounds the entries taken from files.
	maxEntries = 1024
	// maxName bounds an entry's name.
	maxName = 64
)

// LineError tells of a line of a file that was skipped.
type LineError struct {
	Line int // from 1
	Text string
}

// ParseFile adds the entries of an inittab file. Each line reads
//
//	NAME  CATEGORY, code, TYPE, granularity, maximum, consumers
//
// with blanks around the fields as one likes and comments from # to the end.
// An entry overrides built-in and earlier ones of its name or code in the same
// category. Lines that make no sense are skipped and returned.
func (t *Table) ParseFile(data []byte) []LineError {
	var bad []LineError
	n := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		n++
		if len(line) > maxLine {
			bad = append(bad, LineError{n, "line too long"})
			continue
		}
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		e, why := t.parseLine(line)
		if why == "" && len(t.extra) >= maxEntries {
			why = "too many entries"
		}
		if why != "" {
			if len(bad) < maxEntries {
				bad = append(bad, LineError{n, why})
			}
			continue
		}
		t.extra = append(t.extra, e)
	}
	return bad
}

// parseLine returns the entry of a line, or why there is none.
func (t *Table) parseLine(line string) (e Entry, why string) {
	cut := strings.IndexAny(line, " \t")
	if cut < 0 || cut > maxName {
		return e, "no name and category"
	}
	e = Entry{Name: line[:cut], Family: t.family}
	fields := strings.Split(line[cut:], ",")
	if len(fields) != 6 {
		return e, "not six fields"
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	var ok bool
	if e.Category, ok = parseCategory(fields[0]); !ok {
		return e, "unknown category"
	}
	last := uint32(255)
	if t.family == 6 || e.Category == api.Field {
		last = 65535
	}
	if e.Code, ok = parseNumber(fields[1], last); !ok {
		return e, "bad code"
	}
	if e.Type, ok = parseType(fields[2]); !ok {
		return e, "unknown type"
	}
	gran, ok1 := parseNumber(fields[3], 255)
	most, ok2 := parseNumber(fields[4], 255)
	if !ok1 || !ok2 || gran == 0 {
		return e, "bad granularity or maximum"
	}
	e.Gran, e.Max = uint8(gran), uint8(most)
	if e.Consumers, ok = parseConsumers(fields[5]); !ok {
		return e, "unknown consumer"
	}
	return e, ""
}

func parseCategory(s string) (api.Category, bool) {
	for _, c := range [...]api.Category{
		api.Standard, api.Extended, api.Vendor, api.Site, api.Field, api.Internal,
	} {
		if strings.EqualFold(string(c), s) {
			return c, true
		}
	}
	return "", false
}

func parseConsumers(s string) (Consumers, bool) {
	var set Consumers
	for i := range len(s) {
		n := strings.IndexByte("sdmi", s[i])
		if n < 0 {
			return 0, false
		}
		set |= 1 << n
	}
	return set, true
}
