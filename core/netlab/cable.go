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
	c := &Cable{a, b, aIf, bIf}
	if err := addVeth(a, aIf, b, bIf); err != nil {
		return nil, fmt.Errorf("link %s/%s and %s/%s: %w", a.name, aIf, b.name, bIf, err)
	}
	for _, e := range []struct {
		h    *Host
		name string
	}{{a, aIf}, {b, bIf}} {
		if e.h.bridge {
			if err := e.h.setMaster(e.name, Bridge); err != nil {
				return nil, err
			}
		}
		if err := e.h.SetUp(e.name, true); err != nil {
			return nil, err
		}
	}
	return c, nil
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
