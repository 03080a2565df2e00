package dhcp4

import (
	"testing"
	"time"

	"daemonbox/core/timer"
)

// drain returns whom the pacer grants a slot now.
func drain(p *Pacer[int], now timer.Time) []int {
	var list []int
	for {
		k, ok := p.Grant(now)
		if !ok {
			return list
		}
		list = append(list, k)
	}
}

func TestPacer(t *testing.T) {
	var p Pacer[int]
	now := timer.Time(time.Hour)
	if got := drain(&p, now); got != nil || p.Next() != timer.Never {
		t.Fatalf("granted %v of nothing", got)
	}
	for k := range 40 {
		p.Acquire(k)
		p.Acquire(k) // asking twice is asking once
	}
	if got := drain(&p, now); len(got) != maxExchanges || got[0] != 0 || got[31] != 31 {
		t.Fatalf("granted %v", got)
	}
	if p.Next() != now.Add(slotTime) {
		t.Fatalf("next at %v", p.Next())
	}
	p.Yield(5)
	p.Yield(33) // leaves the queue
	if got := drain(&p, now); len(got) != 1 || got[0] != 32 {
		t.Fatalf("granted %v after a slot came back", got)
	}
	p.Sent(now.Add(400*time.Millisecond), 0)
	p.Sent(now, 39) // holds none
	if got := drain(&p, now.Add(slotTime-1)); got != nil {
		t.Fatalf("granted %v too early", got)
	}
	now = now.Add(slotTime)
	p.Acquire(0) // gives its slot back and goes to the end
	got := drain(&p, now)
	if len(got) != 7 || got[0] != 34 || got[6] != 0 {
		t.Fatalf("granted %v after 500 ms", got)
	}
	if p.Next() != timer.Never {
		t.Fatalf("next at %v though nobody waits", p.Next())
	}
}

// Slots that are never given back must not stop the others for more than
// 500 ms a batch.
func TestPacerThroughput(t *testing.T) {
	var p Pacer[int]
	for k := range 500 {
		p.Acquire(k)
	}
	now, served := timer.Time(0), 0
	for {
		served += len(drain(&p, now))
		next := p.Next()
		if next == timer.Never {
			break
		}
		now = next
	}
	if served != 500 || now > timer.Time(16*slotTime) {
		t.Fatalf("served %d in %v", served, time.Duration(now))
	}
}
