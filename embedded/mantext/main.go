// Mantext makes the plain text of manual pages, as `daemonbox help` prints it,
// from their mdoc source. It needs mandoc(1).
//
//	go run ./embedded/mantext [-check] DIR
//
// For every page DIR/NAME.N it writes DIR/NAME.N.txt. With -check it writes
// nothing and fails when a text is not what its source makes.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	check := flag.Bool("check", false, "only compare")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *check); err != nil {
		fmt.Fprintln(os.Stderr, "mantext:", err)
		os.Exit(1)
	}
}

func run(dir string, check bool) error {
	pages, err := filepath.Glob(filepath.Join(dir, "*.[1-8]"))
	if err != nil {
		return err
	}
	if len(pages) == 0 {
		return fmt.Errorf("no manual pages in %s", dir)
	}
	for _, page := range pages {
		text, err := render(page)
		if err != nil {
			return err
		}
		if !check {
			if err := os.WriteFile(page+".txt", text, 0o644); err != nil {
				return err
			}
			continue
		}
		have, err := os.ReadFile(page + ".txt")
		if err != nil {
			return err
		}
		if !bytes.Equal(have, text) {
			return fmt.Errorf("%s.txt is not what its source makes: run `make man`", page)
		}
	}
	return nil
}

// render runs mandoc and takes its bold and underline (a character, a
// backspace, a character) out. Warnings are errors: a page is either right or
// not.
func render(page string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("mandoc", "-W", "warning", "-T", "ascii", "-O", "width=78", "-I", "os=daemonbox", page)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("mandoc %s: %w\n%s", page, err, stderr.Bytes())
	}
	return plain(out), nil
}

func plain(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for _, c := range b {
		if c == '\b' {
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
			continue
		}
		out = append(out, c)
	}
	return out
}
