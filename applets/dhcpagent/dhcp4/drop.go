package dhcp4

// DropReason says why a received packet was not taken. Its String is the key
// of the counter.
type DropReason uint8

// The reasons. DropNone is not one.
const (
	DropNone DropReason = iota
	// DropFrame: bad IP or UDP header or checksum (found by the driver).
	DropFrame
	// DropTruncated: longer than the receive buffer (driver).
	DropTruncated
	// DropForeign: not for this interface: VLAN tag, own packet looped back
	// (driver).
	DropForeign
	// DropShort: shorter than the fixed part and the cookie.
	DropShort
	// DropOp: no BOOTREPLY.
	DropOp
	// DropHLen: a hardware address length over 16.
	DropHLen
	// DropCookie: no magic cookie where one is needed.
	DropCookie
	// DropType: option 53 malformed or of no use to a client.
	DropType
	// DropLease: option 51 malformed, zero or missing.
	DropLease
	// DropServerID: option 54 malformed, missing, zero or another server's.
	DropServerID
	// DropHWAddr: htype, hlen or chaddr of somebody else.
	DropHWAddr
	// DropXid: no exchange has this xid.
	DropXid
	// DropClientID: the echoed option 61 is not ours (RFC 6842).
	DropClientID
	// DropAddress: yiaddr unusable or not the one expected.
	DropAddress
	// DropState: of no use in the present state.
	DropState
	// DropFull: a table has reached its limit.
	DropFull
	// DropDecoder: a decoder of the library failed in an unforeseen way.
	DropDecoder

	NumDropReasons
)

var dropNames = [NumDropReasons]string{
	"", "frame", "truncated", "foreign", "short", "op", "hlen", "cookie", "type", "lease", "server-id",
	"hwaddr", "xid", "client-id", "address", "state", "full", "decoder",
}

// String returns the counter's key.
func (r DropReason) String() string {
	if r < NumDropReasons {
		return dropNames[r]
	}
	return "unknown"
}
