package applets

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// tagSet is one way to build the binary.
type tagSet struct {
	name string
	tags []string
	rows []string // names of the applets in it
}

// rowFiles maps each applet to the file that holds its row, found by its build
// tag: the table of this test binary is not the only one that must be right.
func rowFiles(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(b), "\n")
		if name, ok := strings.CutPrefix(first, "//go:build !no_"); ok {
			rows[name] = f
		}
	}
	if len(rows) == 0 {
		t.Fatal("no rows were found")
	}
	return rows
}

// tagSets are: all applets, each alone, all without each, and none.
func tagSets(t *testing.T) []tagSet {
	t.Helper()
	var names []string
	for n := range rowFiles(t) {
		names = append(names, n)
	}
	without := func(drop func(string) bool) (s tagSet) {
		for _, n := range names {
			if drop(n) {
				s.tags = append(s.tags, "no_"+n)
			} else {
				s.rows = append(s.rows, n)
			}
		}
		return s
	}
	named := func(name string, s tagSet) tagSet {
		s.name = name
		return s
	}
	sets := []tagSet{
		named("all", without(func(string) bool { return false })),
		named("none", without(func(string) bool { return true })),
	}
	for _, n := range names {
		sets = append(sets,
			named(n+" alone", without(func(o string) bool { return o != n })),
			named("all but "+n, without(func(o string) bool { return o == n })))
	}
	return sets
}

// build makes the binary with the flags of the Makefile.
func build(t testing.TB, s tagSet, path string) {
	t.Helper()
	cmd := exec.Command("make", "--no-print-directory", "-C", "..", "build",
		"TAGS="+strings.Join(s.tags, ","), "BINARY="+path, "VERSION=test")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", s.name, err, out)
	}
}
