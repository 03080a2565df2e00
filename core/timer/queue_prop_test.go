package timer

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// op is what a test does to one timer, either between passes or from inside a
// callback.
type op struct {
	id   int
	stop bool
	at   Time
}

// model does what Queue promises, in the plainest way: a sorted slice.
type model struct {
	pending []entry
	seq     int
	fired   []int
	script  [][]op // what each timer's callback does
}

type entry struct {
	at  Time
	seq int
	id  int
}

func (m *model) find(id int) int {
	return slices.IndexFunc(m.pending, func(e entry) bool { return e.id == id })
}

func (m *model) apply(o op) (wasPending bool) {
	i := m.find(o.id)
	if i >= 0 {
		m.pending = slices.Delete(m.pending, i, i+1)
	}
	if !o.stop && o.at != Never {
		m.seq++
		m.pending = append(m.pending, entry{o.at, m.seq, o.id})
		slices.SortFunc(m.pending, func(a, b entry) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.seq, b.seq))
		})
	}
	return i >= 0
}

func (m *model) fire(now Time) (n int) {
	entered := m.seq
	for {
		i := slices.IndexFunc(m.pending, func(e entry) bool { return e.at <= now && e.seq <= entered })
		if i < 0 {
			return n
		}
		id := m.pending[i].id
		m.pending = slices.Delete(m.pending, i, i+1)
		m.fired = append(m.fired, id)
		n++
		for _, o := range m.script[id] {
			m.apply(o)
		}
	}
}

// real is the implementation under the same operations.
type real struct {
	q      Queue
	timers []*Timer
	fired  []int
}

func newReal(script [][]op) *real {
	r := &real{}
	for id := range script {
		r.timers = append(r.timers, r.q.Timer("", func() {
			r.fired = append(r.fired, id)
			for _, o := range script[id] {
				r.apply(o)
			}
		}))
	}
	return r
}

func (r *real) apply(o op) (wasPending bool) {
	t := r.timers[o.id]
	if o.stop {
		return t.Stop()
	}
	wasPending = t.Pending()
	t.Set(o.at)
	return wasPending
}

// check compares everything that can be seen from outside, and the heap's own
// order and indices.
func (r *real) check(t *rapid.T, m *model) {
	if r.q.Len() != len(m.pending) {
		t.Fatalf("Len() = %d, want %d", r.q.Len(), len(m.pending))
	}
	next, ok := r.q.Next()
	want := Never
	if len(m.pending) > 0 {
		want = m.pending[0].at
	}
	if next != want || ok != (len(m.pending) > 0) {
		t.Fatalf("Next() = %d %v, want %d", next, ok, want)
	}
	for id, tm := range r.timers {
		want := Never
		i := m.find(id)
		if i >= 0 {
			want = m.pending[i].at
		}
		if tm.Pending() != (i >= 0) || tm.At() != want {
			t.Fatalf("timer %d: pending %v at %d, want %d", id, tm.Pending(), tm.At(), want)
		}
	}
	for i := range r.q.heap {
		s := &r.q.heap[i]
		if s.t.pos != int32(i) || s.t.late {
			t.Fatalf("slot %d holds a timer that thinks it is in slot %d", i, s.t.pos)
		}
		if i > 0 && s.before(&r.q.heap[(i-1)/arity]) {
			t.Fatalf("slot %d is before its parent", i)
		}
	}
	if d := gocmp.Diff(m.fired, r.fired); d != "" {
		t.Fatalf("called: -want +got\n%s", d)
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 24).Draw(t, "timers")
		// Few distinct moments, so that equal deadlines are common.
		at := rapid.OneOf(rapid.Map(rapid.Int64Range(0, 12), func(v int64) Time { return Time(v) }), rapid.Just(Never))
		anOp := rapid.Custom(func(t *rapid.T) op {
			return op{
				id:   rapid.IntRange(0, count-1).Draw(t, "id"),
				stop: rapid.IntRange(0, 3).Draw(t, "stop") == 0,
				at:   at.Draw(t, "at"),
			}
		})
		script := rapid.SliceOfN(rapid.SliceOfN(anOp, 0, 3), count, count).Draw(t, "callbacks")
		m := &model{script: script}
		r := newReal(script)
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { r.check(t, m) },
			"op": func(t *rapid.T) {
				o := anOp.Draw(t, "op")
				if got, want := r.apply(o), m.apply(o); got != want {
					t.Fatalf("%+v: was pending %v, want %v", o, got, want)
				}
			},
			"fire": func(t *rapid.T) {
				now := Time(rapid.Int64Range(0, 12).Draw(t, "now"))
				if got, want := r.q.FireUntil(now), m.fire(now); got != want {
					t.Fatalf("FireUntil(%d) = %d, want %d", now, got, want)
				}
			},
		})
	})
}
