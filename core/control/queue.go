package control

import "slices"

// queue holds frames on their way to a peer. Frames stay apart so that whole
// events can be dropped when a peer falls behind.
type queue struct {
	frames []frame
	off    int // octets of the first frame that are sent
	size   int // octets not sent
}

type frame struct {
	data  []byte
	event bool
}

func (q *queue) push(data []byte, event bool) {
	q.frames = append(q.frames, frame{data, event})
	q.size += len(data)
}

// head returns the next octets to send, at most limit.
func (q *queue) head(limit int) []byte {
	b := q.frames[0].data[q.off:]
	return b[:min(len(b), limit)]
}

func (q *queue) sent(n int) {
	q.off += n
	q.size -= n
	if q.off < len(q.frames[0].data) {
		return
	}
	q.off = 0
	q.frames[0] = frame{}
	q.frames = q.frames[1:]
	if len(q.frames) == 0 {
		q.frames = nil
	}
}

// dropEvents removes the events that have not begun to be sent and returns how
// many they were.
func (q *queue) dropEvents() (n int) {
	first := 0
	if q.off > 0 {
		first = 1
	}
	rest := q.frames[first:]
	kept := slices.DeleteFunc(rest, func(f frame) bool {
		if f.event {
			n++
			q.size -= len(f.data)
		}
		return f.event
	})
	q.frames = q.frames[:first+len(kept)]
	return n
}
