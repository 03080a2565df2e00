package control

import (
	"encoding/json"
	"strconv"
	"time"
)

// maxBehind is how far a subscriber may fall behind, in octets.
const maxBehind = 1 << 20

// Stream is a connection that gets events. It belongs to the loop's goroutine.
type Stream struct {
	peer   *Peer
	seq    uint64
	onGone func()
}

// Gone reports whether the connection has ended or is being cut.
func (s *Stream) Gone() bool { return s.peer.closed || s.peer.cutting }

// OnGone calls fn when the connection has ended.
func (s *Stream) OnGone(fn func()) { s.onGone = fn }

// Send sends one event. The members of v, which must make a JSON object or be
// nil, stand in the frame beside v, seq, event and time. A subscriber that is
// more than 1 MiB behind loses what it has not begun to read, is told how many
// events that were, and is cut off: it reads a snapshot and subscribes anew.
func (s *Stream) Send(event string, v any) {
	if s.Gone() {
		return
	}
	p := s.peer
	b, err := s.encode(event, v)
	if err != nil {
		p.server.complain("event", "cannot send an event", err)
		return
	}
	p.out.push(b, true)
	if p.out.size > maxBehind {
		s.lose()
	}
	p.kick()
}

func (s *Stream) lose() {
	p := s.peer
	p.server.stats.Lost++
	lost := struct {
		Count int `json:"count"`
	}{p.out.dropEvents()}
	if b, err := s.encode("lost", lost); err == nil {
		p.out.push(b, true)
	}
	p.cut()
}

// encode makes the frame of one event.
func (s *Stream) encode(event string, v any) ([]byte, error) {
	var members []byte
	if v != nil {
		var err error
		if members, err = json.Marshal(v); err != nil {
			return nil, err
		}
		if len(members) < 2 || members[0] != '{' {
			return nil, &protoError{"event " + event + " is not a JSON object"}
		}
		members = members[1 : len(members)-1]
	}
	name, err := json.Marshal(event)
	if err != nil {
		return nil, err
	}
	s.seq++
	b := make([]byte, headLen, headLen+96+len(name)+len(members))
	b = append(b, `{"v":1,"seq":`...)
	b = strconv.AppendUint(b, s.seq, 10)
	b = append(b, `,"event":`...)
	b = append(b, name...)
	b = append(b, `,"time":"`...)
	b = time.Now().UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	if len(members) > 0 {
		b = append(b, ',')
		b = append(b, members...)
	}
	b = append(b, '}')
	if len(b)-headLen > MaxReply {
		return nil, errFrameLong
	}
	putLength(b)
	return b, nil
}
