package control

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// works checks that the server still serves others, without delay.
func (f *fixture) works() {
	f.t.Helper()
	c := f.raw()
	defer c.Close()
	c.send(framed(ping))
	if a := c.reply(); a.Code != 0 {
		f.t.Fatalf("ping: %+v", a)
	}
}

func TestBrokenFrames(t *testing.T) {
	f := serve(t, quick(nil), echo, nil)
	for _, tc := range []struct {
		name string
		data []byte
		text string
	}{
		{"length 0", []byte{0, 0, 0, 0}, "length 0"},
		{"length 2^32-1", []byte{255, 255, 255, 255}, "longer"},
		{"one above the limit", []byte{1, 0, 1, 0}, "longer"},
		{"not JSON", framed("hello"), "JSON"},
		{"array", framed("[1]"), "JSON"},
		{"null", framed("null"), "JSON"},
		{"two objects", framed("{}{}"), "JSON"},
		{"not UTF-8", framed("{\"v\":1,\"id\":1,\"cmd\":\"\xff\"}"), "UTF-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := f.raw()
			c.t = t
			c.send(tc.data)
			a := c.reply()
			if a.Code != 23 || a.Name != "PROTO" || a.ID != nil || !strings.Contains(a.Text, tc.text) {
				t.Errorf("answer %+v", a)
			}
			c.ends()
			f.works()
		})
	}
}

func TestBadMembers(t *testing.T) {
	f := serve(t, quick(nil), echo, nil)
	c := f.raw()
	for _, tc := range []struct{ body, member string }{
		{`{}`, "member v"},
		{`{"v":2,"id":7,"cmd":"ping"}`, "version 1"},
		{`{"v":"1","id":7,"cmd":"ping"}`, "member v"},
		{`{"v":1,"cmd":"ping"}`, "member id"},
		{`{"v":1,"id":"x","cmd":"ping"}`, "member id"},
		{`{"v":1,"id":1.5,"cmd":"ping"}`, "member id"},
		{`{"v":1,"id":7}`, "member cmd"},
		{`{"v":1,"id":7,"cmd":3}`, "member cmd"},
		{`{"v":1,"id":7,"cmd":""}`, "member cmd"},
		{`{"v":1,"id":7,"cmd":"` + strings.Repeat("x", 65) + `"}`, "member cmd"},
		{`{"v":1,"id":7,"cmd":"ping","if":5}`, "member if"},
		{`{"v":1,"id":7,"cmd":"ping","if":"../../etc/passwd"}`, "member if"},
		{`{"v":1,"id":7,"cmd":"ping","if":".."}`, "member if"},
		{`{"v":1,"id":7,"cmd":"ping","if":"a b"}`, "member if"},
		{`{"v":1,"id":7,"cmd":"ping","if":"a\u0000b"}`, "member if"},
		{`{"v":1,"id":7,"cmd":"ping","if":"` + strings.Repeat("e", 32) + `"}`, "member if"},
		{`{"v":1,"id":7,"cmd":"ping","netns":"/proc/1/ns/net"}`, "member netns"},
		{`{"v":1,"id":7,"cmd":"ping","family":"4"}`, "member family"},
		{`{"v":1,"id":7,"cmd":"ping","family":-1}`, "member family"},
		{`{"v":1,"id":7,"cmd":"ping","family":99999999999999999999}`, "member family"},
		{`{"v":1,"id":7,"cmd":"ping","timeout_ms":"1"}`, "member timeout_ms"},
		{`{"v":1,"id":7,"cmd":"ping","timeout_ms":1e9}`, "member timeout_ms"},
	} {
		c.send(framed(tc.body))
		if a := c.reply(); a.Code != 23 || a.Name != "PROTO" || !strings.Contains(a.Text, tc.member) {
			t.Errorf("%s: %+v", tc.body, a)
		}
	}
	// The same connection is still good, and unknown members are ignored.
	c.send(framed(`{"v":1,"id":9,"cmd":"ping","colour":"red","if":null}`))
	if a := c.reply(); a.Code != 0 || a.ID == nil || *a.ID != 9 {
		t.Errorf("ping: %+v", a)
	}
}

func TestSingleOctets(t *testing.T) {
	f := serve(t, quick(nil), echo, nil)
	c := f.raw()
	for _, b := range framed(ping) {
		c.send([]byte{b})
	}
	if a := c.reply(); a.Code != 0 {
		t.Errorf("%+v", a)
	}
}

