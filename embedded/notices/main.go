// Notices collects the licences of all modules that are linked into the binary
// and of the Go standard library.
//
//	go run ./embedded/notices > embedded/NOTICES
//
// Texts that several modules share word for word are printed once.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	text, err := notices("./...")
	if err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
	os.Stdout.Write(text)
}

// module is one origin of code.
type module struct{ path, version, dir string }

// linked lists the modules behind the given packages, tests excluded.
func linked(packages ...string) ([]module, error) {
	const format = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}`
	cmd := exec.Command("go", append([]string{"list", "-e", "-deps", "-f", format}, packages...)...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var mods []module
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 {
			mods = append(mods, module{f[0], f[1], f[2]})
		}
	}
	slices.SortFunc(mods, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return slices.Compact(mods), nil
}

// licence returns the text a module is under, with its NOTICE if it has one.
func licence(m module) ([]byte, error) {
	var text []byte
	list, err := os.ReadDir(m.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") &&
			!strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "NOTICE") && !strings.HasPrefix(name, "PATENTS") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(m.dir, e.Name()))
		if err != nil {
			return nil, err
		}
		text = append(text, bytes.TrimSpace(b)...)
		text = append(text, "\n\n"...)
	}
	if len(text) == 0 {
		return nil, fmt.Errorf("%s has no licence file", m.path)
	}
	return text, nil
}

// standard is the Go standard library and runtime.
func standard() (module, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return module{}, fmt.Errorf("go env: %w", err)
	}
	dir := strings.TrimSpace(string(out))
	if _, err := os.Stat(filepath.Join(dir, "LICENSE")); err != nil {
		return module{}, errors.New("the Go installation has no LICENSE file")
	}
	return module{path: "The Go standard library and runtime", dir: dir}, nil
}

func notices(packages ...string) ([]byte, error) {
	mods, err := linked(packages...)
	if err != nil {
		return nil, err
	}
	std, err := standard()
	if err != nil {
		return nil, err
	}
	type section struct {
		heads []string
		text  []byte
	}
	var sections []*section
	for _, m := range append([]module{std}, mods...) {
		text, err := licence(m)
		if err != nil {
			return nil, err
		}
		head := strings.TrimSpace(m.path + " " + m.version)
		at := slices.IndexFunc(sections, func(s *section) bool { return bytes.Equal(s.text, text) })
		if at >= 0 {
			sections[at].heads = append(sections[at].heads, head)
			continue
		}
		sections = append(sections, &section{[]string{head}, text})
	}
	var b bytes.Buffer
	b.WriteString("This program contains the following software of others.\n")
	for _, s := range sections {
		fmt.Fprintf(&b, "\n%s\n\n%s\n\n%s", strings.Repeat("=", 78), strings.Join(s.heads, "\n"), s.text)
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n'), nil
}
