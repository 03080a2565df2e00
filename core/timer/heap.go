package timer

// slot is one entry of the heap. The keys are kept here and not in the Timer,
// so that comparing walks through one array and touches no other memory.
type slot struct {
	at  Time
	seq uint64
	t   *Timer
}

func (s *slot) before(o *slot) bool {
	return s.at < o.at || s.at == o.at && s.seq < o.seq
}

// heap is a 4-ary min-heap: half as deep as a binary one, and the children of
// a slot lie side by side. Every timer in it knows its index.
type heap []slot

const arity = 4

func (h *heap) push(s slot) {
	*h = append(*h, slot{})
	h.up(len(*h)-1, s)
}

// remove takes out the slot at i. The timer's pos is left to the caller, who
// mostly sets it anew.
func (h *heap) remove(i int) {
	a := *h
	last := len(a) - 1
	s := a[last]
	a[last] = slot{} // do not keep the timer alive
	*h = a[:last]
	if i != last {
		h.fix(i, s)
	}
}

// fix puts s where the slot at i was, and restores the order.
func (h *heap) fix(i int, s slot) {
	if i > 0 && s.before(&(*h)[(i-1)/arity]) {
		h.up(i, s)
	} else {
		h.down(i, s)
	}
}

// up moves the hole at i towards the root until s fits.
func (h *heap) up(i int, s slot) {
	a := *h
	for i > 0 {
		p := (i - 1) / arity
		if !s.before(&a[p]) {
			break
		}
		a[i] = a[p]
		a[i].t.pos = int32(i)
		i = p
	}
	a[i] = s
	s.t.pos = int32(i)
}

// down moves the hole at i towards the leaves until s fits.
func (h *heap) down(i int, s slot) {
	a := *h
	for {
		first := i*arity + 1
		if first >= len(a) {
			break
		}
		least := first
		for c := first + 1; c < min(first+arity, len(a)); c++ {
			if a[c].before(&a[least]) {
				least = c
			}
		}
		if !a[least].before(&s) {
			break
		}
		a[i] = a[least]
		a[i].t.pos = int32(i)
		i = least
	}
	a[i] = s
	s.t.pos = int32(i)
}
