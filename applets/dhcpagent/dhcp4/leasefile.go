package dhcp4

import (
	"errors"
	"time"

	"daemonbox/core/timer"
)

// The reasons to refuse a lease file.
var (
	ErrFile    = errors.New("not a lease file of this program or damaged")
	ErrExpired = errors.New("the saved lease is over")
)

// AppendFile appends the file that keeps s. wall and boot are the same moment
// on the two clocks, bootID is the kernel's name of this boot.
func (s *Saved) AppendFile(b []byte, wall time.Time, boot timer.Time, bootID [16]byte) []byte {
	return b
}

// ParseFile reads a file made by AppendFile.
func ParseFile(b []byte, wall time.Time, boot timer.Time, bootID [16]byte) (*Saved, error) {
	return nil, ErrFile
}
