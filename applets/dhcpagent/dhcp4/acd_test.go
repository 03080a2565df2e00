package dhcp4

import (
	"net/netip"
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/rawsock/frame"
)

func holder(a netip.Addr) frame.ARP {
	return frame.ARP{Op: frame.ARPReply, SenderHW: [6]byte{2, 9}, SenderIP: a, TargetIP: a}
}

// TestConflictWhileConfiguring: the probes are through, the kernel has not
// answered yet.
func TestConflictWhileConfiguring(t *testing.T) {
	cfg := testConfig()
	cfg.ACD = ACDFast
	b := newBench(t, cfg)
	b.configure = false
	b.command(1, api.Start, -1)
	b.offer()
	b.ack()
	b.advance(time.Second)
	b.want(PreBound)
	if b.installed == nil {
		t.Fatal("not being configured")
	}
	op := b.configOp
	b.arp(holder(testAddr), false)
	b.want(Init)
	if m := b.last(); m.Type != typeDecline || b.installed != nil {
		t.Fatalf("sent %v, installed %v", m.Type, b.installed)
	}
	b.do(func(out *Effects) { b.c.Configured(b.now, op, nil, out) })
	b.want(Init)
}

// TestDefencePerAddress: RFC 5227 §2.4 (b) counts the conflicts of one address.
func TestDefencePerAddress(t *testing.T) {
	cfg := testConfig()
	cfg.ACD = ACDFast
	b := newBench(t, cfg)
	b.hooks = true
	b.bind()
	b.advance(3 * time.Second)
	b.arp(holder(testAddr), false)
	b.want(Bound)
	// A refusal, and another address within ten seconds.
	other := netip.MustParseAddr("192.0.2.77")
	b.command(2, api.Extend, -1)
	b.nak()
	b.packet(answer{typ: typeOffer, yi: other, server: testServer, lease: 3600})
	b.packet(answer{typ: typeAck, yi: other, server: testServer, lease: 3600})
	b.advance(time.Second)
	b.want(Bound)
	arps := b.arps
	b.arp(holder(other), false)
	b.want(Bound)
	if b.arps != arps+1 {
		t.Error("not defended")
	}
	b.arp(holder(other), false)
	b.want(Init)
}
