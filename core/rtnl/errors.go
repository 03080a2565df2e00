package rtnl

import (
	"errors"
	"strings"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

var (
	// ErrNoAnswer means that the kernel's answer to a request got lost.
	ErrNoAnswer = errors.New("rtnl: no answer from the kernel")
	// ErrInterrupted means that a table kept changing while it was dumped.
	ErrInterrupted = errors.New("rtnl: table changed during every attempt to dump it")
)

// Error is a refusal by the kernel. errors.Is works with the unix.Errno inside.
type Error struct {
	Op      string // what was tried, such as "add address 192.0.2.1/24 on interface 3"
	Errno   syscall.Errno
	Message string // the kernel's own words (extended acknowledgement), often empty
}

func (e *Error) Error() string {
	var s strings.Builder
	s.WriteString(e.Op)
	s.WriteString(": ")
	s.WriteString(e.Errno.Error())
	if e.Message != "" {
		s.WriteString(" (")
		s.WriteString(e.Message)
		s.WriteByte(')')
	}
	return s.String()
}

// Unwrap returns the error number.
func (e *Error) Unwrap() error { return e.Errno }

// First returns the first error of a batch's answers, or nil.
func First(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ackError decodes NLMSG_ERROR, and NLMSG_DONE with an error number. ok is
// false for a message too short to say anything; errno 0 is success.
func ackError(m *netlink.Message) (errno syscall.Errno, text string, ok bool) {
	if len(m.Data) < 4 {
		return 0, "", false
	}
	// The number is negative; MinInt32 has no positive counterpart.
	v := int32(ne.Uint32(m.Data))
	if v > 0 || v < -4095 {
		return unix.EPROTO, "", true
	}
	errno = syscall.Errno(-v)
	if m.Header.Flags&netlink.AcknowledgeTLVs == 0 {
		return errno, "", true
	}
	// netlink(7): the header of the request follows, then its payload unless
	// the answer is capped, then attributes. DONE has the attributes at once.
	at := 4
	if m.Header.Type == netlink.Error {
		if len(m.Data) < 4+unix.SizeofNlMsghdr {
			return errno, "", true
		}
		at += unix.SizeofNlMsghdr
		if m.Header.Flags&netlink.Capped == 0 {
			n := int64(ne.Uint32(m.Data[4:]))
			if n < unix.SizeofNlMsghdr || n > int64(len(m.Data)-4) {
				return errno, "", true
			}
			at = min(4+(int(n)+3)&^3, len(m.Data))
		}
	}
	_ = decodeAttrs(m.Data, at, func(ad *netlink.AttributeDecoder) {
		if ad.Type() == unix.NLMSGERR_ATTR_MSG {
			text = ad.String()
		}
	})
	return errno, text, true
}
