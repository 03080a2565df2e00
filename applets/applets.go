// Package applets is the table of applets and the choice among them. Each row
// stands in a file of its own with a build tag that drops it:
//
//	no_dhcpagent, no_dhcpinfo, no_dhcpctl
//
// The table is built by init functions, the only ones of the project, and does
// not change afterwards; any goroutine may read it.
package applets

import (
	"slices"
	"strings"

	"daemonbox/core/applet"
)

// Applet is one row of the table.
type Applet = applet.Applet

// table is sorted by name.
var table []Applet

// names leads from each name and alias to its row. It is sorted too.
var names []entry

type entry struct {
	name     string
	row      string
	unlisted bool // neither shown nor installed
}

// add puts a row into the table. Two applets of one name are a mistake of the
// build.
func add(a Applet) {
	if a.Name == "" || a.Main == nil {
		panic("applets: row without a name or without Main")
	}
	at, _ := slices.BinarySearchFunc(table, a.Name, func(r Applet, n string) int { return strings.Compare(r.Name, n) })
	table = slices.Insert(table, at, a)
	listed := append([]string{a.Name}, a.Aliases...)
	for i, n := range append(listed, a.Unlisted...) {
		at, found := slices.BinarySearchFunc(names, n, byName)
		if found || n == binary || n == labWord || n == helpWord {
			panic("applets: the name " + n + " is taken")
		}
		names = slices.Insert(names, at, entry{n, a.Name, i >= len(listed)})
	}
}

func byName(e entry, n string) int { return strings.Compare(e.name, n) }

// lookup finds the applet of that name or alias.
func lookup(name string) (*Applet, bool) {
	at, found := slices.BinarySearchFunc(names, name, byName)
	if !found {
		return nil, false
	}
	row := names[at].row
	at, _ = slices.BinarySearchFunc(table, row, func(r Applet, n string) int { return strings.Compare(r.Name, n) })
	return &table[at], true
}
