package control

import "golang.org/x/sys/unix"

// A connection has one timer. While a request is incomplete it guards the
// request; while nothing is outstanding it guards against idleness; while the
// last frames go to a connection that is cut it guards these.

// rest sets the timer as the connection's state demands.
func (p *Peer) rest() {
	switch {
	case p.cutting:
		// cut has set it.
	case p.posted, len(p.open) >= p.server.limits.open:
		// We are the ones who do not go on.
		p.restart()
	case len(p.in) > 0 && !p.full():
		if !p.partial {
			p.partial = true
			p.timer.Set(p.server.loop.Now().Add(p.server.limits.request))
		}
	case len(p.open) > 0 || p.stream != nil:
		p.restart()
	default:
		if p.partial || !p.timer.Pending() {
			p.partial = false
			p.timer.Set(p.server.loop.Now().Add(p.server.limits.idle))
		}
	}
}

// restart makes rest begin anew: a request has come in whole.
func (p *Peer) restart() {
	p.partial = false
	p.timer.Stop()
}

// progress follows octets that the peer has read: it is not idle.
func (p *Peer) progress() {
	if !p.partial && !p.cutting {
		p.timer.Stop()
	}
}

func (p *Peer) expire() {
	p.server.stats.TimedOut++
	p.close()
}

// cut reads no more and closes the connection when its last frames are sent,
// or after a while.
func (p *Peer) cut() {
	if p.closed || p.cutting {
		return
	}
	p.cutting, p.waiting = true, false
	p.timer.Set(p.server.loop.Now().Add(p.server.limits.linger))
}

// close ends the connection and tells everybody who waits for it.
func (p *Peer) close() {
	if p.closed {
		return
	}
	p.closed = true
	p.timer.Stop()
	p.source.Remove()
	unix.Close(p.fd)
	p.out = queue{}
	p.in = nil
	p.server.forget(p)
	for r := range p.open {
		fn := r.onGone
		r.peer, r.onGone = nil, nil
		if fn != nil {
			fn()
		}
	}
	clear(p.open)
	if p.stream != nil && p.stream.onGone != nil {
		fn := p.stream.onGone
		p.stream.onGone = nil
		fn()
	}
	if p.server.o.Closed != nil {
		p.server.o.Closed(p)
	}
}
