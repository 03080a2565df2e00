// Package fakeagent stands in for dhcpagent in the tests of its tools: a real
// control socket with answers made up by the test. Handlers run on a goroutine of
// their own, one at a time.
package fakeagent

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/control"
	"daemonbox/core/event"
)

// An Agent is a control socket. Its handler holds the lock while it runs; a
// test that shares variables with it takes the lock as well.
type Agent struct {
	sync.Mutex
	// Socket is the path of the socket.
	Socket string
}

// Start serves requests by handler until the test ends.
func Start(t testing.TB, handler func(*control.Request)) *Agent {
	t.Helper()
	a := new(Agent)
	// The path of a socket has at most 107 octets (unix(7)): too few for the
	// directories of tests with long names.
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	a.Socket = filepath.Join(dir, "sock")
	loop, err := event.New(event.Parked)
	if err != nil {
		t.Fatal(err)
	}
	server, err := control.Listen(loop, control.ServerOptions{
		Path: a.Socket,
		Handler: func(r *control.Request) {
			a.Lock()
			defer a.Unlock()
			handler(r)
		},
		ProtoCode: int(api.Proto),
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- loop.Run() }()
	t.Cleanup(func() {
		loop.Post(func() {
			server.Close()
			loop.Stop()
		})
		if err := <-done; err != nil {
			t.Error(err)
		}
		loop.Close()
	})
	return a
}

// Answer replies with a code and its usual text.
func Answer(r *control.Request, code api.Code, result any) {
	r.Reply(int(code), code.Name(), code.Text(), result)
}
