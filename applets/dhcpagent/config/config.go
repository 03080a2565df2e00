// Package config reads the agent's configuration: the file
// /etc/default/dhcpagent, the assignments of the command line, and the host
// names an interface may ask for.
//
// A line of the file is [INTERFACE][.V6].NAME=VALUE. What concerns one
// interface wins over what concerns interfaces by a glob pattern, that over
// what concerns all, that over the built-in value; DHCPv6 does not fall back to
// the forms of DHCPv4. Of two lines of one kind the later one counts. The
// command line's assignments have the same forms and win over the whole file.
//
// The file is looked at, by one stat(2), at each call that returns settings and
// read anew when it has changed. Values are checked when the file is read, so
// that a bad one is reported once for a version of the file; the built-in value
// is used then. A Config belongs to one goroutine, the event loop's.
package config

import (
	"fmt"
	"path"

	"daemonbox/applets/dhcpagent/file"
	"daemonbox/applets/dhcpagent/ident"
)

// Default is the usual place of the file.
const Default = "/etc/default/dhcpagent"

// Options of a Config.
type Options struct {
	// Path is that of the file, "" for none at all.
	Path string
	// Set are assignments of the command line, [INTERFACE][.V6].NAME=VALUE.
	Set []string
	// OptionCode finds the code of an option of category STANDARD or SITE by
	// name, whatever its case. nil knows no names.
	OptionCode func(name string, v6 bool) (code uint16, ok bool)
	// Identity makes client identifiers.
	Identity *ident.Store
	// Etc is the directory of hostname, hostname.IF and resolv.conf; "" is /etc.
	Etc string
}

// A Config knows all settings of the agent.
type Config struct {
	o        Options
	set      settings // command line
	file     settings
	id       file.ID
	read     bool // the file was looked at
	warnings []Warning
	quiet    map[string]bool // warnings given that do not concern a line
}

// A Warning is something to tell the administrator.
type Warning struct {
	// Line is that of the file, 0 when it is no single one.
	Line int
	// Missing: there is no file. Built-in values and the command line count.
	Missing bool
	Text    string
}

// String returns the text with the line it concerns.
func (w Warning) String() string {
	if w.Line > 0 {
		return fmt.Sprintf("line %d: %s", w.Line, w.Text)
	}
	return w.Text
}

// New returns a Config. It fails for an assignment of the command line that
// makes no sense: what was typed can be typed again. The file is read at the
// first question.
func New(o Options) (*Config, error) {
	if o.OptionCode == nil {
		o.OptionCode = func(string, bool) (uint16, bool) { return 0, false }
	}
	if o.Etc == "" {
		o.Etc = "/etc"
	}
	c := &Config{o: o, quiet: make(map[string]bool)}
	for _, a := range o.Set {
		var bad []Warning
		c.set.line(0, []byte(a), c.o.OptionCode, func(w Warning) { bad = append(bad, w) })
		if len(bad) > 0 {
			return nil, fmt.Errorf("%s: %s", a, bad[0].Text)
		}
		if !hasAssignment(a) {
			return nil, fmt.Errorf("%s: want NAME=VALUE", a)
		}
	}
	return c, nil
}

// maxWarnings bounds what a hopeless file can make the log say.
const maxWarnings = 50

func (c *Config) warn(w Warning) {
	switch n := len(c.warnings); {
	case n < maxWarnings:
		c.warnings = append(c.warnings, w)
	case n == maxWarnings:
		c.warnings = append(c.warnings, Warning{Text: "further warnings are left out"})
	}
}

// warnOnce gives a warning that has no line once for a version of the file.
func (c *Config) warnOnce(text string) {
	if !c.quiet[text] && len(c.quiet) < maxWarnings {
		c.quiet[text] = true
		c.warn(Warning{Text: text})
	}
}

// Warnings returns the warnings that came up since the last call.
func (c *Config) Warnings() []Warning {
	w := c.warnings
	c.warnings = nil
	return w
}

// maxFile bounds the file; 500 interfaces with 20 settings each are 300 KiB.
const maxFile = 4 << 20

// refresh reads the file if it is another one than last time.
func (c *Config) refresh() {
	if c.o.Path == "" {
		return
	}
	id, err := file.Stat(c.o.Path)
	if c.read && err == nil && id == c.id {
		return
	}
	if err != nil {
		// A file that cannot be looked at now says nothing new.
		c.warnOnce(err.Error())
		c.read = true
		return
	}
	c.read, c.id = true, id
	c.file = settings{}
	clear(c.quiet)
	if !id.Exists {
		c.warn(Warning{Missing: true, Text: "no such file; built-in values are used"})
		return
	}
	b, rid, err := file.Read(c.o.Path, maxFile)
	if err != nil {
		c.warn(Warning{Text: err.Error()})
	} else {
		c.id = rid
	}
	c.file.parse(b, err != nil, c.o.OptionCode, c.warn)
}

// An Origin tells where a value comes from.
type Origin struct {
	Param Param
	// Value as it is written, without what a bad one was replaced for.
	Value string
	// Where is "command line", "FILE:LINE" or "built-in".
	Where string
	// Key is what stands before the = sign, "" for built-in values.
	Key string
}

// Origins returns every parameter that concerns a family, with its value for
// an interface and where that comes from. Obsolete parameters are left out.
func (c *Config) Origins(ifname string, six bool) []Origin {
	c.refresh()
	var out []Origin
	for i := range params {
		p := Param(i)
		f := params[p].family
		if params[p].kind == kindObsolete || f&global == 0 && (six && f&v6 == 0 || !six && f&v4 == 0) {
			continue
		}
		out = append(out, c.origin(p, ifname, six))
	}
	return out
}

func (c *Config) origin(p Param, ifname string, six bool) Origin {
	if params[p].family&global != 0 {
		ifname, six = "", false
	}
	if e := c.set.find(p, ifname, six); e != nil {
		return Origin{Param: p, Value: e.value, Where: "command line", Key: e.key}
	}
	o := Origin{Param: p, Value: p.builtin(six), Where: "built-in"}
	if e := c.file.find(p, ifname, six); e != nil {
		where := fmt.Sprintf("%s:%d", c.o.Path, e.line)
		if e.bad {
			o.Where = "built-in, since " + where + " is bad"
			return o
		}
		o.Value, o.Where, o.Key = e.value, where, e.key
	}
	return o
}

// value returns the value in force.
func (c *Config) value(p Param, ifname string, six bool) string {
	if e := c.set.find(p, ifname, six); e != nil {
		return e.value
	}
	if e := c.file.find(p, ifname, six); e != nil && !e.bad {
		return e.value
	}
	return p.builtin(six)
}

// isGlob reports whether an interface name in a key is a pattern (path.Match).
func isGlob(s string) bool {
	for i := range len(s) {
		switch s[i] {
		case '*', '?', '[':
			return true
		}
	}
	return false
}

// match is path.Match; patterns were checked when they were read.
func match(pattern, name string) bool {
	ok, _ := path.Match(pattern, name)
	return ok
}
