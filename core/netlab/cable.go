package netlab

import "fmt"

// Cable is a pair of joined virtual Ethernet interfaces, veth(4).
type Cable struct {
	a, b     *Host
	aIf, bIf string
}

// Link joins two hosts with a cable and sets both ends up. The end in a switch
// becomes a port of its bridge.
func (l *Lab) Link(a *Host, aIf string, b *Host, bIf string) (*Cable, error) {
	cs, err := l.Links(a, []string{aIf}, b, []string{bIf})
	if err != nil {
		return nil, err
	}
	return cs[0], nil
}

// Links lays many cables between two hosts at once.
func (l *Lab) Links(a *Host, aIfs []string, b *Host, bIfs []string) ([]*Cable, error) {
	fail := func(err error) ([]*Cable, error) {
		return nil, fmt.Errorf("link %s/%s and %s/%s: %w", a.name, aIfs[0], b.name, bIfs[0], err)
	}
	if err := addVeths(a, aIfs, b, bIfs); err != nil {
		return fail(err)
	}
	if err := a.plug(aIfs); err != nil {
		return fail(err)
	}
	if err := b.plug(bIfs); err != nil {
		return fail(err)
	}
	// The kernel notices carriers a little later, at most once a second unless
	// it is in a hurry, and bridges forward only then.
	if err := a.awaitCarrier(aIfs); err != nil {
		return fail(err)
	}
	if err := b.awaitCarrier(bIfs); err != nil {
		return fail(err)
	}
	out := make([]*Cable, len(aIfs))
	for i := range out {
		out[i] = &Cable{a, b, aIfs[i], bIfs[i]}
	}
	return out, nil
}

// Cut takes the carrier away from the first host's end by setting the second
// host's end down.
func (c *Cable) Cut() error { return c.b.SetUp(c.bIf, false) }

// Heal undoes Cut.
func (c *Cable) Heal() error { return c.b.SetUp(c.bIf, true) }

// Mute keeps the carrier but lets no frame through: the second host's end,
// which must be in a switch, leaves the bridge.
func (c *Cable) Mute() error { return c.b.setMaster(c.bIf, "") }

// Unmute undoes Mute.
func (c *Cable) Unmute() error { return c.b.setMaster(c.bIf, Bridge) }

// Remove deletes the cable and with it both interfaces.
func (c *Cable) Remove() error { return c.a.DelLink(c.aIf) }
