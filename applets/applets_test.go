package applets

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"daemonbox/core/applet"
)

// Rows that only the test binary has.
const (
	echoName  = "testecho"
	echoAlias = "in.testecho"
)

// TestMain lets scripts call this binary as daemonbox and by the names of
// applets.
func TestMain(m *testing.M) {
	add(Applet{
		Name: echoName, Aliases: []string{echoAlias}, Short: "prints its arguments", Main: echo,
		Lab: func(env applet.Env, args []string) int {
			fmt.Fprintln(env.Stdout, "lab:", env.Args0, strings.Join(args, ","))
			return 5
		},
		LabName: "echo",
	})
	box := func() {
		os.Exit(Main(applet.Env{
			Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Version: "1.2.3-test",
		}, os.Args))
	}
	commands := map[string]func(){binary: box, "init": box}
	for _, e := range names {
		commands[e.name] = box
	}
	testscript.Main(m, commands)
}

func echo(env applet.Env, args []string) int {
	fmt.Fprintln(env.Stdout, env.Args0+":", strings.Join(args, ","))
	if len(args) > 0 && args[0] == "fail" {
		return 42
	}
	return 0
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			var list []byte
			for _, n := range names {
				if !n.unlisted {
					list = append(list, n.name+"\n"...)
				}
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "list"), list, 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status,
			"same":   same,
		},
	})
}

// status WANT COMMAND...: runs a program and compares its exit status.
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(interface{ ExitCode() int }); ok {
		got = fmt.Sprint(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit status %s, not %s", got, args[0])
	}
}

// same A B: whether two names lead to one file.
func same(ts *testscript.TestScript, neg bool, args []string) {
	a, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if os.SameFile(a, b) == neg {
		ts.Fatalf("%s and %s: same file: %v", args[0], args[1], !neg)
	}
}

// call runs Main as a process of that name would.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = Main(applet.Env{Stdout: &out, Stderr: &errs, Version: "9"}, args)
	return code, out.String(), errs.String()
}

func TestDispatch(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		want string // standard output
	}{
		{[]string{"testecho", "a", "b"}, 0, "testecho: a,b\n"},
		{[]string{"/usr/sbin/testecho"}, 0, "testecho: \n"},
		{[]string{"-testecho", "x"}, 0, "testecho: x\n"},
		{[]string{"/sbin/-testecho", "x"}, 0, "testecho: x\n"},
		{[]string{"in.testecho", "x"}, 0, "in.testecho: x\n"},
		{[]string{"daemonbox", "testecho", "-x"}, 0, "testecho: -x\n"},
		{[]string{"daemonbox", "in.testecho", "fail"}, 42, "in.testecho: fail\n"},
		{[]string{"daemonbox-1.0", "--version"}, 0, "daemonbox 9\n"},
		{[]string{"/init", "testecho", "x"}, 0, "testecho: x\n"},
		{[]string{"testecho", "testecho"}, 0, "testecho: testecho\n"},
		{[]string{"/init"}, 127, ""},
		{[]string{"/init", "--version"}, 127, ""},
		{[]string{"/init", "nothing"}, 127, ""},
		{[]string{"daemonbox", "nothing"}, 127, ""},
		{[]string{"daemonbox", "Testecho"}, 127, ""},
		{[]string{"daemonbox", ""}, 127, ""},
		{[]string{"daemonbox", "--nothing"}, 2, ""},
		{[]string{"daemonbox"}, 2, ""},
		{[]string{""}, 127, ""},
		{nil, 127, ""},
		{[]string{"daemonbox", "lab", "echo", "x", "y"}, 5, "lab: lab echo x,y\n"},
		{[]string{"daemonbox", "lab", "testecho"}, 127, ""},
		{[]string{"daemonbox", "help", "nothing"}, 127, ""},
		{[]string{"daemonbox", "help", "testecho"}, 1, ""},
	} {
		code, out, errs := call(tc.args...)
		if code != tc.code || out != tc.want {
			t.Errorf("%q: status %d, output %q", tc.args, code, out)
		}
		if (tc.want == "") == (errs == "") {
			t.Errorf("%q: standard error %q", tc.args, errs)
		}
		if code == 127 && len(tc.args) > 0 && !strings.Contains(errs, "echo") {
			t.Errorf("%q: no list in %q", tc.args, errs)
		}
	}
}

func TestTable(t *testing.T) {
	if !slices.IsSortedFunc(table, func(a, b Applet) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("the table is not sorted")
	}
	if !slices.IsSortedFunc(names, func(a, b entry) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the names are not sorted")
	}
	for _, e := range names {
		if a, ok := lookup(e.name); !ok || a.Name != e.row {
			t.Errorf("%s is not found", e.name)
		}
	}
	for i := range table {
		if a := &table[i]; a.Short == "" || strings.HasSuffix(a.Short, ".") {
			t.Errorf("%s: short text %q", a.Name, a.Short)
		}
	}
}

func TestAddPanics(t *testing.T) {
	for _, a := range []Applet{
		{Name: echoName, Main: echo},
		{Name: "new1", Aliases: []string{echoName}, Main: echo},
		{Name: echoAlias, Main: echo},
		{Name: "daemonbox", Main: echo},
		{Name: "lab", Main: echo},
		{Name: "help", Main: echo},
		{Name: "", Main: echo},
		{Name: "new2"},
	} {
		func() {
			oldTable, oldNames := slices.Clone(table), slices.Clone(names)
			defer func() {
				table, names = oldTable, oldNames
				if recover() == nil {
					t.Errorf("%q was taken", a.Name)
				}
			}()
			add(a)
		}()
	}
}

// Every applet of the table has its manual page in the binary.
func TestHelp(t *testing.T) {
	for i := range table {
		name := table[i].Name
		if name == echoName {
			continue
		}
		code, out, errs := call("daemonbox", "help", name)
		if code != 0 || !strings.Contains(out, "NAME\n") || !strings.Contains(out, name) {
			t.Errorf("help %s: %d %s", name, code, errs)
		}
	}
	if code, out, _ := call("daemonbox", "help", "daemonbox"); code != 0 || !strings.Contains(out, "--install dir") {
		t.Errorf("help daemonbox: %d", code)
	}
	if code, out, _ := call("daemonbox", "help"); code != 0 || !strings.HasPrefix(out, "Usage:") {
		t.Errorf("help: %d", code)
	}
}
