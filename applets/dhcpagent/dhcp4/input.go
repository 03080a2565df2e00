package dhcp4

import (
	"net/netip"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

// Request is a command of a user or of the agent itself.
type Request struct {
	// ID comes back in the Reply effect. 0 means that nobody waits.
	ID   uint64
	Cmd  api.Command
	User bool
	// Timeout ends the user's wait: negative is no limit, 0 starts the
	// operation and answers TIMEOUT at once.
	Timeout time.Duration
	// Hostname replaces the name to ask for; "" leaves it as it was.
	Hostname string
	// Saved is the lease to begin with (START), or nil.
	Saved *Saved
	// Addr is the interface's own address (INFORM).
	Addr netip.Prefix
}

// Saved is a lease as it is kept over restarts. The file layout is in
// leasefile.go; the driver converts its two clocks to Start.
type Saved struct {
	// Current is the newest ACK as received; Original the first one of this
	// lease and may be nil (then it is Current).
	Current, Original []byte
	// Start is the moment lease times count from. It may lie before the boot
	// (negative).
	Start timer.Time
	// Verify forbids the use of the lease without a server's word.
	Verify bool
	// Adopted: the lease came from a boot loader or an initramfs.
	Adopted bool
	// HWType and HWAddr are those of the link when the lease was obtained.
	HWType uint16
	HWAddr []byte
	// Held says that the address still stands on the link with our mark and
	// the link has been up all the time (restart of the agent).
	Held bool
	// Stands says that the address still stands on the link with our mark, but
	// the link may have been down: it is kept until a server speaks, and probed
	// again.
	Stands bool
}

// Link is what the client has to know of its interface.
type Link struct {
	Name   string
	Up     bool // usable for packets: administratively up, carrier, not dormant
	HWType uint16
	HWAddr []byte
	MTU    int
	// NoARP: the link has no address resolution (IFF_NOARP), so that conflicts
	// cannot be detected.
	NoARP bool
	// Spread, together with a change of Up to true, tells that many links of
	// the agent come back at the same time: the client waits a random time of
	// up to one second before it sends.
	Spread bool
}

// AddrChange says what somebody else did to the address the client had put on
// the interface.
type AddrChange uint8

// The foreign changes.
const (
	// AddrDeleted: the address is not there any more.
	AddrDeleted AddrChange = iota
	// AddrTaken: somebody made it permanent or gave it another prefix length.
	AddrTaken
)
