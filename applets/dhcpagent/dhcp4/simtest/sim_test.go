package simtest

import (
	"testing"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/sim"
)

func oneServer(lease time.Duration) []ServerOptions {
	return []ServerOptions{{
		Addr: lanIP(0, 1), Prefix: subnet, First: lanIP(1, 10), Last: lanIP(1, 60), Lease: lease, Authoritative: true,
	}}
}

func hosts(n int, cfg dhcp4.Config) (list []HostOptions) {
	for range n {
		list = append(list, HostOptions{Config: cfg})
	}
	return list
}

func TestSmoke(t *testing.T) {
	w := NewWorld(sim.Seed(t), Options{
		Link: sim.Link{Delay: time.Millisecond}, Servers: oneServer(time.Hour), Hosts: hosts(3, dhcp4.Config{LeaseTime: 0xffffffff, ACDDefend: true}), NoHook: 1,
	})
	for _, h := range w.hosts {
		w.After(0, "start", h.ensureStarted)
	}
	if err := w.Run(24 * time.Hour); err != nil {
		t.Fatalf("%v\n%s", err, w.Trace().Last(60))
	}
	w.checkLiveness()
	if err := w.Failed(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events", w.Events())
}

// chaosTime is how long the faults of a random world last.
const chaosTime = time.Hour

func randomWorld(seed uint64, c *Coverage) *World {
	o := RandomOptions(seed)
	o.Coverage = c
	w := NewWorld(seed, o)
	for _, h := range w.hosts {
		if !h.static.IsValid() && w.Chance(0.8) {
			w.After(w.Duration(0, 20*time.Second), "start", h.ensureStarted)
		}
	}
	return w
}

// fixedSeeds is how many worlds a normal run simulates.
const fixedSeeds = 200

// TestWorlds lets worlds of all kinds live through their faults. Over all fixed
// seeds every state must have met the inputs that matter, and what machines do
// about faults must have happened.
func TestWorlds(t *testing.T) {
	c := NewCoverage()
	sim.Seeds(t, fixedSeeds, func(seed uint64) error { return randomWorld(seed, c).Soak(chaosTime) })
	if !sim.Fixed() {
		return
	}
	if m := c.Missing(mustHappen, mustMeet); len(m) > 0 {
		t.Errorf("never happened: %q\n%s", m, c)
	}
	if testing.Verbose() {
		t.Logf("\n%s", c)
	}
}

var mustHappen = []string{
	"sent: DISCOVER in SELECTING", "sent: REQUEST in REQUESTING", "sent: REQUEST in INIT_REBOOT",
	"sent: REQUEST in RENEWING", "sent: REQUEST in REBINDING", "sent: INFORM in INFORM_SENT",
	"sent: RELEASE in RELEASING", "sent: DECLINE in INIT", "sent: DECLINE in BOUND",
	"script: BOUND", "script: EXTEND", "script: EXPIRE", "script: DROP", "script: RELEASE", "script: INFORM",
	"script: CARRIER", "script: NAK",
	"reply: start SUCCESS", "reply: start TIMEOUT", "reply: start PEND", "reply: extend SUCCESS", "reply: extend TIMEOUT",
	"reply: drop SUCCESS", "reply: release SUCCESS", "reply: inform SUCCESS",
	"parser: short", "parser: op", "refused: address", "refused: lease", "refused: server-id", "refused: state", "refused: cookie",
	"note: another host uses our address, defending it", "note: cannot configure the interface",
	"note: lease ran out", "note: next attempt later", "note: hardware address changed",
	"note: no server answers, keeping the lease", "note: no server answers, using the saved lease",
	"note: no server confirmed the saved lease, starting anew", "note: server made an offer and does not answer the request",
	"note: server refused the request (NAK)", "note: the address is in use by another host",
	"note: the address was deleted by somebody else", "note: the address was taken over by somebody else",
	"note: unusable ACK to a renewal", "note: unusable ACK, starting anew", "note: interface has gone", "note: interface renamed",
}

var mustMeet = func() (pairs []string) {
	for state, inputs := range map[string][]input{
		"INIT":        {inTimer, inCommand, inLink, inAdopt},
		"SELECTING":   {inTimer, inPacket, inCommand, inLink, inResume, inConfigured, inHookDone, inSlot, inShutdown, inGone, inHint},
		"REQUESTING":  {inTimer, inPacket, inCommand, inLink, inResume, inSlot, inShutdown},
		"PRE_BOUND":   {inTimer, inARP, inCommand, inLink, inConfigured},
		"BOUND":       {inTimer, inARP, inCommand, inLink, inResume, inConfigured, inHookDone, inAddress, inShutdown, inGone, inHint},
		"RENEWING":    {inTimer, inPacket, inARP, inCommand, inLink, inResume, inHookDone, inSlot, inAddress, inShutdown, inGone},
		"REBINDING":   {inTimer, inPacket, inARP, inCommand, inLink, inResume, inConfigured, inHookDone, inSlot, inAddress, inShutdown},
		"INIT_REBOOT": {inTimer, inPacket, inCommand, inLink, inConfigured, inHookDone, inSlot, inAddress},
		"INFORM_SENT": {inTimer, inPacket, inLink, inSlot},
		"INFORMATION": {inTimer, inCommand, inLink, inResume, inHookDone, inShutdown},
		"RELEASING":   {inTimer, inConfigured},
	} {
		for _, in := range inputs {
			pairs = append(pairs, state+" "+inputNames[in])
		}
	}
	return pairs
}()
