package control

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// subscriber makes a server whose streams go to a channel.
func subscriber(t *testing.T, l limits) (*fixture, chan *Stream) {
	streams := make(chan *Stream, 8)
	f := serve(t, l, func(r *Request) {
		switch r.Cmd {
		case "subscribe":
			if string(r.Args) == `["none"]` {
				r.Proto("member args: no such class of events")
				return
			}
			streams <- r.Subscribe()
		default:
			echo(r)
		}
	}, nil)
	return f, streams
}

func TestStream(t *testing.T) {
	f, streams := subscriber(t, quick(func(l *limits) { l.idle = 50 * time.Millisecond }))
	type state struct {
		If    string `json:"if"`
		State string `json:"state"`
	}
	go func() {
		s := <-streams
		time.Sleep(150 * time.Millisecond) // a silent subscription is not idle
		f.do(func() {
			s.Send("state", state{"eth0", "BOUND"})
			s.Send("wrong", 5) // no object: logged, not sent
			s.Send("empty", nil)
		})
	}()
	enough := errors.New("enough")
	var got []string
	err := f.dial().Stream(soon(t), []string{"state"}, func(e Event) error {
		at, err := time.Parse(time.RFC3339, e.Time)
		if err != nil || time.Since(at) > time.Minute {
			t.Errorf("time %q: %v", e.Time, err)
		}
		got = append(got, fmt.Sprintf("%d %s", e.Seq, e.Event))
		if e.Event == "state" && !strings.HasSuffix(string(e.Raw), `,"if":"eth0","state":"BOUND"}`) {
			t.Errorf("raw %s", e.Raw)
		}
		if len(got) == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || strings.Join(got, ",") != "1 state,2 empty" {
		t.Errorf("%v, %q", err, got)
	}
	f.until("the stream's end is seen", func() bool { return len(f.srv.peers) == 0 })
}

func TestStreamRefused(t *testing.T) {
	f, _ := subscriber(t, quick(nil))
	err := f.dial().Stream(soon(t), []string{"none"}, nil)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Reply.Code != 23 {
		t.Errorf("%v", err)
	}
}

func TestStreamTakesNoRequests(t *testing.T) {
	f, streams := subscriber(t, quick(nil))
	c := f.raw()
	c.send(framed(`{"v":1,"id":1,"cmd":"subscribe"}`))
	c.reply()
	s := <-streams
	c.send(framed(ping))
	if a := c.reply(); a.Name != "PROTO" || a.ID == nil || *a.ID != 7 {
		t.Errorf("%+v", a)
	}
	gone := make(chan struct{})
	f.do(func() { s.OnGone(func() { close(gone) }) })
	c.Close()
	<-gone
	f.do(func() {
		if !s.Gone() {
			t.Error("not gone")
		}
		s.Send("x", nil)
	})
}

func TestStreamCanceled(t *testing.T) {
	f, streams := subscriber(t, quick(nil))
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-streams
		cancel()
	}()
	if err := f.dial().Stream(ctx, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// A subscriber that does not read is told what it lost and cut; the memory for
// it is bounded, and no turn of the loop waits for it.
func TestSlowSubscriber(t *testing.T) {
	f, streams := subscriber(t, quick(nil))
	c := f.raw()
	c.send(framed(`{"v":1,"id":1,"cmd":"subscribe"}`))
	c.reply()
	s := <-streams
	pad := map[string]string{"pad": strings.Repeat("x", 10<<10)}
	sent := 0
	for stop := false; !stop; {
		f.do(func() {
			s.Send("tick", pad)
			sent++
			stop = s.Gone()
			if s.peer.out.size > maxBehind+16<<10 {
				t.Errorf("%d octets are kept", s.peer.out.size)
			}
		})
		if sent > 1000 {
			t.Fatal("never cut")
		}
	}
	f.works()
	got, lost := 0, 0
	seq := uint64(0)
	for {
		a, err := c.read()
		if err != nil {
			break
		}
		if a.Seq <= seq {
			t.Errorf("event %d after %d", a.Seq, seq)
		}
		seq = a.Seq
		if a.Event == "lost" {
			lost++
			continue
		}
		if lost > 0 {
			t.Error("an event after lost")
		}
		got++
	}
	if lost != 1 || got == 0 || got >= sent {
		t.Errorf("%d sent, %d read, %d times lost", sent, got, lost)
	}
	if st := f.stats(); st.Lost != 1 {
		t.Errorf("stats %+v", st)
	}
}

// The same seen by our own client, whose callback is slow; and the count of
// lost events is exact.
func TestSlowTaker(t *testing.T) {
	f, streams := subscriber(t, quick(nil))
	cut := make(chan int, 1)
	go func() {
		s := <-streams
		pad := map[string]string{"pad": strings.Repeat("x", 100<<10)}
		for n := 1; ; n++ {
			gone := false
			f.do(func() {
				s.Send("tick", pad)
				gone = s.Gone()
			})
			if gone {
				cut <- n
				return
			}
		}
	}()
	got, count := 0, 0
	sent := 0
	err := f.dial().Stream(soon(t), nil, func(e Event) error {
		if sent == 0 {
			sent = <-cut
		}
		if e.Event == "lost" {
			_, err := fmt.Sscanf(string(e.Raw[strings.Index(string(e.Raw), `"count"`):]), `"count":%d`, &count)
			return err
		}
		got++
		return nil
	})
	if !errors.Is(err, ErrLost) || got+count != sent {
		t.Errorf("%v: %d sent, %d got, %d lost", err, sent, got, count)
	}
}

// One that is cut and reads nothing at all goes after a while.
func TestLinger(t *testing.T) {
	f, streams := subscriber(t, quick(func(l *limits) { l.linger = 50 * time.Millisecond }))
	c := f.raw()
	c.send(framed(`{"v":1,"id":1,"cmd":"subscribe"}`))
	c.reply()
	s := <-streams
	pad := map[string]string{"pad": strings.Repeat("x", 2*maxBehind)}
	f.do(func() { s.Send("huge", pad) })
	f.do(func() { s.Send("huge", pad) })
	f.until("connection given up", func() bool { return len(f.srv.peers) == 0 })
}
