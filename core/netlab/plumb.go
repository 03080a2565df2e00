package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/rtnl"
)

// Change carries out changes inside the host and returns the first error. fill
// is given a connection for looking things up.
func (h *Host) Change(fill func(c *rtnl.Conn, b *rtnl.Batch) error) error {
	return h.Do(func() error {
		c, err := h.conn()
		if err != nil {
			return err
		}
		var b rtnl.Batch
		if err := fill(c, &b); err != nil {
			return err
		}
		for _, err := range c.Do(&b) {
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// conn is the host's request socket, opened at the first use. It belongs to
// the host's thread.
func (h *Host) conn() (*rtnl.Conn, error) {
	if h.rt != nil {
		return h.rt, nil
	}
	c, err := rtnl.Dial()
	if err == nil {
		h.rt = c
	}
	return c, err
}

// change does one change to an interface that is known by name.
func (h *Host) change(name string, o rtnl.SetLinkOptions) error {
	return h.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		l, err := c.LinkByName(name)
		if err == nil {
			b.SetLink(l.Index, o)
		}
		return err
	})
}

// Ends of many cables at once, for labs with hundreds of interfaces.
func addVeths(a *Host, aIfs []string, b *Host, bIfs []string) error {
	return a.Change(func(_ *rtnl.Conn, batch *rtnl.Batch) error {
		for i := range aIfs {
			batch.AddVeth(rtnl.VethEnd{Name: aIfs[i]}, rtnl.VethEnd{
				Name: bIfs[i], SetLinkOptions: rtnl.SetLinkOptions{Netns: int(b.netns.Fd())},
			})
		}
		return nil
	})
}

// plug makes interfaces of the host ports of its bridge, if it is a switch,
// and sets them up.
func (h *Host) plug(names []string) error {
	return h.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		o := rtnl.SetLinkOptions{Up: rtnl.Bool(true)}
		if h.bridge {
			br, err := c.LinkByName(Bridge)
			if err != nil {
				return err
			}
			o.Master = rtnl.Int(br.Index)
		}
		for _, name := range names {
			l, err := c.LinkByName(name)
			if err != nil {
				return err
			}
			b.SetLink(l.Index, o)
		}
		return nil
	})
}

// awaitCarrier waits until interfaces work, and forward if they are ports.
func (h *Host) awaitCarrier(names []string) error {
	for _, name := range names {
		err := Wait(5*time.Second, func() (bool, error) {
			l, err := h.Link(name)
			if err != nil || l.OperState != operUp {
				return false, err
			}
			return !h.bridge || h.forwards(name), nil
		})
		if err != nil {
			return fmt.Errorf("wait for the carrier of %s/%s: %w", h.name, name, err)
		}
	}
	return nil
}

// operUp is IF_OPER_UP of RFC 2863, as rtnetlink reports it.
const operUp = 6

// forwards reports whether a port of a bridge is in the state "forwarding", or
// that this cannot be known.
func (h *Host) forwards(port string) bool {
	var b []byte
	err := h.Do(func() (err error) {
		b, err = os.ReadFile("/sys/class/net/" + port + "/brport/state")
		return err
	})
	return err != nil || string(b) == "3\n"
}

// addBridge makes a bridge that passes every frame as a wire would. On a
// machine with the module br_netfilter loaded the kernel would otherwise drop
// frames in which it finds malformed IP packets.
func (h *Host) addBridge(name string) error {
	err := h.Do(func() error {
		for _, p := range []string{"arptables", "iptables", "ip6tables"} {
			path := "/proc/sys/net/bridge/bridge-nf-call-" + p
			err := os.WriteFile(path, []byte("0"), 0o644)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("keep packet filters off the bridge: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return h.Change(func(_ *rtnl.Conn, b *rtnl.Batch) error {
		b.AddBridge(name, rtnl.SetLinkOptions{Up: rtnl.Bool(true)})
		return nil
	})
}

// setMaster makes an interface a port of a bridge of the host, or of none.
func (h *Host) setMaster(port, bridge string) error {
	return h.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		l, err := c.LinkByName(port)
		if err != nil {
			return err
		}
		master := 0
		if bridge != "" {
			br, err := c.LinkByName(bridge)
			if err != nil {
				return err
			}
			master = br.Index
		}
		b.SetLink(l.Index, rtnl.SetLinkOptions{Master: &master})
		return nil
	})
}

