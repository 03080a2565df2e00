package embedded

import (
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	if !strings.HasPrefix(License, "BSD 2-Clause License\n\nCopyright (c) 2026, the daemonbox authors\n") {
		t.Error("the licence is another one")
	}
	if !strings.Contains(Notices, "The Go standard library and runtime\n") {
		t.Error("the notices are incomplete")
	}
	pages := Pages()
	if len(pages) == 0 {
		t.Error("no manual pages")
	}
	for _, p := range pages {
		name := p[:strings.LastIndexByte(p, '.')]
		text, ok := Man(name)
		if !ok || !strings.Contains(text, "NAME\n") || strings.ContainsAny(text, "\b\x1b") {
			t.Errorf("page %s: %.60q", p, text)
		}
		for i, line := range strings.Split(text, "\n") {
			if len(line) > 80 {
				t.Errorf("page %s, line %d is wider than a terminal", p, i+1)
			}
		}
	}
	if _, ok := Man("no such page"); ok {
		t.Error("a page that does not exist was found")
	}
	if _, ok := Man("../LICENSE"); ok {
		t.Error("a page outside was found")
	}
}
