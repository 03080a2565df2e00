package control

import (
	"encoding/binary"
	"errors"
)

const (
	// headLen is the u32 length, little-endian, before every frame.
	headLen = 4
	// MaxRequest bounds the octets of a request's JSON object.
	MaxRequest = 64 << 10
	// MaxReply bounds the octets of a reply's or an event's JSON object.
	MaxReply = 16 << 20
)

// Errors of the frame layer. None of them can be recovered from: where the
// next frame begins is unknown.
var (
	errFrameEmpty = errors.New("frame of length 0")
	errFrameLong  = errors.New("frame longer than allowed")
)

// appendFrame appends one frame with the given body.
func appendFrame(b, body []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

// nextFrame cuts the first frame off b. A nil body without an error means that
// the frame is not complete yet. The length is checked before anything is made
// of it, so a hostile one costs no memory.
func nextFrame(b []byte, limit int) (body, rest []byte, err error) {
	if len(b) < headLen {
		return nil, b, nil
	}
	n := binary.LittleEndian.Uint32(b)
	switch {
	case n == 0:
		return nil, b, errFrameEmpty
	case n > uint32(limit):
		return nil, b, errFrameLong
	case uint32(len(b)-headLen) < n:
		return nil, b, nil
	}
	end := headLen + int(n)
	return b[headLen:end], b[end:], nil
}

// putLength writes the length of a frame whose first octets were left free.
func putLength(b []byte) { binary.LittleEndian.PutUint32(b, uint32(len(b)-headLen)) }