// Isolate keeps a port of a switch from exchanging frames with other isolated
// ports: these reach only the switch itself and ports that are not isolated.
func (h *Host) Isolate(port string) error {
	return h.Do(func() error {
		return os.WriteFile("/sys/class/net/"+port+"/brport/isolated", []byte("1"), 0o644)
	})
}

// SetUp sets an interface administratively up or down.
func (h *Host) SetUp(name string, up bool) error {
	return h.change(name, rtnl.SetLinkOptions{Up: &up})
}

// Rename gives an interface another name.
func (h *Host) Rename(name, to string) error {
	return h.change(name, rtnl.SetLinkOptions{Name: to})
}

// SetMTU changes an interface's MTU.
func (h *Host) SetMTU(name string, mtu int) error {
	return h.change(name, rtnl.SetLinkOptions{MTU: mtu})
}

// DelLink deletes an interface.
func (h *Host) DelLink(name string) error {
	return h.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		l, err := c.LinkByName(name)
		if err == nil {
			b.DelLink(l.Index)
		}
		return err
	})
}

// AddAddr gives an interface an address for good.
func (h *Host) AddAddr(name string, p netip.Prefix) error {
	return h.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		l, err := c.LinkByName(name)
		if err == nil {
			b.AddAddr(permanent(l.Index, p), false)
		}
		return err
	})
}

// DelAddr takes an address away.
func (h *Host) DelAddr(name string, p netip.Prefix) error {
	return h.Change(func(c *rtnl.Conn, b *rtnl.Batch) error {
		l, err := c.LinkByName(name)
		if err == nil {
			b.DelAddr(rtnl.Addr{Index: l.Index, Prefix: p})
		}
		return err
	})
}

func permanent(index int, p netip.Prefix) rtnl.Addr {
	const forever = 0xffffffff
	a := rtnl.Addr{Index: index, Prefix: p, Preferred: forever, Valid: forever}
	if ip := p.Addr(); ip.Is4() && p.Bits() < 31 {
		b := p.Masked().Addr().As4()
		for i := p.Bits(); i < 32; i++ {
			b[i/8] |= 0x80 >> (i % 8)
		}
		a.Broadcast = netip.AddrFrom4(b)
	}
	return a
}

// Addrs returns the IPv4 addresses of an interface.
func (h *Host) Addrs(name string) ([]rtnl.Addr, error) {
	var out []rtnl.Addr
	err := h.withIndex(name, func(c *rtnl.Conn, index int) (err error) {
		out, err = c.Addrs(index, unix.AF_INET)
		return err
	})
	return out, err
}

// Routes returns the IPv4 routes of the main table over an interface.
func (h *Host) Routes(name string) ([]rtnl.Route, error) {
	var out []rtnl.Route
	err := h.withIndex(name, func(c *rtnl.Conn, index int) error {
		all, err := c.Routes(unix.AF_INET, unix.RT_TABLE_MAIN)
		for _, r := range all {
			if r.Index == index {
				out = append(out, r)
			}
		}
		return err
	})
	return out, err
}

// Link returns an interface of the host.
func (h *Host) Link(name string) (rtnl.Link, error) {
	var l rtnl.Link
	err := h.Do(func() error {
		c, err := h.conn()
		if err == nil {
			l, err = c.LinkByName(name)
		}
		return err
	})
	return l, err
}

func (h *Host) withIndex(name string, fn func(c *rtnl.Conn, index int) error) error {
	return h.Do(func() error {
		c, err := h.conn()
		if err != nil {
			return err
		}
		l, err := c.LinkByName(name)
		if err != nil {
			return fmt.Errorf("%s of %s: %w", name, h.name, err)
		}
		return fn(c, l.Index)
	})
}
