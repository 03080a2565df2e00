package sim

import (
	"fmt"
	"time"

	"daemonbox/core/timer"
)

// HW is a link-layer address.
type HW [6]byte

// Broadcast is the address of every port of a segment.
var Broadcast = HW{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// String returns the usual notation.
func (h HW) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", h[0], h[1], h[2], h[3], h[4], h[5])
}

// Frame is what travels on a segment. Data is valid until Recv returns.
type Frame struct {
	Src, Dst HW
	Type     uint16 // EtherType, or whatever the protocol uses
	Data     []byte
}

// Link says how a segment treats frames. Each receiver of a broadcast has its
// own fate. Frames of one receiver keep their order in spite of jitter, except
// those that Reorder chose.
type Link struct {
	Delay, Jitter time.Duration // transit time: Delay plus 0..Jitter
	Loss          float64       // probability that a frame is lost
	Dup           float64       // probability that a frame arrives twice
	Reorder       float64       // probability that later frames overtake it
	MTU           int           // longest Data, 0 for no limit; longer frames are lost
}

// SegmentStats counts what became of frames, per receiver.
type SegmentStats struct {
	Sent      uint64 // frames given to the segment
	Delivered uint64 // handed to a receiver
	Lost      uint64 // by Loss
	Dups      uint64 // extra copies by Dup
	Reordered uint64 // by Reorder
	TooBig    uint64 // over MTU
	Cut       uint64 // by a partition
	Dead      uint64 // the receiver was down, asleep or had no carrier
}

// Segment is a hub: what one port sends all others hear, if it is for them.
type Segment struct {
	// Link may be changed at any time; frames on their way are not affected.
	Link  Link
	Stats SegmentStats

	world *World
	name  string
	ports []*Port
}

// Segment adds a segment without ports.
func (w *World) Segment(name string, l Link) *Segment {
	s := &Segment{world: w, name: name, Link: l}
	w.segments = append(w.segments, s)
	return s
}

// Join is a point-to-point link between two nodes.
func (w *World) Join(a, b *Node, hwA, hwB HW, l Link) (*Port, *Port) {
	s := w.Segment(a.name+"-"+b.name, l)
	return a.Attach(s, hwA), b.Attach(s, hwB)
}

// Name returns the segment's name.
func (s *Segment) Name() string { return s.name }

// Partition puts the given ports on an island of their own: they hear each
// other but nobody else. A second call makes a second island.
func (s *Segment) Partition(ports ...*Port) {
	island := 1
	for _, p := range s.ports {
		island = max(island, p.island+1)
	}
	for _, p := range ports {
		p.island = island
		s.world.trace.Add(p.node, "partition", s.name, int64(island), 0)
	}
}

// Heal joins all islands.
func (s *Segment) Heal() {
	for _, p := range s.ports {
		p.island = 0
	}
	s.world.trace.Add(nil, "heal", s.name, 0, 0)
}

// Port joins a node to a segment.
type Port struct {
	// HW is the port's address; it may be changed.
	HW HW
	// Recv gets the frames for HW and broadcasts.
	Recv func(f *Frame)
	// Filter, if set, is asked when a frame is sent whether this port wants it
	// at all, as a socket filter would be. It must depend on the frame
	// alone and send nothing.
	Filter func(f *Frame) bool
	// Promiscuous ports get frames for everybody.
	Promiscuous bool
	// Carrier is called when the cable is plugged or pulled.
	Carrier func(up bool)

	node   *Node
	seg    *Segment
	up     bool
	missed bool // the carrier changed while the node slept
	island int
	last   timer.Time // latest arrival that later frames must not overtake
}

// Attach adds a port with carrier to the node.
func (n *Node) Attach(s *Segment, hw HW) *Port {
	p := &Port{HW: hw, node: n, seg: s, up: true}
	s.ports = append(s.ports, p)
	n.ports = append(n.ports, p)
	return p
}

// Node returns the node the port belongs to.
func (p *Port) Node() *Node { return p.node }

// Up reports whether the port has carrier.
func (p *Port) Up() bool { return p.up }

// SetUp plugs or pulls the cable and tells the node, if it sleeps when it
// wakes up. A node that was restarted looks at Up itself.
func (p *Port) SetUp(up bool) {
	if p.up == up {
		return
	}
	p.up = up
	p.node.world.trace.Add(p.node, "carrier", p.seg.name, b2i(up), 0)
	switch {
	case p.node.state != running:
		p.missed = true
	case p.Carrier != nil:
		p.Carrier(up)
	}
}

