package api

import "time"

// OpArgs are the arguments of start, extend, inform, release and drop.
type OpArgs struct {
	// Primary makes the interface the primary one.
	Primary bool `json:"primary,omitempty"`
	// Hostname replaces the host name to ask for.
	Hostname string `json:"hostname,omitempty"`
}

// Category is a class of options that get-tag can look up.
type Category string

// The categories.
const (
	Standard Category = "STANDARD"
	Extended Category = "EXTEND"
	Vendor   Category = "VENDOR"
	Site     Category = "SITE"
	Field    Category = "FIELD"
	Internal Category = "INTERNAL"
)

// TagArgs are the arguments of get-tag. Size counts for FIELD only.
type TagArgs struct {
	Category Category `json:"category"`
	Code     uint32   `json:"code"`
	Size     uint32   `json:"size,omitempty"`
}

// TagResult is the result of get-tag: the value's octets (base64 in JSON). An
// absent option is a SUCCESS with Present false.
type TagResult struct {
	Code    uint32 `json:"code"`
	Present bool   `json:"present"`
	Value   []byte `json:"value"`
}

// ListItem is one client in the result of list.
type ListItem struct {
	Interface string `json:"interface"`
	Family    int    `json:"family"`
}

// StatusResult is the result of status, and the "status" events of subscribe.
type StatusResult struct {
	Interface string     `json:"interface"`
	Ifindex   int        `json:"ifindex"`
	Family    int        `json:"family"`
	State     string     `json:"state"`
	Flags     []string   `json:"flags"` // PRIMARY, BOOTP, FAILED, BUSY, V6 in this order, and REMOVED
	Primary   bool       `json:"primary"`
	Address   string     `json:"address,omitempty"`
	PrefixLen int        `json:"prefixlen,omitempty"`
	Server    string     `json:"server,omitempty"`
	Began     *time.Time `json:"began"`
	T1        *time.Time `json:"t1"`
	T2        *time.Time `json:"t2"`
	Expires   *time.Time `json:"expires"` // null: never
	// Remaining times in seconds; absent where there is no such time.
	Remaining Remaining `json:"remaining"`
	Routers   []string  `json:"routers"`
	Routes    []string  `json:"routes"` // "dst via gateway"
	DNS       []string  `json:"dns"`
	Domain    string    `json:"domain"`
	Search    []string  `json:"search"`
	NTP       []string  `json:"ntp"`
	MTU       int       `json:"mtu,omitempty"`
	Counters  Counters  `json:"counters"`
	LastError string    `json:"last_error"`
	// Wait tells what the client waits for, if it does.
	Wait Wait `json:"wait"`
}

// Remaining are times in seconds from now.
type Remaining struct {
	T1      *int64 `json:"t1,omitempty"`
	T2      *int64 `json:"t2,omitempty"`
	Expires *int64 `json:"expires,omitempty"`
}

// Counters are the packet counters of a client.
type Counters struct {
	Sent      uint64            `json:"sent"`
	Recv      uint64            `json:"recv"`
	BadOffers uint64            `json:"bad_offers"`
	Dropped   map[string]uint64 `json:"dropped"`
}

// Wait is what a client waits for.
type Wait struct {
	For     string  `json:"for,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}
