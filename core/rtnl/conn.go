package rtnl

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Receive buffers of a Conn in octets. Single answers are small; before the first
// dump the buffer grows, because the kernel makes dumps in pieces as large as the
// reader has room for, up to 32 KiB.
const (
	answerBuffer = 8 << 10
	dumpBuffer   = 32 << 10
)

// dumpTries is how often a dump is begun anew when the table changed meanwhile.
const dumpTries = 8

// Conn is a socket for requests. It belongs to one goroutine.
type Conn struct {
	s   *socket
	seq uint32
}

// Dial opens a request socket in the network namespace of the calling thread.
// Requests are checked strictly and refusals explained where the kernel knows
// how (Linux 4.20, 4.12). Reading needs no privilege, changing CAP_NET_ADMIN.
func Dial() (*Conn, error) {
	s, err := openSocket(0, answerBuffer)
	if err != nil {
		return nil, fmt.Errorf("open rtnetlink socket: %w", err)
	}
	s.option(unix.NETLINK_EXT_ACK)
	s.option(unix.NETLINK_GET_STRICT_CHK)
	s.option(unix.NETLINK_CAP_ACK) // answers do not repeat the request
	return &Conn{s: s}, nil
}

// Close closes the socket.
func (c *Conn) Close() error { return c.s.nl.Close() }

// Links returns all interfaces.
func (c *Conn) Links() ([]Link, error) {
	req, err := linkRequest(0, "")
	if err != nil {
		return nil, err
	}
	var links []Link
	err = c.dump("list links", unix.RTM_GETLINK, req,
		func() { links = links[:0] },
		func(typ netlink.HeaderType, data []byte) error {
			l, family, err := decodeLink(data)
			if err == nil && typ == unix.RTM_NEWLINK && family == unix.AF_UNSPEC {
				links = append(links, l)
			}
			return err
		})
	return links, err
}

// LinkByName returns one interface with one request. A missing one is
// unix.ENODEV. Alternative names (ip link property) are found too when they are
// longer than 15 octets.
func (c *Conn) LinkByName(name string) (Link, error) {
	return c.link(0, name)
}

// LinkByIndex returns one interface with one request.
func (c *Conn) LinkByIndex(index int) (Link, error) {
	return c.link(index, "")
}

func (c *Conn) link(index int, name string) (Link, error) {
	if index <= 0 && name == "" {
		return Link{}, &Error{Op: "find link", Errno: unix.ENODEV}
	}
	req, err := linkRequest(index, name)
	if err != nil {
		return Link{}, err
	}
	var l Link
	err = c.get(unix.RTM_GETLINK, req, func(typ netlink.HeaderType, data []byte) (err error) {
		if typ != unix.RTM_NEWLINK {
			return errIgnored
		}
		l, _, err = decodeLink(data)
		return err
	})
	if e, ok := err.(*Error); ok {
		if name == "" {
			name = strconv.Itoa(index)
		}
		e.Op = "find link " + name
	}
	return l, err
}

// Addrs returns the addresses of an interface, or of all with index 0, of
// AF_INET, AF_INET6 or both with AF_UNSPEC. A missing interface is unix.ENODEV.
func (c *Conn) Addrs(index int, family uint8) ([]Addr, error) {
	req := addrHeader(family, 0, 0, 0, index)
	var addrs []Addr
	err := c.dump("list addresses", unix.RTM_GETADDR, req,
		func() { addrs = addrs[:0] },
		func(typ netlink.HeaderType, data []byte) error {
			a, err := decodeAddress(data)
			// Before Linux 4.20 the kernel does not select.
			if err == nil && typ == unix.RTM_NEWADDR && (index == 0 || a.Index == index) && wanted(family, a.Prefix.Addr()) {
				addrs = append(addrs, a)
			}
			return err
		})
	return addrs, err
}

// Routes returns the routes of AF_INET, AF_INET6 or both with AF_UNSPEC, of the
// given tables or of all.
func (c *Conn) Routes(family uint8, tables ...uint32) ([]Route, error) {
	if len(tables) == 0 {
		return c.routes(family, 0)
	}
	var all []Route
	for _, table := range tables {
		r, err := c.routes(family, table)
		if err != nil {
			return nil, err
		}
		all = append(all, r...)
	}
	return all, nil
}

func (c *Conn) routes(family uint8, table uint32) ([]Route, error) {
	if family == unix.AF_UNSPEC {
		// A table that one family lacks would end a dump of both.
		r4, err := c.routes(unix.AF_INET, table)
		if err != nil {
			return nil, err
		}
		r6, err := c.routes(unix.AF_INET6, table)
		return append(r4, r6...), err
	}
	req, err := encode(routeHeader(family, 0, table, 0, 0, 0, 0), func(ae *netlink.AttributeEncoder) {
		if table > 255 {
			ae.Uint32(unix.RTA_TABLE, table)
		}
	})
	if err != nil {
		return nil, err
	}
	var routes []Route
	err = c.dump("list routes", unix.RTM_GETROUTE, req,
		func() { routes = routes[:0] },
		func(typ netlink.HeaderType, data []byte) error {
			r, err := decodeRoute(data)
			if err == nil && typ == unix.RTM_NEWROUTE && (table == 0 || r.Table == table) && wanted(family, r.Dst.Addr()) {
				routes = append(routes, r)
			}
			return err
		})
	if e, ok := err.(*Error); ok && (e.Errno == unix.ENOENT || e.Errno == unix.EAFNOSUPPORT || e.Errno == unix.EOPNOTSUPP) {
		return nil, nil // the table does not exist, or IPv6 does not
	}
	return routes, err
}

