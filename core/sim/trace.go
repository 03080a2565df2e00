package sim

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"time"

	"daemonbox/core/timer"
)

// ringSize is how many records a Trace remembers.
const ringSize = 4096

// ringData is how much of a frame a record keeps for Describe.
const ringData = 1024

// Trace is the record of a world: a hash of everything that ever happened and
// the last records in full.
type Trace struct {
	// Describe turns a frame into words when a record is shown. It is called
	// for records that are shown only.
	Describe func(typ uint16, data []byte) string
	// Out, if set, gets every record as it is made.
	Out io.Writer

	world *World
	hash  uint64
	n     uint64
	ring  []Record
}

// Record is one line of a trace.
type Record struct {
	At   timer.Time // the world's time
	Node *Node      // nil for the world itself
	Kind string     // "send", "recv", "timer", …
	Text string
	A, B int64 // what they mean depends on Kind

	typ  uint16
	data []byte
}

func newTrace() Trace { return Trace{hash: 0x9e3779b97f4a7c15} }

// Hash returns the hash of everything that happened so far. Two runs of one
// seed have the same.
func (t *Trace) Hash() uint64 { return t.hash }

// Len returns how many records were made, also those no longer remembered.
func (t *Trace) Len() uint64 { return t.n }

// Add makes a record. Text must not be built for each call where that costs
// time; a and b are for numbers.
func (t *Trace) Add(n *Node, kind, text string, a, b int64) {
	r := t.next()
	*r = Record{At: t.world.now, Node: n, Kind: kind, Text: text, A: a, B: b, data: r.data[:0]}
	h := mix(t.hash, uint64(r.At))
	if n != nil {
		h = mix(h, uint64(n.id)+1)
	}
	h = mixString(h, kind)
	h = mixString(h, text)
	t.hash = mix(mix(h, uint64(a)), uint64(b))
	t.emit(r)
}

// frame makes a record that holds data and returns data's hash.
func (t *Trace) frame(n *Node, kind string, typ uint16, data []byte) uint64 {
	sum := mixBytes(uint64(typ), data)
	r := t.next()
	*r = Record{At: t.world.now, Node: n, Kind: kind, A: int64(sum), typ: typ, data: append(r.data[:0], data[:min(len(data), ringData)]...)}
	t.hash = mix(mix(mix(t.hash, uint64(r.At)), uint64(n.id)+1), sum)
	t.emit(r)
	return sum
}

func (t *Trace) next() *Record {
	if len(t.ring) < ringSize {
		t.ring = append(t.ring, Record{})
	}
	r := &t.ring[t.n%ringSize]
	t.n++
	return r
}

func (t *Trace) emit(r *Record) {
	if t.Out != nil {
		fmt.Fprintln(t.Out, t.line(r))
	}
}

// Last returns the last n records as text, one a line, oldest first.
func (t *Trace) Last(n int) string {
	n = min(n, len(t.ring))
	var b strings.Builder
	for i := t.n - uint64(n); i < t.n; i++ {
		b.WriteString(t.line(&t.ring[i%ringSize]))
		b.WriteByte('\n')
	}
	return b.String()
}

// line shows a record. The numbers of frames are hashes, shown short so that
// a "recv" can be matched with its "send".
func (t *Trace) line(r *Record) string {
	name := "-"
	if r.Node != nil {
		name = r.Node.name
	}
	head := fmt.Sprintf("%16s %-8s %-10s", time.Duration(r.At), name, r.Kind)
	switch {
	case r.data != nil && r.Kind == "send":
		text := fmt.Sprintf("%d octets", len(r.data))
		if t.Describe != nil {
			text = t.Describe(r.typ, r.data)
		}
		return fmt.Sprintf("%s #%04x %s", head, uint16(r.A), text)
	case r.Kind == "recv" || r.Kind == "lost":
		return fmt.Sprintf("%s #%04x", head, uint16(r.A))
	case r.A == 0 && r.B == 0:
		return strings.TrimRight(head+" "+r.Text, " ")
	case r.Kind == "suspend" || r.Kind == "pause" || r.Kind == "wake" || r.Kind == "clock step":
		return fmt.Sprintf("%s %s %v", head, r.Text, time.Duration(r.A))
	}
	return fmt.Sprintf("%s %s %d %d", head, r.Text, r.A, r.B)
}

// mix folds v into h. The multiplication of 64 by 64 bits spreads every bit
// of the operands; this is a checksum of equality, not of security.
func mix(h, v uint64) uint64 {
	hi, lo := bits.Mul64(h^0xa0761d6478bd642f, v^0xe7037ed1a0b428db)
	return hi ^ lo ^ h
}

func mixString(h uint64, s string) uint64 {
	h = mix(h, uint64(len(s)))
	for len(s) >= 8 {
		h = mix(h, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
		s = s[8:]
	}
	var v uint64
	for i := range len(s) {
		v |= uint64(s[i]) << (8 * i)
	}
	return mix(h, v)
}

func mixBytes(h uint64, b []byte) uint64 {
	h = mix(h, uint64(len(b)))
	for len(b) >= 8 {
		h = mix(h, binary.LittleEndian.Uint64(b))
		b = b[8:]
	}
	var v uint64
	for i, c := range b {
		v |= uint64(c) << (8 * i)
	}
	return mix(h, v)
}
