package proc

// Pool bounds how many of something run at once; the others queue in order.
// Limit must be set before the first use. It belongs to one goroutine.
type Pool struct {
	Limit   int
	running int
	queue   []*Ticket
}

// Ticket is one place in a Pool, or in its queue.
type Ticket struct {
	pool *Pool
	fn   func()
	in   bool // fn has been called
	left bool
}

// Enter calls fn as soon as there is room: at once, or inside a later Leave of
// somebody else.
func (p *Pool) Enter(fn func()) *Ticket {
	if p.Limit < 1 {
		panic("proc: pool without room")
	}
	t := &Ticket{pool: p, fn: fn}
	p.queue = append(p.queue, t)
	p.admit()
	return t
}

// Waiting returns the length of the queue.
func (p *Pool) Waiting() int { return len(p.queue) }

// Running returns how many have entered and not left.
func (p *Pool) Running() int { return p.running }

// Leave gives the place up, in the pool or in its queue. Later calls do
// nothing.
func (t *Ticket) Leave() {
	if t.left {
		return
	}
	t.left = true
	p := t.pool
	if t.in {
		p.running--
		p.admit()
		return
	}
	for i, q := range p.queue {
		if q == t {
			p.queue = append(p.queue[:i], p.queue[i+1:]...)
			return
		}
	}
}

func (p *Pool) admit() {
	for p.running < p.Limit && len(p.queue) > 0 {
		t := p.queue[0]
		p.queue[0] = nil
		p.queue = p.queue[1:]
		p.running++
		t.in = true
		t.fn()
	}
}
