package control

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"daemonbox/core/event"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// fixture is a server on a running loop.
type fixture struct {
	t    *testing.T
	loop *event.Loop
	path string
	srv  *Server
}

func quick(change func(*limits)) limits {
	l := defaultLimits
	if change != nil {
		change(&l)
	}
	return l
}

// serve runs a server until the test ends. setup may change the options.
func serve(t *testing.T, l limits, handler func(*Request), setup func(*ServerOptions)) *fixture {
	t.Helper()
	loop, err := event.New(event.Parked)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, loop: loop, path: filepath.Join(t.TempDir(), "c.sock")}
	o := ServerOptions{Path: f.path, Handler: handler, ProtoCode: 23}
	if setup != nil {
		setup(&o)
	}
	if f.srv, err = listen(loop, o, l); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- loop.Run() }()
	t.Cleanup(func() {
		f.do(f.srv.Close)
		loop.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		loop.Close()
	})
	return f
}

// do runs fn on the loop and waits for it.
func (f *fixture) do(fn func()) {
	done := make(chan struct{})
	f.loop.Post(func() { fn(); close(done) })
	<-done
}

func (f *fixture) stats() (s Stats) {
	f.do(func() { s = f.srv.Stats() })
	return s
}

// until polls a condition on the loop.
func (f *fixture) until(what string, cond func() bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); ; {
		ok := false
		f.do(func() { ok = cond() })
		if ok {
			return
		}
		if time.Now().After(end) {
			f.t.Fatal("never: " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

// raw is a client without any manners.
type raw struct {
	t *testing.T
	*net.UnixConn
}

func (f *fixture) raw() raw {
	f.t.Helper()
	for end := time.Now().Add(patience); ; {
		c, err := net.Dial("unix", f.path)
		if err == nil {
			c.SetDeadline(time.Now().Add(patience))
			f.t.Cleanup(func() { c.Close() })
			return raw{f.t, c.(*net.UnixConn)}
		}
		if time.Now().After(end) {
			f.t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}

func framed(body string) []byte { return appendFrame(nil, []byte(body)) }

func (c raw) send(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// reply reads one frame.
func (c raw) reply() answer {
	c.t.Helper()
	a, err := c.read()
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c raw) read() (a answer, err error) {
	var head [headLen]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return a, err
	}
	b := make([]byte, binary.LittleEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return a, err
	}
	return a, json.Unmarshal(b, &a)
}

// ends waits for the server to hang up.
func (c raw) ends() {
	c.t.Helper()
	for {
		_, err := c.read()
		if errors.Is(err, io.EOF) || err != nil && strings.Contains(err.Error(), "reset") {
			return
		}
		if err != nil {
			c.t.Fatalf("waiting for the end: %v", err)
		}
	}
}

// echo answers at once with what it was asked.
func echo(r *Request) {
	r.Reply(0, "SUCCESS", r.Cmd, map[string]any{"if": r.If, "family": r.Family, "args": r.Args})
}

const ping = `{"v":1,"id":7,"cmd":"ping"}`
