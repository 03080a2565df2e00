// Package proc is what a daemon needs of its own process and of its children:
// detaching with a verdict for the caller, pid files, the notice to systemd,
// capabilities, children watched by the event loop, and the duties of
// process 1.
//
// Children, Owners, Pools and the reaper belong to the loop's goroutine. The
// rest may be called from any goroutine.
package proc

// Exit statuses that all applets share. Those of one applet stand with it.
const (
	ExitOK      = 0
	ExitFailure = 1
	// ExitNotFound is the shell's status for a command that does not exist.
	ExitNotFound = 127
)