// A client that sends one octet now and then does not gain time by it.
func TestSlowRequest(t *testing.T) {
	f := serve(t, quick(func(l *limits) { l.request = 150 * time.Millisecond }), echo, nil)
	c := f.raw()
	start := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.ends()
	}()
	for _, b := range framed(`{"v":1,"id":1,"cmd":"ping","args":"` + strings.Repeat("x", 4096) + `"}`) {
		if _, err := c.Write([]byte{b}); err != nil {
			break
		}
		select {
		case <-ended:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		break
	}
	<-ended
	if d := time.Since(start); d < 150*time.Millisecond {
		t.Errorf("cut after %v already", d)
	}
	f.works()
	if s := f.stats(); s.TimedOut != 1 || s.Requests != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestHalfARequestThenSilence(t *testing.T) {
	f := serve(t, quick(func(l *limits) { l.request = 50 * time.Millisecond }), echo, nil)
	for _, n := range []int{1, headLen, headLen + 5} {
		c := f.raw()
		c.send(framed(ping)[:n])
		c.ends()
	}
	f.works()
}

func TestIdle(t *testing.T) {
	held := make(chan *Request, 1)
	f := serve(t, quick(func(l *limits) { l.idle = 50 * time.Millisecond }), func(r *Request) {
		if r.Cmd == "hold" {
			held <- r
			return
		}
		echo(r)
	}, nil)
	f.raw().ends() // says nothing at all

	c := f.raw() // idle again after an answer
	c.send(framed(ping))
	c.reply()
	c.ends()

	c = f.raw() // not idle: it waits for an answer
	c.send(framed(`{"v":1,"id":1,"cmd":"hold"}`))
	r := <-held
	time.Sleep(200 * time.Millisecond) // four times the limit
	f.do(func() { r.Reply(0, "SUCCESS", "", nil) })
	if a := c.reply(); a.Code != 0 {
		t.Errorf("%+v", a)
	}
	c.ends()
}

// A client that asks and never reads is bounded and cut in the end.
func TestNeverReads(t *testing.T) {
	big := strings.Repeat("x", 8<<10)
	f := serve(t, quick(func(l *limits) { l.idle = 300 * time.Millisecond }), func(r *Request) {
		r.Reply(0, "SUCCESS", big, nil)
	}, nil)
	c := f.raw()
	c.SetWriteDeadline(time.Now().Add(patience))
	sent := 0
	for {
		n, err := c.Write(framed(ping))
		sent += n
		if err != nil {
			break // the server hung up while we were blocked
		}
	}
	if s := f.stats(); s.Requests > 1000 {
		t.Errorf("%d requests were answered into the void", s.Requests)
	}
	f.works()
}

func TestCloseBeforeReply(t *testing.T) {
	held := make(chan *Request, 1)
	gone := make(chan struct{})
	f := serve(t, quick(nil), func(r *Request) {
		if r.Cmd == "ping" {
			echo(r)
			return
		}
		r.OnGone(func() { close(gone) })
		held <- r
	}, nil)
	c := f.raw()
	c.send(framed(`{"v":1,"id":1,"cmd":"start"}`))
	r := <-held
	c.Close()
	<-gone
	f.do(func() {
		if !r.Gone() {
			t.Error("not gone")
		}
		r.Reply(0, "SUCCESS", "", nil) // no SIGPIPE, no harm
	})
	f.works()
}

// A request and an immediate end of the connection: the request counts.
func TestAskAndLeave(t *testing.T) {
	gone := make(chan string, 1)
	f := serve(t, quick(nil), func(r *Request) {
		cmd := r.Cmd
		r.OnGone(func() { gone <- cmd })
	}, nil)
	c := f.raw()
	c.send(framed(`{"v":1,"id":1,"cmd":"start"}`))
	c.Close()
	if cmd := <-gone; cmd != "start" {
		t.Error(cmd)
	}
}

// shutdown(2) of the sending side is not an end: the answer is still wanted.
func TestHalfClosed(t *testing.T) {
	held := make(chan *Request, 1)
	f := serve(t, quick(nil), func(r *Request) { held <- r }, nil)
	c := f.raw()
	c.send(framed(ping))
	c.CloseWrite()
	r := <-held
	f.do(func() {}) // the end of input is seen by now or right after
	f.do(func() { r.Reply(0, "SUCCESS", "", nil) })
	if a := c.reply(); a.Code != 0 {
		t.Errorf("%+v", a)
	}
	c.ends()
	f.until("connection forgotten", func() bool { return len(f.srv.peers) == 0 })
}

func openFiles(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

func TestDescriptorsAreRefused(t *testing.T) {
	f := serve(t, quick(nil), echo, nil)
	c := f.raw()
	f.works()
	before := openFiles(t)
	rights := unix.UnixRights(0, 1, 2, 0, 1, 2)
	if _, _, err := c.WriteMsgUnix(framed(ping), rights, nil); err != nil {
		t.Fatal(err)
	}
	if a := c.reply(); a.Code != 23 || !strings.Contains(a.Text, "descriptors") {
		t.Errorf("%+v", a)
	}
	c.ends()
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	f.works()
}

func TestConnectionLimits(t *testing.T) {
	nobody := func(o *ServerOptions) { o.Privileged = func(Cred) bool { return false } }
	for _, tc := range []struct {
		name  string
		setup func(*ServerOptions)
		want  int
	}{
		{"privileged", nil, 64},
		{"unprivileged", nobody, 8},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := serve(t, quick(nil), echo, tc.setup)
			var good []raw
			for range tc.want {
				c := f.raw()
				c.send(framed(ping))
				c.reply()
				good = append(good, c)
			}
			c := f.raw()
			if _, err := io.ReadAll(c); err != nil {
				t.Errorf("the one too many: %v", err)
			}
			if s := f.stats(); s.Refused != 1 {
				t.Errorf("stats %+v", s)
			}
			good[0].send(framed(ping)) // the others live on
			good[0].reply()
			good[1].Close() // and a place that gets free is given away
			f.until("a place is free", func() bool { return len(f.srv.peers) == tc.want-1 })
			f.works()
		})
	}
}

