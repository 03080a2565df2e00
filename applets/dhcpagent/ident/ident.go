// Package ident knows who this host is to DHCP servers: its DUID, the IAIDs of
// its interfaces, and the client identifier (option 61) that is made of them
// or of the CLIENT_ID parameter (RFC 2132 §9.14, RFC 4361, RFC 8415 §11).
//
// A Store belongs to one goroutine, the event loop's. It reads its two files
// when they are first needed, which the default identity on Ethernet never
// does, and leaves writing them to its owner: Unsaved hands out a Write that
// any goroutine may carry out and Saved takes the result. Until a write has
// succeeded the identities count in memory, so that a read-only file system
// holds nothing up.
package ident

import (
	"encoding/binary"
	"fmt"
	"time"
)

// RetryEvery is the pause after a write that failed.
const RetryEvery = 60 * time.Second

// Hardware types (RFC 1700, linux/if_arp.h).
const (
	hwEthernet   = 1
	hwIEEE802    = 6
	hwInfiniBand = 32
)

// A Link is what an identity may depend on.
type Link struct {
	// Name is that of the logical interface, eth0 or eth0:1.
	Name   string
	Index  int
	HWType uint16
	HWAddr []byte
	// Alias: an additional logical interface, which the hardware address does
	// not tell from the first.
	Alias bool
}

// Links finds interfaces. Found links are only read.
type Links interface {
	// ByName returns the interface of that name.
	ByName(name string) (Link, bool)
	// First returns the interface with the lowest index that is not a loopback
	// and has an Ethernet-like address.
	First() (Link, bool)
}

// An ID is a client identifier.
type ID struct {
	// Octets is the value of option 61, nil to send none.
	Octets []byte
	// FollowsHW: the identity is another one when the hardware address changes.
	FollowsHW bool
}

// Client4 returns the DHCPv4 client identifier of l. With byDUID the default
// is an identifier by IAID and DUID. An error says that the setting could not
// be used; the ID is then the default one.
func (s *Store) Client4(set *Setting, byDUID bool, l Link) (ID, error) {
	switch set.form {
	case formMAC:
		if len(l.HWAddr) > 0 {
			return ID{Octets: append([]byte{byte(l.HWType)}, l.HWAddr...), FollowsHW: true}, nil
		}
		return s.default4(byDUID, l), fmt.Errorf("%s has no hardware address to make an identifier of", l.Name)
	case formDUID:
		return s.node4(s.DUID(), l), nil
	case formOctets:
		return ID{Octets: set.octets}, nil
	case formFixed:
		return s.node4(set.octets, l), nil
	case formLL, formLLT:
		duid, follows, err := s.fromLLA(set)
		if err != nil {
			return s.default4(byDUID, l), err
		}
		id := s.node4(duid, l)
		id.FollowsHW = follows
		return id, nil
	}
	return s.default4(byDUID, l), nil
}

// node4 is the node-specific identifier of RFC 4361 §6.1: type 255, IAID, DUID.
func (s *Store) node4(duid []byte, l Link) ID {
	b := make([]byte, 0, 5+len(duid))
	b = append(b, 0xff)
	b = binary.BigEndian.AppendUint32(b, s.IAID(l.Name, l.Index, l.Alias))
	return ID{Octets: append(b, duid...)}
}

// default4 is the identity without a CLIENT_ID parameter.
func (s *Store) default4(byDUID bool, l Link) ID {
	switch {
	case byDUID || l.Alias:
		return s.node4(s.DUID(), l)
	case l.HWType == hwInfiniBand && len(l.HWAddr) == 20:
		// RFC 4390 §2.1 demands an identifier, since a chaddr field cannot hold
		// the address. Its GID, the last 16 octets, stays over restarts; the
		// queue pair before it does not.
		b := make([]byte, 5, 21)
		return ID{Octets: append(b, l.HWAddr[4:]...), FollowsHW: true}
	}
	// No option 61: servers take the hardware type and address.
	return ID{FollowsHW: true}
}

// fromLLA makes a DUID of a link-layer address. follows tells that it changes
// with the address of an interface.
func (s *Store) fromLLA(set *Setting) (duid []byte, follows bool, err error) {
	addr, hwtype := set.octets, set.hwtype
	if set.ifname != "" {
		l, ok := s.links.ByName(set.ifname)
		if !ok || len(l.HWAddr) == 0 {
			return nil, false, fmt.Errorf("CLIENT_ID names %s, which has no link-layer address", set.ifname)
		}
		addr, follows = l.HWAddr, true
		if !set.hasHW {
			hwtype = l.HWType
		}
	}
	if set.form == formLL {
		return appendLL(nil, hwtype, addr), follows, nil
	}
	when := set.time
	if !set.hasT {
		// "Now" is one moment for the whole life of the process: a client must
		// send the same octets in every message.
		when = s.started
	}
	return appendLLT(nil, hwtype, when, addr), follows, nil
}
