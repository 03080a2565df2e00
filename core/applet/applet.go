// Package applet defines what an applet is and what it is given when it runs.
// It stands apart from the table of applets so that every wing can name these
// types without seeing the others. The types are plain values; any goroutine
// may use them.
package applet

import (
	"context"
	"io"
)

// Env is what an applet may use of the world around its process. Tests call
// Main with an Env of their own.
type Env struct {
	// Ctx ends when the caller wants the applet to end.
	Ctx context.Context
	// Args0 is the name the applet was called by.
	Args0  string
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Getenv looks up one environment variable; "" when unset.
	Getenv func(string) string
	// Version is that of the binary, for --version.
	Version string
}

// Applet is one row of the applet table.
type Applet struct {
	Name    string
	Aliases []string
	// Unlisted are further names that Main answers to, but only through links
	// users make themselves: other programs usually have them.
	Unlisted []string
	// Short says in a few words what the applet is for.
	Short string
	// Main runs the applet with the arguments after its name and returns the
	// exit status.
	Main func(env Env, args []string) int
	// Lab shows the applet's main job in a private network; nil if there is
	// none.
	Lab func(env Env, args []string) int
	// LabName is what `daemonbox lab` calls it; "" means Name.
	LabName string
}
