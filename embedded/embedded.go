// Package embedded holds the texts that travel inside the binary: the licence,
// the notices of what is linked in, and the manual pages. Everything is
// read-only; any goroutine may use it.
package embedded

import (
	"embed"
	"strings"
)

// License is the licence of this project.
//
//go:embed LICENSE
var License string

// Notices are the licences of everything else in the binary. They are made by
// `make notices`.
//
//go:embed NOTICES
var Notices string

//go:embed man/*.txt
var man embed.FS

// Man returns the manual page of that name as plain text.
func Man(name string) (string, bool) {
	for _, section := range []string{".8", ".1", ".5"} {
		if b, err := man.ReadFile("man/" + name + section + ".txt"); err == nil {
			return string(b), true
		}
	}
	return "", false
}

// Pages returns the names of the manual pages with their sections, sorted.
func Pages() []string {
	list, err := man.ReadDir("man")
	if err != nil {
		return nil
	}
	pages := make([]string, 0, len(list))
	for _, e := range list {
		pages = append(pages, strings.TrimSuffix(e.Name(), ".txt"))
	}
	return pages
}
