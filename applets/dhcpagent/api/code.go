package api

import "strconv"

// Code is the result of a request.
type Code int

// The result codes, numbered as in the original's protocol.
const (
	Success    Code = 0
	SocketErr  Code = 1
	Fcntl      Code = 2
	Read       Code = 3
	Accept     Code = 4
	Close      Code = 5
	Bind       Code = 6
	Listen     Code = 7
	Memory     Code = 8
	Connect    Code = 9
	Writev     Code = 10
	Poll       Code = 11
	Timeout    Code = 12
	SrvFailed  Code = 13
	EOF        Code = 14
	InvIf      Code = 15
	Int        Code = 16
	Perm       Code = 17
	OutState   Code = 18
	Pend       Code = 19
	Bootp      Code = 20
	CmdUnknown Code = 21
	UnkIf      Code = 22
	Proto      Code = 23
	FailedIf   Code = 24
	NoPrimary  Code = 25
	DownIf     Code = 26
	NoIPIf     Code = 27
	NoValue    Code = 28
	Running    Code = 29
)

var codes = [...]struct{ name, text string }{
	{"SUCCESS", "done"},
	{"SOCKET", "cannot create a socket"},
	{"FCNTL", "cannot set descriptor flags"},
	{"READ", "cannot read the agent's answer"},
	{"ACCEPT", "cannot accept a connection"},
	{"CLOSE", "cannot close the connection"},
	{"BIND", "cannot bind the socket"},
	{"LISTEN", "cannot listen on the socket"},
	{"MEMORY", "out of memory"},
	{"CONNECT", "the agent cannot be reached"},
	{"WRITEV", "cannot send the request"},
	{"POLL", "cannot wait for the agent"},
	{"TIMEOUT", "not done in time; the agent goes on in the background"},
	{"SRVFAILED", "the server refused or sent unusable data"},
	{"EOF", "the agent closed the connection"},
	{"INVIF", "the interface does not exist or is unfit for DHCP"},
	{"INT", "internal error"},
	{"PERM", "permission denied: this needs root or the agent's group"},
	{"OUTSTATE", "not possible in the interface's present state"},
	{"PEND", "another operation is pending on the interface"},
	{"BOOTP", "not possible for a BOOTP lease"},
	{"CMD_UNKNOWN", "unknown command"},
	{"UNKIF", "the interface is not under DHCP control"},
	{"PROTO", "malformed request"},
	{"FAILEDIF", "the interface has failed"},
	{"NOPRIMARY", "there is no primary interface"},
	{"DOWNIF", "the interface is down and cannot be brought up"},
	{"NOIPIF", "the interface has no address"},
	{"NOVALUE", "the server sent no such value"},
	{"RUNNING", "DHCP already runs on the interface"},
}

// Name returns the symbol of the code.
func (c Code) Name() string {
	if c >= 0 && int(c) < len(codes) {
		return codes[c].name
	}
	return "CODE_" + strconv.Itoa(int(c))
}

// Text returns a sentence for people.
func (c Code) Text() string {
	if c >= 0 && int(c) < len(codes) {
		return codes[c].text
	}
	return "unknown result code " + strconv.Itoa(int(c))
}

// Error makes a Code usable as an error.
func (c Code) Error() string { return c.Text() }
