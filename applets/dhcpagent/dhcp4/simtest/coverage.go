package simtest

import (
	"fmt"
	"slices"

	"daemonbox/applets/dhcpagent/dhcp4"
)

// Coverage counts what happened to machines over many worlds. A simulation
// that no longer reaches a corner finds nothing there.
type Coverage struct {
	inputs [int(dhcp4.Releasing) + 1][numInputs]int
	events map[string]int // event scripts, refusals of packets, replies
}

// input is a kind of input of the machine.
type input uint8

const (
	inTimer input = iota
	inPacket
	inARP
	inCommand
	inLink
	inResume
	inConfigured
	inHookDone
	inSlot
	inAddress
	inShutdown
	inGone
	inHint
	inAdopt

	numInputs
)

var inputNames = [numInputs]string{
	"timer", "packet", "arp", "command", "link", "resume", "configured", "hook done", "slot", "address", "shutdown", "gone", "hint", "adopt",
}

// NewCoverage returns an empty one.
func NewCoverage() *Coverage { return &Coverage{events: map[string]int{}} }

// count notes an input that is about to happen.
func (h *Host) count(in input) {
	if c := h.w.opt.Coverage; c != nil && h.m != nil {
		c.inputs[h.m.State()][in]++
	}
}

func (h *Host) countEvent(what string) {
	if c := h.w.opt.Coverage; c != nil {
		c.events[what]++
	}
}

// countDrops notes for which reasons the machine refused a packet.
func (h *Host) countDrops(before *[dhcp4.NumDropReasons]uint64) {
	if h.w.opt.Coverage == nil || h.m == nil {
		return
	}
	after := h.m.Status().Dropped
	for r := range after {
		if after[r] > before[r] {
			h.countEvent("refused: " + dhcp4.DropReason(r).String())
		}
	}
}

// Missing returns which of the wanted events never happened, and which pairs
// of state and input did not.
func (c *Coverage) Missing(events []string, pairs []string) (missing []string) {
	for _, e := range events {
		if c.events[e] == 0 {
			missing = append(missing, e)
		}
	}
	for s := range c.inputs {
		for in, n := range c.inputs[s] {
			name := dhcp4.State(s).String() + " " + inputNames[in]
			if n == 0 && slices.Contains(pairs, name) {
				missing = append(missing, name)
			}
		}
	}
	return missing
}

// String lists all that was counted.
func (c *Coverage) String() string {
	var lines []string
	for e, n := range c.events {
		lines = append(lines, fmt.Sprintf("%8d %s", n, e))
	}
	for s := range c.inputs {
		for in, n := range c.inputs[s] {
			if n > 0 {
				lines = append(lines, fmt.Sprintf("%8d %v %s", n, dhcp4.State(s), inputNames[in]))
			}
		}
	}
	slices.SortFunc(lines, func(a, b string) int {
		if a[8:] < b[8:] {
			return -1
		}
		return 1
	})
	text := ""
	for _, l := range lines {
		text += l + "\n"
	}
	return text
}