// tellMissed tells a node that woke up what its cable did meanwhile. A cable
// that was pulled and plugged again is a flap, however often it was.
func (p *Port) tellMissed() {
	if !p.missed {
		return
	}
	p.missed = false
	if p.Carrier == nil {
		return
	}
	if p.up {
		p.Carrier(false)
	}
	p.Carrier(p.up)
}

// Send transmits data to the port with the address dst, or to all. The data
// is copied.
func (p *Port) Send(dst HW, typ uint16, data []byte) {
	s := p.seg
	w := s.world
	if p.node.state != running || !p.up {
		s.Stats.Dead++
		return
	}
	s.Stats.Sent++
	sum := w.trace.frame(p.node, "send", typ, data)
	if s.Link.MTU > 0 && len(data) > s.Link.MTU {
		s.Stats.TooBig++
		return
	}
	f := &w.scratch // a local one would be allocated for Filter's sake
	*f = Frame{Src: p.HW, Dst: dst, Type: typ, Data: data}
	for _, to := range s.ports {
		if to == p || (dst != Broadcast && dst != to.HW && !to.Promiscuous) {
			continue
		}
		if to.Recv == nil || (to.Filter != nil && !to.Filter(f)) {
			continue
		}
		s.carry(p, to, f, sum)
	}
}

// carry decides the fate of one frame for one receiver.
func (s *Segment) carry(from, to *Port, f *Frame, sum uint64) {
	w := s.world
	if from.island != to.island {
		s.Stats.Cut++
		return
	}
	if s.Link.Loss > 0 && w.Rand.Float64() < s.Link.Loss {
		s.Stats.Lost++
		w.trace.Add(to.node, "lost", "", int64(sum), 0)
		return
	}
	s.launch(from, to, f, sum)
	if s.Link.Dup > 0 && w.Rand.Float64() < s.Link.Dup {
		s.Stats.Dups++
		s.launch(from, to, f, sum)
	}
}

func (s *Segment) launch(from, to *Port, f *Frame, sum uint64) {
	w := s.world
	at := w.now.Add(s.Link.Delay)
	if s.Link.Jitter > 0 {
		at = at.Add(time.Duration(w.Rand.Int64N(int64(s.Link.Jitter) + 1)))
	}
	if s.Link.Reorder > 0 && w.Rand.Float64() < s.Link.Reorder {
		// Late enough that what is sent within a few transit times overtakes.
		s.Stats.Reordered++
		at = at.Add(w.Duration(0, 4*(s.Link.Delay+s.Link.Jitter)+time.Millisecond))
	} else {
		at = max(at, to.last)
		to.last = at
	}
	fl := w.flight()
	fl.from, fl.to, fl.sum = from, to, sum
	fl.frame = *f
	fl.buf = append(fl.buf[:0], f.Data...)
	fl.frame.Data = fl.buf
	fl.t.Set(at)
}

// flight is a frame on its way.
type flight struct {
	t        *timer.Timer
	from, to *Port
	frame    Frame
	buf      []byte
	sum      uint64
}

func (w *World) flight() *flight {
	if n := len(w.spare); n > 0 {
		f := w.spare[n-1]
		w.spare = w.spare[:n-1]
		return f
	}
	f := &flight{}
	f.t = w.queue.Timer("frame", f.arrive)
	return f
}

func (w *World) recycle(f *flight) {
	f.from, f.to = nil, nil
	w.spare = append(w.spare, f)
}

func (f *flight) arrive() {
	s, n := f.to.seg, f.to.node
	switch {
	case f.from.island != f.to.island:
		s.Stats.Cut++
	case !f.to.up || n.state == dead || n.state == suspended:
		s.Stats.Dead++
	case n.state == paused && len(n.deferred) < maxBacklog:
		n.deferred = append(n.deferred, f)
		return
	case n.state == paused:
		s.Stats.Dead++
	default:
		f.hand()
		return
	}
	s.world.recycle(f)
}

// hand gives the frame to its receiver. A reply sent meanwhile must not reuse
// this flight, so it is recycled at the end.
func (f *flight) hand() {
	w := f.to.seg.world
	if w.begin(f.to.node, "recv", "", int64(f.sum), 0) {
		f.to.seg.Stats.Delivered++
		f.to.Recv(&f.frame)
		w.end()
	}
	w.recycle(f)
}

func b2i(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
