//go:build interop

package netlab

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestRecorder(t *testing.T) {
	t.Parallel()
	a, _, _ := pair(t)
	r, err := a.Record()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := netip.MustParsePrefix("198.51.100.7/24")
	if _, err := r.AwaitAddr(p, 20*time.Millisecond); err == nil {
		t.Error("an address was seen before it was given")
	}
	before := time.Now()
	if err := a.AddAddr("eth0", p); err != nil {
		t.Fatal(err)
	}
	e, err := r.AwaitAddr(p.Masked(), 5*time.Second)
	if err != nil || e.Addr.Prefix != p || e.At.Before(before) {
		t.Fatalf("got %v at %v, %v", e.Addr.Prefix, e.At, err)
	}
	as, err := a.Addrs("eth0")
	if err != nil || len(as) != 2 || as[1].Prefix != p || as[1].Broadcast != netip.MustParseAddr("198.51.100.255") {
		t.Errorf("addresses %+v, %v", as, err)
	}
	if err := a.DelAddr("eth0", p); err != nil {
		t.Fatal(err)
	}
	if err := Wait(5*time.Second, func() (bool, error) { return slices.Contains(r.Removed(), p), nil }); err != nil {
		t.Errorf("the end of the address was not recorded: %v", err)
	}
	r.Reset()
	if n := len(r.Events()); n != 0 {
		t.Errorf("%d events after Reset", n)
	}
}
