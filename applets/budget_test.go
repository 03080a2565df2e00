package applets

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const mib = 1 << 20

// The largest stripped binary in octets, by what is in it.
const (
	budgetNone = 3 * mib
	budgetDHCP = 5 * mib
)

// Every way to build works, holds what it should, is static, and keeps to its
// size.
func TestBuilds(t *testing.T) {
	dir := t.TempDir()
	for _, s := range tagSets(t) {
		t.Run(s.name, func(t *testing.T) {
			path := filepath.Join(dir, "daemonbox")
			build(t, s, path)
			fi, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			budget := int64(budgetDHCP)
			if len(s.rows) == 0 {
				budget = budgetNone
			}
			if fi.Size() > budget {
				t.Errorf("%d octets are %d more than the budget of %.1f MiB",
					fi.Size(), fi.Size()-budget, float64(budget)/mib)
			}
			t.Logf("%.3f MiB", float64(fi.Size())/mib)
			out, err := exec.Command(path, "--list").Output()
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Fields(string(out))
			slices.Sort(s.rows)
			if !slices.Equal(got, s.rows) {
				t.Errorf("holds %q, not %q", got, s.rows)
			}
			checkBinary(t, path)
		})
	}
}

func checkBinary(t *testing.T, path string) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Error("not a static binary")
		}
	}
	if f.Section(".symtab") != nil || f.Section(".debug_info") != nil {
		t.Error("not stripped")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The walk over a template is reachable only by cobra's Set*Template
	// functions. They cost 3 MiB, because every exported method must then stay.
	if bytes.Contains(b, []byte("text/template.(*state).walk\x00")) {
		t.Error("text/template can be reached: does somebody call cobra's Set...Template?")
	}
	if !isBox(path) {
		t.Error("--install would not know this binary as one of ours")
	}
}

// Two builds of one source are one and the same file, wherever they are made.
func TestReproducible(t *testing.T) {
	dir := t.TempDir()
	var first []byte
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name)
		build(t, tagSet{name: "all"}, path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(dir)) || bytes.Contains(b, []byte(workDir(t))) {
			t.Error("the binary tells where it was built")
		}
		if first == nil {
			first = b
		} else if !bytes.Equal(first, b) {
			t.Error("two builds differ")
		}
	}
}

func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
