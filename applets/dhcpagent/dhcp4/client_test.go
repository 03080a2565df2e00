package dhcp4

import (
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
)

func TestExchangeInOneTurn(t *testing.T) {
	b := newBench(t, testConfig())
	b.command(1, api.Start, time.Minute)
	b.want(Selecting)
	if m := b.last(); m.Type != typeDiscover {
		t.Fatalf("sent %d, want DISCOVER", m.Type)
	}
	xid := b.last().Xid
	b.offer()
	if m := b.last(); m.Type != typeRequest || m.Xid != xid {
		t.Fatalf("sent type %d xid %x, want a REQUEST with the xid %x of the offer", m.Type, m.Xid, xid)
	}
	b.ack()
	b.want(Bound)
	if b.installed == nil || b.installed.Addr.Addr() != testAddr || b.saved == nil {
		t.Fatalf("installed %+v, saved %v", b.installed, b.saved)
	}
	if len(b.replies[1]) != 0 {
		t.Fatal("answered before the script ended")
	}
	b.hookDone()
	if r := b.replies[1]; len(r) != 1 || r[0] != api.Success {
		t.Fatalf("replies %v", r)
	}
	if b.slots != 0 {
		t.Fatalf("%d slots not given back", b.slots)
	}
}
