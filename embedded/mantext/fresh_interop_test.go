//go:build interop

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The committed texts are what mandoc(1) makes of their sources, and there is
// one for each.
func TestTextsAreFresh(t *testing.T) {
	const dir = "../man"
	if err := run(dir, true); err != nil {
		t.Error(err)
	}
	texts, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil || len(texts) == 0 {
		t.Fatal("no texts", err)
	}
	for _, text := range texts {
		if _, err := os.Stat(strings.TrimSuffix(text, ".txt")); err != nil {
			t.Errorf("%s has no source: %v", text, err)
		}
	}
}

// A text that is not fresh is noticed.
func TestStaleText(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "x.1")
	b, err := os.ReadFile("../man/daemonbox.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(page, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err == nil {
		t.Error("a missing text was not noticed")
	}
	if err := run(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(page+".txt", []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(dir, true); err == nil {
		t.Error("an old text was not noticed")
	}
}
