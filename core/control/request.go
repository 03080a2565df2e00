package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// version of the protocol spoken here.
const version = 1

const (
	maxCmd   = 64  // octets of a command
	maxIf    = 31  // octets of an interface's name, with room for a logical unit
	maxNetns = 255 // octets of a namespace's name: NAME_MAX
)

// A broken frame says nothing about the request in it and ends the connection;
// a protoError is answered and the connection lives on.
var errNotObject = errors.New("not one JSON object in UTF-8")

type protoError struct{ text string }

func (e *protoError) Error() string { return e.text }

func badMember(name, want string) error { return &protoError{"member " + name + ": " + want} }

// fields are the members of a request.
type fields struct {
	id        json.RawMessage
	cmd       string
	netns     string
	ifname    string
	family    int
	timeoutMS *int64
	args      json.RawMessage
}

// parseRequest reads the JSON object of a request. With a *protoError the
// returned id is the request's, if it has a good one.
func parseRequest(body []byte) (f fields, err error) {
	var m map[string]json.RawMessage
	if !utf8.Valid(body) || json.Unmarshal(body, &m) != nil || m == nil {
		return f, errNotObject
	}
	id, ok := integer(m["id"])
	if ok {
		f.id = strconv.AppendInt(nil, id, 10)
	}
	if v, isInt := integer(m["v"]); !isInt {
		return f, badMember("v", "the number of the protocol's version is needed")
	} else if v != version {
		return f, &protoError{"member v: version 1 is spoken here"}
	}
	if !ok {
		return f, badMember("id", "an integer is needed")
	}
	return f, f.members(m)
}

func (f *fields) members(m map[string]json.RawMessage) error {
	var ok bool
	if f.cmd, ok = text(m["cmd"]); !ok || f.cmd == "" || len(f.cmd) > maxCmd {
		return badMember("cmd", "the name of a command is needed")
	}
	if f.netns, ok = name(m["netns"], maxNetns); !ok {
		return badMember("netns", "not the name of a network namespace")
	}
	if f.ifname, ok = name(m["if"], maxIf); !ok {
		return badMember("if", "not the name of an interface")
	}
	if raw := m["family"]; present(raw) {
		n, ok := integer(raw)
		if !ok || n < 0 || n > 255 {
			return badMember("family", "not a number of an address family")
		}
		f.family = int(n)
	}
	if raw := m["timeout_ms"]; present(raw) {
		n, ok := integer(raw)
		if !ok {
			return badMember("timeout_ms", "not an integer")
		}
		f.timeoutMS = &n
	}
	if raw := m["args"]; present(raw) {
		f.args = raw
	}
	return nil
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// integer reads a JSON number without fraction and exponent.
func integer(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

// text reads a JSON string; an absent one is empty.
func text(raw json.RawMessage) (string, bool) {
	if !present(raw) {
		return "", true
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

// name reads a string that may become a file name: dev_valid_name() of the
// kernel refuses "/", white space, "." and ".." too.
func name(raw json.RawMessage, limit int) (string, bool) {
	s, ok := text(raw)
	if !ok || len(s) > limit || s == "." || s == ".." {
		return "", false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == '/' || c == 0x7f {
			return "", false
		}
	}
	return s, true
}

// Request is one request of a peer. The handler answers it with Reply, in the
// handler or at any later time, on the loop's goroutine.
type Request struct {
	// ID is the client's number of the request, as it came.
	ID json.RawMessage
	// Cmd is the command.
	Cmd string
	// Netns and If name a network namespace and an interface; "" if absent.
	// Both are safe as file names.
	Netns string
	If    string
	// Family is the address family as 4 or 6; 0 if absent.
	Family int
	// TimeoutMS is how long the client waits: nil for the default, negative
	// without end, 0 for an answer at once.
	TimeoutMS *int64
	// Args are the command's arguments as JSON; nil if absent.
	Args json.RawMessage
	// Cred are the peer's credentials when it connected.
	Cred Cred
	// Privileged tells that the peer may change things.
	Privileged bool

	peer   *Peer
	onGone func()
}

// Peer returns the connection the request came by.
func (r *Request) Peer() *Peer { return r.peer }

// Gone reports whether nobody waits for the answer: it was given, or the
// connection is closed.
func (r *Request) Gone() bool { return r.peer == nil || r.peer.closed }

// OnGone calls fn when the peer closes the connection before the answer.
func (r *Request) OnGone(fn func()) { r.onGone = fn }

// Reply answers the request. The first call counts, later ones are ignored; so
// is one to a peer that has gone. A nil result leaves the member out.
func (r *Request) Reply(code int, name, text string, result any) {
	if r.Gone() {
		return
	}
	p := r.peer
	r.peer, r.onGone = nil, nil
	delete(p.open, r)
	p.answer(r.ID, code, name, text, result)
}

// Proto answers the request as malformed, for arguments that do not fit.
func (r *Request) Proto(text string) {
	if !r.Gone() {
		r.Reply(r.peer.server.protoCode, protoName, text, nil)
	}
}

// Subscribe, called instead of Reply, answers the request with success and
// turns its connection into a stream. It returns nil when the peer has gone.
func (r *Request) Subscribe() *Stream {
	if r.Gone() {
		return nil
	}
	p := r.peer
	p.stream = &Stream{peer: p}
	r.Reply(0, "SUCCESS", "", nil)
	return p.stream
}
