package dhcp4

// State is a state of the client, numbered as in the original's protocol.
type State uint8

// The states. Declining is there for the numbering: an IPv4 client sends its
// DHCPDECLINE and starts anew in one step.
const (
	Init State = iota
	Selecting
	Requesting
	PreBound
	Bound
	Renewing
	Rebinding
	Information
	InitReboot
	Adopting
	InformSent
	Declining
	Releasing

	numStates
)

var stateNames = [numStates]string{
	"INIT", "SELECTING", "REQUESTING", "PRE_BOUND", "BOUND", "RENEWING", "REBINDING", "INFORMATION",
	"INIT_REBOOT", "ADOPTING", "INFORM_SENT", "DECLINING", "RELEASING",
}

// String returns the name shown to users.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "?"
}

// leased reports whether the address of a lease is in use by right in s.
func (s State) leased() bool { return s == Bound || s == Renewing || s == Rebinding }

// timerSet is a set of TimerIDs.
type timerSet uint16

func timers(ids ...TimerID) timerSet {
	var s timerSet
	for _, id := range ids {
		s |= 1 << id
	}
	return s
}

func (s timerSet) has(id TimerID) bool { return s>>id&1 != 0 }

// owned returns the timers that may be pending in s; TimerOp belongs to the
// user's operation and may be pending in any. A lease that is being given up
// has in addition TimerExpire in whatever state it was: it ends the use of the
// address while the event script still runs.
func (s State) owned() timerSet {
	switch s {
	case Init:
		return timers(TimerDelay)
	case Selecting:
		return timers(TimerRetransmit, TimerOffer)
	case Requesting, InformSent:
		return timers(TimerRetransmit)
	case PreBound:
		return timers(TimerACD, TimerExpire)
	case Bound:
		return timers(TimerT1, TimerT2, TimerExpire, TimerACD, TimerRefresh)
	case Renewing:
		return timers(TimerRetransmit, TimerT2, TimerExpire, TimerACD, TimerRefresh)
	case Rebinding:
		return timers(TimerRetransmit, TimerExpire, TimerACD, TimerRefresh)
	case Information:
		return timers(TimerRefresh)
	case InitReboot:
		return timers(TimerRetransmit, TimerExpire, TimerRefresh)
	case Releasing:
		return timers(TimerRelease, TimerExpire)
	}
	return 0
}

// carried returns the timers that survive the way from old to s: those of the
// lease while it lasts, never one of an exchange.
func carried(old, s State) timerSet {
	const lease = 1<<TimerT1 | 1<<TimerT2 | 1<<TimerExpire | 1<<TimerACD | 1<<TimerRefresh
	switch {
	case old.leased() && s.leased():
		return lease & s.owned()
	case old.leased() && s == InitReboot, old == InitReboot && s.leased(), old == InitReboot && s == InitReboot,
		old == PreBound && s == Bound:
		return timers(TimerExpire)
	}
	return 0
}
