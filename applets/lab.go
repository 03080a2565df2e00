package applets

import (
	"fmt"
	"io"

	"daemonbox/core/applet"
	"daemonbox/core/proc"
)

// labMain dispatches `daemonbox lab NAME`: an applet's main job shown in a private
// network.
func labMain(env applet.Env, args []string) int {
	if len(args) == 0 || args[0] == "--help" || args[0] == "-h" {
		labs(env.Stdout)
		if len(args) == 0 {
			return exitUsage
		}
		return proc.ExitOK
	}
	for i := range table {
		if a := &table[i]; a.Lab != nil && labName(a) == args[0] {
			env.Args0 = labWord + " " + args[0]
			return a.Lab(env, args[1:])
		}
	}
	fmt.Fprintf(env.Stderr, "%s: no lab is called %q\n", binary, args[0])
	labs(env.Stderr)
	return proc.ExitNotFound
}

func labName(a *Applet) string {
	if a.LabName != "" {
		return a.LabName
	}
	return a.Name
}

func labs(w io.Writer) {
	fmt.Fprintf(w, "Usage: %s lab NAME [ARGUMENT]...\nLabs:\n", binary)
	for i := range table {
		if a := &table[i]; a.Lab != nil {
			fmt.Fprintf(w, "  %-16s %s, in a private network\n", labName(a), a.Short)
		}
	}
}
