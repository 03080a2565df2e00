package applets

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"daemonbox/core/applet"
	"daemonbox/core/proc"
	"daemonbox/embedded"
)

// The words that the box itself understands as its first argument.
const (
	binary   = "daemonbox"
	labWord  = "lab"
	helpWord = "help"
)

// exitUsage is the status for arguments that make no sense.
const exitUsage = 2

// Main runs what the arguments ask for and returns the exit status. args[0] is
// the name the program was called by. If its last element names an applet,
// that one runs; else args[1] may name it, whatever the program is called
// (/init in an initramfs, say). A leading '-', the sign of a login shell, does
// not count.
func Main(env applet.Env, args []string) int {
	called := ""
	if len(args) > 0 {
		called = strings.TrimPrefix(filepath.Base(args[0]), "-")
		args = args[1:]
	}
	env.Args0 = called
	if a, ok := lookup(called); ok {
		return a.Main(env, args)
	}
	if len(args) > 0 {
		if a, ok := lookup(args[0]); ok {
			env.Args0 = args[0]
			return a.Main(env, args[1:])
		}
	}
	if strings.HasPrefix(called, binary) {
		return box(env, args)
	}
	return unknown(env, called)
}

// box is the program under its own name, without an applet's.
func box(env applet.Env, args []string) int {
	if len(args) == 0 {
		usage(env.Stderr)
		return exitUsage
	}
	switch args[0] {
	case "--help", "-h":
		usage(env.Stdout)
	case "--version":
		fmt.Fprintln(env.Stdout, binary, env.Version)
	case "--list":
		for _, e := range names {
			if !e.unlisted {
				fmt.Fprintln(env.Stdout, e.name)
			}
		}
	case "--license":
		fmt.Fprint(env.Stdout, embedded.License, "\n", embedded.Notices)
	case "--install":
		return installMain(env, args[1:])
	case helpWord:
		return help(env, args[1:])
	case labWord:
		return labMain(env, args[1:])
	default:
		if strings.HasPrefix(args[0], "-") {
			fmt.Fprintf(env.Stderr, "%s: unknown option %s\n", binary, args[0])
			usage(env.Stderr)
			return exitUsage
		}
		return unknown(env, args[0])
	}
	return proc.ExitOK
}

func unknown(env applet.Env, name string) int {
	fmt.Fprintf(env.Stderr, "%s: no applet is called %q; there are:\n", binary, name)
	rows(env.Stderr)
	return proc.ExitNotFound
}

func usage(w io.Writer) {
	fmt.Fprintf(w, `Usage: %[1]s APPLET [ARGUMENT]...
       %[1]s --list | --version | --license | --help
       %[1]s --install DIR [--hard]
       %[1]s help APPLET
       %[1]s lab NAME

Also runs as an applet when called by its name, through a link. Applets:
`, binary)
	rows(w)
}

func rows(w io.Writer) {
	b := bufio.NewWriter(w)
	for i := range table {
		fmt.Fprintf(b, "  %-16s %s\n", table[i].Name, table[i].Short)
	}
	b.Flush()
}

// help shows an applet's manual page as text; man(1) is not needed.
func help(env applet.Env, args []string) int {
	if len(args) == 0 {
		usage(env.Stdout)
		return proc.ExitOK
	}
	name := args[0]
	if a, ok := lookup(name); ok {
		name = a.Name
	} else if name != binary {
		return unknown(env, name)
	}
	page, ok := embedded.Man(name)
	if !ok {
		fmt.Fprintf(env.Stderr, "%s: there is no manual page for %s\n", binary, name)
		return proc.ExitFailure
	}
	fmt.Fprint(env.Stdout, page)
	return proc.ExitOK
}
