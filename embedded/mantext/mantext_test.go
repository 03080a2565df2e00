package main

import "testing"

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                     "",
		"plain\n":              "plain\n",
		"N\bNA\bAM\bME\bE\n":   "NAME\n",
		"_\bf_\bi_\bl_\be":     "file",
		"\b\bx":                "x",
		"a\bab\bb\b\b\b\b\bcd": "cd",
	} {
		if got := string(plain([]byte(in))); got != want {
			t.Errorf("%q: %q, not %q", in, got, want)
		}
	}
}
