package control

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func (f *fixture) dial() *Client {
	f.t.Helper()
	c, err := Dial(f.path, patience)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestCall(t *testing.T) {
	var got Request
	f := serve(t, quick(nil), func(r *Request) {
		got = *r
		r.Reply(18, "OUTSTATE", "not <now>", map[string]int{"n": 5})
		r.Reply(0, "SUCCESS", "", nil) // ignored
		if !r.Gone() || r.Subscribe() != nil {
			t.Error("still open")
		}
	}, nil)
	ms := int64(-1)
	reply, err := f.dial().Call(soon(t), Call{
		Cmd: "start", If: "eth0", Netns: "blue", Family: 4, TimeoutMS: &ms, Args: map[string]string{"a": "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := Reply{18, "OUTSTATE", "not <now>", json.RawMessage(`{"n":5}`)}
	if d := cmp.Diff(want, reply); d != "" {
		t.Error(d)
	}
	f.do(func() {}) // got was written on the loop
	if got.Cmd != "start" || got.If != "eth0" || got.Netns != "blue" || got.Family != 4 || *got.TimeoutMS != -1 ||
		string(got.Args) != `{"a":"b"}` || string(got.ID) != "1" || !got.Privileged {
		t.Errorf("request %+v", got)
	}
	if got.Cred != (Cred{int32(os.Getpid()), uint32(os.Getuid()), uint32(os.Getgid())}) {
		t.Errorf("cred %+v", got.Cred)
	}
}

// A request that waits does not hold up another on the same connection.
func TestAnswersOutOfOrder(t *testing.T) {
	held := make(chan *Request, 1)
	f := serve(t, quick(nil), func(r *Request) {
		if r.Cmd == "start" {
			held <- r
			return
		}
		echo(r)
	}, nil)
	c := f.dial()
	type result struct {
		Reply
		error
	}
	late := make(chan result, 1)
	go func() {
		r, err := c.Call(soon(t), Call{Cmd: "start"})
		late <- result{r, err}
	}()
	r := <-held
	if a, err := c.Call(soon(t), Call{Cmd: "status"}); err != nil || a.Text != "status" {
		t.Fatalf("%+v %v", a, err)
	}
	f.do(func() { r.Reply(0, "SUCCESS", "late", nil) })
	if a := <-late; a.error != nil || a.Text != "late" {
		t.Errorf("%+v", a)
	}
}

func TestCallGivesUp(t *testing.T) {
	held := make(chan *Request, 1)
	f := serve(t, quick(nil), func(r *Request) {
		if r.Cmd == "start" {
			held <- r
			return
		}
		echo(r)
	}, nil)
	c := f.dial()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-held
		cancel()
	}()
	_, err := c.Call(ctx, Call{Cmd: "start"})
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), f.path) {
		t.Errorf("%v", err)
	}
	if _, err := c.Call(soon(t), Call{Cmd: "ping"}); err != nil {
		t.Errorf("the connection is spoilt: %v", err)
	}
	if _, err := c.Call(soon(t), Call{Cmd: "x", Args: strings.Repeat("x", MaxRequest)}); err == nil {
		t.Error("a request that is too long was sent")
	}
}

func TestDaemonDown(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	for _, path := range []string{filepath.Join(dir, "none"), stale, filepath.Join(dir, "no", "dir")} {
		_, err := Dial(path, time.Second)
		if !errors.Is(err, ErrDown) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A listener whose queue is full: busy, after the deadline and not before.
func TestDaemonBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c, err := Dial(path, 50*time.Millisecond)
		if err == nil {
			defer c.conn.Close()
			continue
		}
		if !errors.Is(err, ErrBusy) {
			t.Error(err)
		}
		return
	}
	t.Error("the queue never filled")
}

func TestTurnedAway(t *testing.T) {
	f := serve(t, quick(func(l *limits) { l.conns = 0 }), echo, nil)
	if _, err := f.dial().Call(soon(t), Call{Cmd: "ping"}); !errors.Is(err, ErrBusy) {
		t.Errorf("%v", err)
	}
}

func TestDaemonDies(t *testing.T) {
	f := serve(t, quick(nil), func(r *Request) {
		if r.Cmd == "die" {
			r.Peer().server.Close()
			return
		}
		echo(r)
	}, nil)
	c := f.dial()
	if _, err := c.Call(soon(t), Call{Cmd: "die"}); !errors.Is(err, ErrDown) {
		t.Errorf("%v", err)
	}
	if _, err := c.Call(soon(t), Call{Cmd: "ping"}); err == nil {
		t.Error("a call succeeded")
	}
}

func TestEndedAfterAnswers(t *testing.T) {
	f := serve(t, quick(nil), func(r *Request) {
		srv := r.Peer().server
		echo(r)
		if r.Cmd == "last" {
			srv.Close() // what is answered still arrives
		}
	}, nil)
	c := f.dial()
	if _, err := c.Call(soon(t), Call{Cmd: "last"}); err != nil {
		t.Errorf("%v", err)
	}
	if _, err := c.Call(soon(t), Call{Cmd: "ping"}); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
}

// A server that says nonsense makes an error, not a crash and not much memory.
func TestHostileServer(t *testing.T) {
	for name, data := range map[string][]byte{
		"length 0":      {0, 0, 0, 0},
		"length 2^32-1": {255, 255, 255, 255},
		"above 16 MiB":  {1, 0, 0, 1},
		"not JSON":      framed("hello"),
		"mistyped":      framed(`{"v":1,"id":"x"}`),
		"no id":         framed(`{"v":1,"id":null,"code":23,"name":"PROTO","text":"what?"}`),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "c.sock")
			l, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				var b [1]byte
				c.Read(b[:])
				c.Write(data)
				c.Read(make([]byte, 4096)) // until the client hangs up
				c.Read(make([]byte, 4096))
			}()
			c, err := Dial(path, patience)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Call(soon(t), Call{Cmd: "ping"}); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v", err)
			}
		})
	}
}
