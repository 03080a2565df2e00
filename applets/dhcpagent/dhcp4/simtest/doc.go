// Package simtest runs many DHCPv4 clients against servers in a deterministic
// virtual world and checks after every event what must hold at all times. The
// clients are the real machine of package dhcp4, driven as the agent drives it,
// with real octets on every wire and real lease files on a virtual disk; the
// servers are the real ones of package server. What surrounds them — kernels,
// cables, users, squatters, liars — is made here.
//
// # What is checked
//
// After every event:
//
//   - no two hosts hold one address (see holders.go for what "hold" means and
//     which cases no client can prevent);
//   - what a host holds stands in the books of the server that granted it, at
//     least as long as the host believes;
//   - no address is used more than 2 s after the end of its lease;
//   - no address is dropped while its lease holds, unless a NAK, a conflict,
//     a user, or an administrator gave cause;
//   - no client sends more packets than the limit explained at maxPerWindow;
//   - no timer is armed that the state does not own;
//   - every effect is legal at its time, every packet is well formed;
//   - every request is answered once, and in time.
//
// At the end the network becomes fair, and every client must be bound within
// the time explained at livenessBound.
//
// # Replaying
//
// A failure prints the command that replays its seed; -sim.trace shows every
// event of it. Two runs of one seed leave one trace.
//
// Everything belongs to the goroutine of the test.
package simtest
