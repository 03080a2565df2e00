package dhcp4

import (
	"log/slog"
	"net/netip"
	"time"
)

// ACDMode selects address conflict detection (RFC 5227).
type ACDMode uint8

// The modes. Only ACDFull keeps the times of RFC 5227 §1.1.
const (
	ACDFast       ACDMode = iota // 0–50 ms, two probes 200 ms apart, 400 ms
	ACDFull                      // the RFC's times, 4–7 s
	ACDOff                       // none
	ACDOptimistic                // configured at once, probed as in fast meanwhile
)

// MTUMode says what is done with option 26.
type MTUMode uint8

// The MTU modes.
const (
	MTUIgnore MTUMode = iota
	MTULink           // set the interface's MTU
	MTURoute          // set an mtu metric on the routes of the lease
)

// Config is everything an administrator can set for one client. The driver
// reads it from files and command line; a Config is replaced, never changed.
type Config struct {
	// Alias marks an additional logical interface (eth0:1): it never gets
	// default routes.
	Alias bool
	// Primary clients ask for the node name.
	Primary bool

	OfferWait  time.Duration
	StartDelay time.Duration
	// ClientID is the value of option 61; nil sends none.
	ClientID []byte
	// ClientIDFollowsHW: the identity changes with the hardware address, also
	// when no option 61 is sent.
	ClientIDFollowsHW bool
	ParamRequest      []uint8
	ParamIgnore       []uint8
	VendorClass       string
	// LeaseTime is the value of option 51 in requests; 0 leaves it out.
	LeaseTime uint32
	Broadcast bool

	// Host names to ask for, see hostname.go.
	IfHostname      string // from the interface's hostname file
	NodeName        string
	RequestHostname bool
	RequestFQDN     bool
	DNSDomain       string
	AdoptDomain     bool
	ResolverDomain  string

	VerifiedLeaseOnly bool
	ReleaseOnSigterm  bool
	KeepOnExpiry      bool
	ACD               ACDMode
	ACDDefend         bool
	MTU               MTUMode
	MSRoutes          bool
	Allow240          bool
	// RouteAllow limits the routes taken from a server.
	RouteAllow RoutePolicy
	RouteDeny  []netip.Prefix
	HookExtra  bool

	// LogLevel is the lowest level of the Note effects that are wanted; packets
	// are noted at slog.LevelDebug.
	LogLevel slog.Level
}

// RoutePolicy says which routes of options 3, 33, 121 and 249 are taken.
type RoutePolicy uint8

// The policies.
const (
	RoutesAll RoutePolicy = iota
	RoutesDefaultOnly
	RoutesNone
)
