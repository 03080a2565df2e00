package proc

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"daemonbox/core/event"
)

// playSubreaper inherits orphans like process 1 does, and has children of its
// own whose status must not get lost.
func playSubreaper() int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	loop, err := event.New(event.Parked)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	const mine, orphansEach = 20, 10
	reaped, ended, lost := 0, 0, 0
	finish := func() {
		if ended == mine && reaped == mine*orphansEach {
			loop.Stop()
		}
	}
	late := loop.Timer("patience", loop.Stop)
	late.Set(loop.Now().Add(patience))
	loop.Post(func() {
		ReapOrphans(loop, func(int) { reaped++; finish() })
		for i := range mine {
			// The subshell leaves at once; its children become ours.
			script := "(for i in 1 2 3 4 5 6 7 8 9 10; do (exit 1) & done); exit 5"
			_, err := Start(loop, sh(script), Method{Name: fmt.Sprint("child ", i)}, func(e Exit) {
				if e.Code != 5 {
					lost++
				}
				ended++
				finish()
			})
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				ended++
			}
		}
	})
	if err := loop.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, err = unix.Wait4(-1, nil, unix.WNOHANG, nil)
	fmt.Printf("ended %d lost %d reaped %d left %v\n", ended, lost, reaped, !errors.Is(err, unix.ECHILD))
	return 0
}

func TestReapOrphans(t *testing.T) {
	start := time.Now()
	r := run(t, as("subreaper"))
	if r.code != 0 || r.stdout != "ended 20 lost 0 reaped 200 left false\n" {
		t.Errorf("%+v after %v", r, time.Since(start))
	}
}

func TestPoolModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pool{Limit: rapid.IntRange(1, 4).Draw(t, "limit")}
		var tickets, in []*Ticket // still here; entered, in order
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				var self *Ticket
				early := false
				self = p.Enter(func() {
					if self == nil {
						early = true
					} else {
						in = append(in, self)
					}
				})
				if early {
					in = append(in, self)
				}
				tickets = append(tickets, self)
			},
			"leave": func(t *rapid.T) {
				if len(tickets) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(tickets)-1).Draw(t, "which")
				k := tickets[i]
				tickets = slices.Delete(tickets, i, i+1)
				in = slices.DeleteFunc(in, func(t *Ticket) bool { return t == k })
				k.Leave()
				k.Leave()
			},
			"": func(t *rapid.T) {
				if p.Running() != min(len(tickets), p.Limit) || p.Running() != len(in) || p.Waiting() != len(tickets)-len(in) {
					t.Fatalf("%d running, %d waiting of %d, %d in", p.Running(), p.Waiting(), len(tickets), len(in))
				}
				// Who is in came before everybody who waits.
				for i, k := range tickets {
					if k.in != (i < len(in)) {
						t.Fatal("out of order")
					}
				}
			},
		})
	})
}