// The last places are kept for the privileged.
func TestReservedPlaces(t *testing.T) {
	l := limits{conns: 4, reserved: 1, perUID: 8}
	s := &Server{limits: l, peers: map[*Peer]struct{}{}, perUID: map[uint32]int{}}
	for i := range uint32(3) {
		p := &Peer{Cred: Cred{UID: 1000 + i}}
		if !s.admit(p) {
			t.Fatalf("user %d refused", i)
		}
		s.peers[p] = struct{}{}
		s.perUID[p.Cred.UID]++
		s.ordinary++
	}
	if s.admit(&Peer{Cred: Cred{UID: 2000}}) {
		t.Error("a user took the last place")
	}
	if !s.admit(&Peer{Privileged: true}) {
		t.Error("the administrator is locked out")
	}
}

func TestThousandConnections(t *testing.T) {
	f := serve(t, quick(nil), echo, nil)
	var wg sync.WaitGroup
	conns := make([]net.Conn, 1000)
	for i := range conns {
		wg.Add(1)
		go func() {
			defer wg.Done()
			conns[i] = f.raw()
		}()
	}
	wg.Wait()
	f.until("all are seen", func() bool { return f.srv.stats.Accepted+f.srv.stats.Refused == 1000 })
	f.do(func() {
		if n := len(f.srv.peers); n != 64 {
			t.Errorf("%d connections are served", n)
		}
	})
	for _, c := range conns {
		c.Close()
	}
	f.until("all have gone", func() bool { return len(f.srv.peers) == 0 })
	f.works()
}

// One connection with thousands of requests leaves turns of the loop to
// others, and bounded memory to the daemon.
func TestFloodOfRequests(t *testing.T) {
	var held []*Request
	f := serve(t, quick(nil), func(r *Request) {
		if r.Cmd == "hold" {
			held = append(held, r)
			return
		}
		echo(r)
	}, nil)
	c := f.raw()
	var flood []byte
	const n = 5000
	for i := range n {
		flood = append(flood, framed(fmt.Sprintf(`{"v":1,"id":%d,"cmd":"hold"}`, i))...)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(flood)
		sent <- err
	}()
	f.until("the limit of open requests", func() bool { return len(held) == 64 })
	f.works()
	f.do(func() {
		if len(held) != 64 {
			t.Errorf("%d requests are open", len(held))
		}
		for p := range f.srv.peers {
			if len(p.in) > MaxRequest+headLen+readBudget {
				t.Errorf("%d octets are kept", len(p.in))
			}
		}
	})
	// Answer until all are through.
	seen := 0
	for seen < n {
		f.do(func() {
			batch := held
			held = nil
			for _, r := range batch {
				r.Reply(0, "SUCCESS", "", nil)
			}
		})
		for f.has(c) {
			if a := c.reply(); a.ID == nil || *a.ID != int64(seen) {
				t.Fatalf("answer %d: %+v", seen, a)
			}
			seen++
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// has reports whether something can be read from c, waiting a little.
func (f *fixture) has(c raw) bool {
	sc, err := c.SyscallConn()
	if err != nil {
		f.t.Fatal(err)
	}
	ok := false
	sc.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, _ := unix.Poll(fds, 2)
		ok = n > 0
	})
	return ok
}