// Neighs returns the neighbours on an interface, or on all with index 0.
func (c *Conn) Neighs(index int, family uint8) ([]Neigh, error) {
	req, err := encode(neighHeader(family, 0, 0, 0), func(ae *netlink.AttributeEncoder) {
		if index != 0 {
			ae.Uint32(unix.NDA_IFINDEX, uint32(index))
		}
	})
	if err != nil {
		return nil, err
	}
	var neighs []Neigh
	err = c.dump("list neighbours", unix.RTM_GETNEIGH, req,
		func() { neighs = neighs[:0] },
		func(typ netlink.HeaderType, data []byte) error {
			n, err := decodeNeigh(data)
			if err == nil && typ == unix.RTM_NEWNEIGH && (index == 0 || n.Index == index) && wanted(family, n.IP) {
				neighs = append(neighs, n)
			}
			return err
		})
	return neighs, err
}

// Rules returns the policy rules of a family.
func (c *Conn) Rules(family uint8) ([]Rule, error) {
	req := make([]byte, ruleHeaderLen)
	req[0] = family
	var rules []Rule
	err := c.dump("list rules", unix.RTM_GETRULE, req,
		func() { rules = rules[:0] },
		func(typ netlink.HeaderType, data []byte) error {
			r, err := decodeRule(data)
			if err == nil && typ == unix.RTM_NEWRULE && (family == unix.AF_UNSPEC || r.Family == family) {
				rules = append(rules, r)
			}
			return err
		})
	return rules, err
}

// wanted reports whether an address is of the family that was asked for. A
// kernel without IPv6 answers a request for it with everything it has.
func wanted(family uint8, a netip.Addr) bool {
	return family == unix.AF_UNSPEC || familyOf(a) == family
}

// get sends a request for one object and passes its answer to fn.
func (c *Conn) get(typ netlink.HeaderType, req []byte, fn func(netlink.HeaderType, []byte) error) error {
	for try := 0; ; try++ {
		seq, err := c.request(typ, netlink.Request, req)
		if err != nil {
			return err
		}
		err = c.getAnswer(seq, fn)
		if err == errTruncated && try == 0 {
			continue // the buffer has grown
		}
		return err
	}
}

func (c *Conn) getAnswer(seq uint32, fn func(netlink.HeaderType, []byte) error) (err error) {
	// Answers to earlier requests that failed half way may still be queued.
	for range 64 {
		b, rerr := c.s.answer()
		if rerr != nil {
			return rerr
		}
		found := false
		eachMessage(b, func(m *netlink.Message) bool {
			if m.Header.Sequence != seq {
				return true
			}
			found = true
			if m.Header.Type != netlink.Error {
				err = fn(m.Header.Type, m.Data)
				return false
			}
			errno, text, ok := ackError(m)
			if !ok || errno == 0 {
				err = ErrNoAnswer
			} else {
				err = &Error{Op: "request", Errno: errno, Message: text}
			}
			return false
		})
		if found {
			return err
		}
	}
	return ErrNoAnswer
}

// dump reads a table. reset is called before each attempt, fn for each message;
// an error of fn skips that message only.
func (c *Conn) dump(op string, typ netlink.HeaderType, req []byte, reset func(), fn func(netlink.HeaderType, []byte) error) error {
	if len(c.s.buf) < dumpBuffer {
		c.s.buf = make([]byte, dumpBuffer)
	}
	for range dumpTries {
		reset()
		seq, err := c.request(typ, netlink.Request|netlink.Dump, req)
		if err != nil {
			return err
		}
		again, err := c.dumpAnswers(op, seq, fn)
		if err != nil || !again {
			return err
		}
	}
	return ErrInterrupted
}

func (c *Conn) dumpAnswers(op string, seq uint32, fn func(netlink.HeaderType, []byte) error) (again bool, err error) {
	done := false
	truncated := false
	for !done {
		b, rerr := c.s.answer()
		if rerr == errTruncated {
			// Read to the end before the next attempt: a socket has one dump.
			truncated = true
			continue
		}
		if rerr != nil {
			return false, rerr
		}
		eachMessage(b, func(m *netlink.Message) bool {
			if m.Header.Sequence != seq {
				return true
			}
			if m.Header.Flags&netlink.DumpInterrupted != 0 {
				again = true
			}
			switch m.Header.Type {
			case netlink.Done, netlink.Error:
				done = true
				if errno, text, ok := ackError(m); ok && errno != 0 {
					err = &Error{Op: op, Errno: errno, Message: text}
				}
				return false
			}
			_ = fn(m.Header.Type, m.Data)
			return true
		})
	}
	return again || truncated, err
}

// request sends one message and returns its sequence number.
func (c *Conn) request(typ netlink.HeaderType, flags netlink.HeaderFlags, data []byte) (uint32, error) {
	seq := c.nextSeq()
	b, err := marshal(nil, typ, flags, seq, data)
	if err != nil {
		return 0, err
	}
	return seq, c.s.send(b)
}

// nextSeq never gives 0, the number of events.
func (c *Conn) nextSeq() uint32 {
	if c.seq++; c.seq == 0 {
		c.seq = 1
	}
	return c.seq
}

// marshal appends a message; its data has the length of whole attributes.
func marshal(b []byte, typ netlink.HeaderType, flags netlink.HeaderFlags, seq uint32, data []byte) ([]byte, error) {
	m := netlink.Message{
		Header: netlink.Header{
			Length:   uint32(unix.SizeofNlMsghdr+len(data)+3) &^ 3,
			Type:     typ,
			Flags:    flags,
			Sequence: seq,
		},
		Data: data,
	}
	raw, err := m.MarshalBinary()
	if err != nil {
		return b, err
	}
	return append(b, raw...), nil
}
