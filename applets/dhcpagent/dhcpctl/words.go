package dhcpctl

import (
	"strconv"
	"time"

	"daemonbox/applets/dhcpagent/api"
)

// wait is how long the user wants to wait. The zero value leaves it to the
// agent.
type wait struct {
	given   bool
	forever bool
	seconds uint32
}

// maxWait is 68 years; more is not a wait but a mistake.
const maxWait = 1<<31 - 1

func (w wait) zero() bool { return w.given && !w.forever && w.seconds == 0 }

// milliseconds is the time limit as it is sent: nil for the agent's own, -1
// for none.
func (w wait) milliseconds() *int64 {
	if !w.given {
		return nil
	}
	ms := int64(w.seconds) * 1000
	if w.forever {
		ms = -1
	}
	return &ms
}

// limit is how long to wait for the answer itself; ok is false for no limit.
func (w wait) limit() (d time.Duration, ok bool) {
	const slack = 2 * time.Second
	switch {
	case w.forever:
		return 0, false
	case w.given:
		return time.Duration(w.seconds)*time.Second + slack, true
	}
	return api.DefaultTimeout + slack, true
}

// verb returns the command of a verb.
func verb(s string) (api.Command, bool) {
	c, ok := api.ParseCommand(s)
	if !ok {
		return 0, false
	}
	switch c {
	case api.Start, api.Status, api.Release, api.Drop, api.Extend, api.Inform, api.Ping:
		return c, true
	}
	return 0, false
}

// words takes the arguments of dhcpctl.
func (o *order) words(words []string) error {
	if len(words) > 0 && words[0] == "subscribe" {
		o.subscribe = true
		if len(words) > 2 || o.all {
			return usagef("subscribe takes one interface or none")
		}
		if len(words) == 2 {
			o.ifname = words[1]
		}
		return nil
	}
	if !o.all {
		if len(words) == 0 {
			return usagef("want an interface or -a")
		}
		o.ifname, words = words[0], words[1:]
	}
	given, err := o.rest(words)
	switch {
	case err != nil:
		return err
	case !given:
		return usagef("want a verb")
	case o.primary && o.all:
		return usagef("only one interface can be primary")
	}
	return checkName(o)
}

// historic takes the arguments of ifconfig.
func (o *order) historic(words []string) error {
	if len(words) == 0 {
		return usagef("want an interface or -a")
	}
	if words[0] == "-a" {
		o.all = true
	} else {
		o.ifname = words[0]
	}
	words = words[1:]
	if len(words) > 0 && words[0] == "inet6" {
		o.family, words = 6, words[1:]
	}
	if len(words) == 0 || words[0] != "dhcp" && words[0] != "auto-dhcp" {
		return usagef("only the verbs for DHCP are known here")
	}
	o.cmd = api.Start
	if _, err := o.rest(words[1:]); err != nil {
		return err
	}
	return checkName(o)
}

// rest takes the verb and what goes with it, in any order.
func (o *order) rest(words []string) (verbGiven bool, err error) {
	for len(words) > 0 {
		w := words[0]
		words = words[1:]
		switch w {
		case "primary":
			o.primary = true
		case "wait":
			if len(words) == 0 {
				return false, usagef("wait: want a number of seconds or forever")
			}
			if o.wait, err = parseWait(words[0]); err != nil {
				return false, err
			}
			words = words[1:]
		default:
			c, ok := verb(w)
			switch {
			case !ok:
				return false, usagef("unknown verb %q", w)
			case verbGiven:
				return false, usagef("more than one verb")
			}
			o.cmd, verbGiven = c, true
		}
	}
	return verbGiven, nil
}

func parseWait(s string) (wait, error) {
	if s == "forever" {
		return wait{given: true, forever: true}, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > maxWait {
		return wait{}, usagef("wait %s: want a number of seconds or forever", s)
	}
	return wait{given: true, seconds: uint32(n)}, nil
}

// checkName refuses what can never be an interface; the agent judges the rest.
func checkName(o *order) error {
	if !o.all && o.ifname == "" {
		return usagef("the name of an interface must not be empty")
	}
	return nil
}
