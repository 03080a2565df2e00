package rtnl

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// chunkMessages is the most messages sent at once: their answers must fit
	// into a receive buffer of default size (208 KiB, about 0.8 KiB each).
	chunkMessages = 128
	// chunkBytes keeps a send below the default send buffer.
	chunkBytes = 128 << 10
)

// Batch is a list of changes. They are sent together, in one system call up to
// 128 of them, and done by the kernel in order; one that fails does not keep
// the following ones from being tried. The zero value is ready.
type Batch struct {
	items []item
}

// item is one change. Its description is put into words only when it fails.
type item struct {
	typ   netlink.HeaderType
	flags netlink.HeaderFlags
	data  []byte
	err   error // of encoding; the message is not sent

	verb  string
	name  string
	what  netip.Prefix
	index int
}

func (it *item) String() string {
	s := it.verb
	if it.name != "" {
		s += " " + it.name
	}
	if it.what.IsValid() {
		s += " " + it.what.String()
	}
	if it.index != 0 {
		s += " on interface " + strconv.Itoa(it.index)
	}
	return s
}

// Len returns the number of changes.
func (b *Batch) Len() int { return len(b.items) }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	clear(b.items)
	b.items = b.items[:0]
}

func (b *Batch) add(it item, data []byte, err error) {
	it.data, it.err = data, err
	it.flags |= netlink.Request | netlink.Acknowledge
	b.items = append(b.items, it)
}

func createFlags(replace bool) netlink.HeaderFlags {
	if replace {
		return netlink.Create | netlink.Replace
	}
	return netlink.Create | netlink.Excl
}

// AddAddr adds an address, or with replace changes lifetimes, flags and metric
// of one that is there: it is never taken away meanwhile.
func (b *Batch) AddAddr(a Addr, replace bool) {
	data, err := a.encode()
	b.add(item{
		typ: unix.RTM_NEWADDR, flags: createFlags(replace),
		verb: "add address", what: a.Prefix, index: a.Index,
	}, data, err)
}

// DelAddr deletes exactly the address with this interface, address and prefix
// length. A missing one is unix.EADDRNOTAVAIL.
func (b *Batch) DelAddr(a Addr) {
	data, err := a.encodeKey()
	b.add(item{typ: unix.RTM_DELADDR, verb: "delete address", what: a.Prefix, index: a.Index}, data, err)
}

// AddRoute adds a route, or with replace puts it in the place of one with the
// same destination, metric and table. Scope 0 of an IPv4 route without gateway
// means link scope, as a gateway reached over it needs.
func (b *Batch) AddRoute(r Route, replace bool) {
	data, err := r.encode(false)
	b.add(item{
		typ: unix.RTM_NEWROUTE, flags: createFlags(replace),
		verb: "add route", what: r.Dst, index: r.Index,
	}, data, err)
}

// DelRoute deletes the route that matches all that is set in r; zero Proto,
// Scope, Type, Metric, Index and Gateway match any. A missing one is unix.ESRCH.
func (b *Batch) DelRoute(r Route) {
	data, err := r.encode(true)
	b.add(item{typ: unix.RTM_DELROUTE, verb: "delete route", what: r.Dst, index: r.Index}, data, err)
}

// AddNeigh adds or replaces a neighbour. State 0 with a hardware address means
// permanent.
func (b *Batch) AddNeigh(n Neigh) {
	data, err := n.encode()
	b.add(item{
		typ: unix.RTM_NEWNEIGH, flags: createFlags(true),
		verb: "add neighbour " + n.IP.String(), index: n.Index,
	}, data, err)
}

// DelNeigh deletes a neighbour.
func (b *Batch) DelNeigh(n Neigh) {
	data, err := n.encode()
	b.add(item{typ: unix.RTM_DELNEIGH, verb: "delete neighbour " + n.IP.String(), index: n.Index}, data, err)
}

// AddRule adds a policy rule; one just like it is unix.EEXIST.
func (b *Batch) AddRule(r Rule) {
	data, err := r.encode()
	b.add(item{
		typ: unix.RTM_NEWRULE, flags: createFlags(false),
		verb: "add rule " + strconv.FormatUint(uint64(r.Priority), 10), what: r.From,
	}, data, err)
}

// DelRule deletes the rule that matches all of r.
func (b *Batch) DelRule(r Rule) {
	data, err := r.encode()
	b.add(item{
		typ:  unix.RTM_DELRULE,
		verb: "delete rule " + strconv.FormatUint(uint64(r.Priority), 10), what: r.From,
	}, data, err)
}

// Do sends the changes and returns one error for each, in order, nil for what
// was done. Refusals are of type *Error.
func (c *Conn) Do(b *Batch) []error {
	errs := make([]error, len(b.items))
	for from := 0; from < len(b.items); {
		n := b.chunk(from)
		c.do(b.items[from:from+n], errs[from:from+n])
		from += n
	}
	return errs
}

// chunk returns how many items from here on go into one send, at least one.
func (b *Batch) chunk(from int) int {
	size, n := 0, 0
	for _, it := range b.items[from:] {
		size += unix.SizeofNlMsghdr + len(it.data) + 3
		if n > 0 && (size > chunkBytes || n == chunkMessages) {
			break
		}
		n++
	}
	return n
}

// do sends one chunk. Sequence numbers run from base on, one per item.
func (c *Conn) do(items []item, errs []error) {
	if c.seq > 1<<32-1-chunkMessages {
		c.seq = 0 // so that the numbers of a chunk do not wrap
	}
	base := c.seq + 1
	c.seq += uint32(len(items))
	out := make([]byte, 0, 128*len(items))
	waiting := 0
	for i := range items {
		it := &items[i]
		err := it.err
		if err == nil {
			out, err = marshal(out, it.typ, it.flags, base+uint32(i), it.data)
		}
		if err != nil {
			errs[i] = fmt.Errorf("%s: %w", it, err)
			continue
		}
		errs[i] = ErrNoAnswer // until it comes
		waiting++
	}
	if waiting == 0 {
		return
	}
	err := c.s.send(out)
	if err == nil {
		err = c.acks(items, errs, base, waiting)
	}
	if err == nil {
		return
	}
	for i := range errs {
		if errs[i] == ErrNoAnswer {
			errs[i] = fmt.Errorf("%s: %w", &items[i], err)
		}
	}
}

// acks reads answers until none is waited for.
func (c *Conn) acks(items []item, errs []error, base uint32, waiting int) error {
	for waiting > 0 {
		b, err := c.s.answer()
		if err != nil {
			return err
		}
		eachMessage(b, func(m *netlink.Message) bool {
			i := m.Header.Sequence - base
			if m.Header.Type != netlink.Error || i >= uint32(len(items)) || errs[i] != ErrNoAnswer {
				return true
			}
			errno, text, ok := ackError(m)
			if !ok {
				return true
			}
			waiting--
			errs[i] = nil
			if errno != 0 {
				errs[i] = &Error{Op: items[i].String(), Errno: errno, Message: text}
			}
			return true
		})
	}
	return nil
}
