package dhcpagent

import (
	"math"
	"net/netip"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/control"
	"daemonbox/core/timer"
)

// status describes a client for users.
func (a *agent) status(c *client) *api.StatusResult {
	s := c.m.Status()
	r := &api.StatusResult{
		Interface: c.name, Ifindex: c.pif.index, Family: 4,
		State: s.State.String(), Flags: flagNames(c, &s), Primary: c.primary,
		Routers: []string{}, Routes: []string{}, DNS: []string{}, Search: []string{}, NTP: []string{},
		Counters:  api.Counters{Sent: s.Sent, Recv: s.Recv, BadOffers: s.BadOffers, Dropped: map[string]uint64{}},
		LastError: s.LastError,
	}
	for k, v := range c.pif.dropped {
		r.Counters.Dropped[k] += v
	}
	for k, v := range s.Dropped {
		if v > 0 {
			r.Counters.Dropped[dhcp4.DropReason(k).String()] += v
		}
	}
	now := a.loop.Now()
	r.Began, _ = a.moment(now, s.Began)
	r.T1, r.Remaining.T1 = a.moment(now, s.T1)
	r.T2, r.Remaining.T2 = a.moment(now, s.T2)
	r.Expires, r.Remaining.Expires = a.moment(now, s.Expires)
	if s.WaitFor != "" {
		r.Wait = api.Wait{For: s.WaitFor}
		if s.WaitUntil != timer.Never {
			r.Wait.Seconds = math.Round(max(s.WaitUntil.Sub(now).Seconds(), 0)*1000) / 1000
		}
	}
	if s.Net != nil {
		netStatus(r, s.Net)
	}
	return r
}

// moment translates a time of the loop. Never is no time.
func (a *agent) moment(now, t timer.Time) (*time.Time, *int64) {
	if t == timer.Never {
		return nil, nil
	}
	w := a.relativeNow(t).Round(time.Second)
	left := int64(max(t.Sub(now), 0) / time.Second)
	return &w, &left
}

func netStatus(r *api.StatusResult, n *dhcp4.NetConfig) {
	r.Address, r.PrefixLen = n.Addr.Addr().String(), n.Addr.Bits()
	if n.Server.IsValid() {
		r.Server = n.Server.String()
	}
	for _, x := range n.Routes {
		if x.Dst.Bits() == 0 && x.Gateway.IsValid() {
			r.Routers = append(r.Routers, x.Gateway.String())
		}
		text := x.Dst.String()
		if x.Gateway.IsValid() {
			text += " via " + x.Gateway.String()
		}
		r.Routes = append(r.Routes, text)
	}
	r.DNS = append(r.DNS, addrStrings(n.DNS)...)
	r.NTP = append(r.NTP, addrStrings(n.NTP)...)
	r.Domain = n.Domain
	r.Search = append(r.Search, n.Search...)
	r.MTU = n.MTU
}

func addrStrings(as []netip.Addr) (ss []string) {
	for _, x := range as {
		ss = append(ss, x.String())
	}
	return ss
}

// flagNames lists the flags in the order in which tools print them.
func flagNames(c *client, s *dhcp4.Status) []string {
	flags := []string{}
	for _, f := range []struct {
		on   bool
		name string
	}{
		{c.primary, "PRIMARY"}, {s.Bootp, "BOOTP"}, {s.Failed, "FAILED"}, {s.Busy, "BUSY"}, {c.removed, "REMOVED"},
	} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	return flags
}

// stream is one subscriber.
type stream struct {
	s    *control.Stream
	only string
}

// subscribe turns a connection into a stream of status objects: first all that
// is there, then each change.
func (a *agent) subscribe(r *control.Request) {
	st := &stream{only: r.If}
	s := r.Subscribe()
	if s == nil {
		return
	}
	st.s = s
	a.streams = append(a.streams, st)
	for _, c := range a.sorted() {
		st.send(c.name, "status", a.status(c))
	}
}

func (s *stream) send(name, event string, v any) {
	if s.only == "" || s.only == name {
		s.s.Send(event, v)
	}
}

// publish tells subscribers about a change.
func (a *agent) publish(c *client) {
	if len(a.streams) == 0 || c.removed {
		return
	}
	st := a.status(c)
	a.eachStream(func(s *stream) { s.send(c.name, "status", st) })
}

// publishGone tells subscribers that a client is not there any more.
func (a *agent) publishGone(name string) {
	a.eachStream(func(s *stream) {
		s.send(name, "gone", api.ListItem{Interface: name, Family: 4})
	})
}

// eachStream calls fn for every live subscriber and forgets the others.
func (a *agent) eachStream(fn func(*stream)) {
	live := a.streams[:0]
	for _, s := range a.streams {
		if s.s.Gone() {
			continue
		}
		fn(s)
		live = append(live, s)
	}
	clear(a.streams[len(live):])
	a.streams = live
}
