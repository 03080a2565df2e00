// Package api holds what dhcpagent and its tools say to each other over the
// control socket: commands, result codes and the shapes of the JSON members.
// The frames are core/control's. Everything here is a plain value; any
// goroutine may use it.
package api

import "time"

// Socket is the default path of the agent's control socket.
const Socket = "/run/dhcpagent/agent.sock"

// DefaultTimeout is how long the agent works on a request that names no time.
const DefaultTimeout = 120 * time.Second

// Command is a request to the agent. The numbers are those of the original's
// protocol; on the wire the name is used.
type Command uint8

// The commands.
const (
	Drop Command = iota
	Extend
	Ping
	Release
	Start
	Status
	Inform
	GetTag
	List // all clients of the agent: [{"interface":…,"family":…}]
	Version
	Subscribe
)

var commandNames = [...]string{
	"drop", "extend", "ping", "release", "start", "status", "inform", "get-tag", "list", "version", "subscribe",
}

// String returns the name used on the wire.
func (c Command) String() string {
	if int(c) < len(commandNames) {
		return commandNames[c]
	}
	return "unknown"
}

// ParseCommand returns the command of that name.
func ParseCommand(s string) (Command, bool) {
	for i, n := range commandNames {
		if n == s {
			return Command(i), true
		}
	}
	return 0, false
}

// Privileged reports whether only privileged peers may give the command.
func (c Command) Privileged() bool {
	switch c {
	case Drop, Extend, Release, Start, Inform:
		return true
	}
	return false
}
