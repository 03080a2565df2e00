package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// Everything that is linked into the binary has its licence in the committed
// text, word for word.
func TestNoticesAreComplete(t *testing.T) {
	have, err := os.ReadFile("../NOTICES")
	if err != nil {
		t.Fatal(err)
	}
	mods, err := linked("daemonbox")
	if err != nil {
		t.Fatal(err)
	}
	std, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range append(mods, std) {
		text, err := licence(m)
		if err != nil {
			t.Fatal(err)
		}
		head := strings.TrimSpace(m.path + " " + m.version)
		if !bytes.Contains(have, []byte(head+"\n")) {
			t.Errorf("NOTICES does not name %s: run `make notices`", head)
		}
		if !bytes.Contains(have, bytes.TrimSpace(text)) {
			t.Errorf("NOTICES lacks the licence of %s: run `make notices`", head)
		}
	}
}
