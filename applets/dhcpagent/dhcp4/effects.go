package dhcp4

import (
	"log/slog"
	"net/netip"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/timer"
)

// EffectKind says what the driver has to do.
type EffectKind uint8

// The effects. The driver executes a list front to back after the input that
// produced it has returned.
const (
	// Send transmits Data, a BOOTP message, from Src:68 to Dst:67. Dst is the
	// limited broadcast address or a server; a Src of 0.0.0.0 or a broadcast
	// destination goes out on the packet socket, the rest by the kernel's
	// routing (so that it resolves the next hop).
	Send EffectKind = iota + 1
	// SendARP broadcasts Data, the 28 octets of an ARP packet (RFC 826).
	SendARP
	// Arm sets timer Timer to At, moving it if it is pending.
	Arm
	// Disarm stops timer Timer.
	Disarm
	// Configure makes the interface carry exactly Net; nil takes everything of
	// this client away. The driver answers with Client.Configured(Op). With Flag
	// (and no Net) the address belongs to somebody else by now, or went with its
	// interface: routes and resolver entries go, the address is left alone.
	// A link that was down may have lost routes in the kernel: the driver
	// compares with what is there, not with what it once did.
	Configure
	// Refresh gives the kernel the lifetimes of Net anew; nothing else changed.
	// Kernel lifetimes count in jiffies, which stand still during suspend.
	Refresh
	// Save stores Saved durably; it must not delay what follows.
	Save
	// Forget removes the saved lease.
	Forget
	// RunHook starts the event script with Event and answers with
	// Client.HookDone(Op). A script of this client that still runs is stopped
	// by the driver first; no HookDone follows for that one. Net is what the
	// event is about, nil without a lease.
	RunHook
	// StopHook ends a running script; no HookDone follows.
	StopHook
	// Reply answers the user's request Request with Code and Text.
	Reply
	// Acquire asks the agent for one of its exchange slots (pacing); it answers
	// with Client.Slot when the client may send.
	Acquire
	// Yield gives the slot back.
	Yield
	// Probing says in Flag whether ARP packets for this client are to be
	// received from now on.
	Probing
	// Changed says that the status differs from before (subscribers).
	Changed
	// Note is a log record: Level, Text and Attrs.
	Note
	// Gone says that the client is finished; the driver forgets it and its
	// timers.
	Gone
)

// TimerID names a timer of a Client. Each is armed at most once.
type TimerID uint8

// The timers of a client.
const (
	TimerRetransmit TimerID = iota // next transmission of the running exchange
	TimerOffer                     // end of the collection of offers
	TimerDelay                     // start delay, restart backoff
	TimerT1
	TimerT2
	TimerExpire
	TimerACD     // next step of address conflict detection
	TimerOp      // time limit of the user's operation
	TimerRefresh // a delayed refresh after link flaps
	TimerRelease // the last wait of a release

	NumTimers
)

// Effect is one entry of an Effects list. Which fields count depends on Kind.
type Effect struct {
	Kind     EffectKind
	Timer    TimerID
	At       timer.Time
	Src, Dst netip.Addr
	Data     []byte // valid until the next input
	Net      *NetConfig
	Op       uint32
	Saved    *Saved
	Event    string
	Request  uint64
	Code     api.Code
	Flag     bool
	Level    slog.Level
	Text     string
	Attrs    []slog.Attr
}

// Effects is an ordered list of effects. The driver keeps one and resets it
// before each input, so that a step allocates nothing.
type Effects struct {
	list []Effect
	buf  []byte
}

// List returns the effects of the last input in order.
func (o *Effects) List() []Effect { return o.list }

// Reset empties the list and keeps its memory.
func (o *Effects) Reset() {
	clear(o.list)
	o.list = o.list[:0]
	o.buf = o.buf[:0]
}

func (o *Effects) add(e Effect) { o.list = append(o.list, e) }

// kind adds an effect that has no operands.
func (o *Effects) kind(k EffectKind) { o.list = append(o.list, Effect{Kind: k}) }

// since returns what was appended to the buffer from offset n on. The buffer
// may move when it grows; octets handed out before stay where they were.
func (o *Effects) since(n int) []byte { return o.buf[n:len(o.buf):len(o.buf)] }
