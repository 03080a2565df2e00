package control

import (
	"encoding/json"
	"errors"

	"golang.org/x/sys/unix"

	"daemonbox/core/event"
	"daemonbox/core/timer"
)

const (
	// readBudget is how many octets one connection is read in one turn.
	readBudget = 16 << 10
	// requestBudget is how many requests of one connection are handled in one
	// turn.
	requestBudget = 16
	// writeBudget is how many octets go to one connection in one turn.
	writeBudget = 256 << 10
	// maxUnread is the backlog of answers at which no more requests are taken.
	maxUnread = 64 << 10
	// maxBacklog is the backlog of answers at which a connection is given up:
	// twice the largest answer.
	maxBacklog = 2 * MaxReply
)

// Peer is one connection of a server. It belongs to the loop's goroutine.
type Peer struct {
	// Cred are the peer's credentials when it connected.
	Cred Cred
	// Privileged tells that the peer may change things.
	Privileged bool
	// Value is the handler's to use.
	Value any

	server *Server
	fd     int
	source *event.Source
	timer  *timer.Timer
	want   event.Ready // what the source waits for
	open   map[*Request]struct{}
	stream *Stream
	in     []byte // what has come of requests not handled yet
	out    queue
	// partial: the timer runs for an incomplete request, not for idleness.
	partial bool
	waiting bool // complete requests may be in the input: work goes on later
	posted  bool // work is posted to the loop
	kicked  bool // settle is posted to the loop
	cutting bool // nothing is read any more; closed when out is empty
	eof     bool // no more requests come
	dead    bool // to be closed by settle
	closed  bool
}

func newPeer(s *Server, fd int, c Cred, privileged bool) *Peer {
	p := &Peer{
		Cred: c, Privileged: privileged, server: s, fd: fd, want: event.Read,
		open: make(map[*Request]struct{}),
	}
	p.timer = s.loop.Timer("control peer", p.expire)
	return p
}

// ready is the source's callback.
func (p *Peer) ready(r event.Ready) {
	if r&event.Write != 0 {
		p.flush()
		if p.closed {
			return
		}
	}
	switch {
	case r&event.Read != 0 && p.want&event.Read != 0:
		p.read()
	case r&event.Hangup != 0:
		p.close()
		return
	}
	p.settle()
}

// read takes what has come, at most readBudget. No control buffer is given to
// recvmsg(2), so descriptors in SCM_RIGHTS never enter this process: the
// kernel drops them and sets MSG_CTRUNC.
func (p *Peer) read() {
	n, _, flags, _, err := unix.Recvmsg(p.fd, p.server.scratch[:], nil, unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return
	case err != nil, n == 0 && p.left():
		p.close()
		return
	case n == 0:
		p.eof, p.in = true, nil
		return
	case flags&unix.MSG_CTRUNC != 0:
		p.broken("file descriptors are not taken here")
		return
	}
	p.in = append(p.in, p.server.scratch[:n]...)
	p.work()
}

// left tells an end of input that is the peer's end from one that only says
// that no more requests come: shutdown(2) after the last one is fine.
func (p *Peer) left() bool {
	fds := []unix.PollFd{{Fd: int32(p.fd)}}
	n, err := unix.Poll(fds, 0)
	return err != nil || n > 0 && fds[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0
}

// finished tells that there is nothing left to do for the peer.
func (p *Peer) finished() bool {
	if p.dead || p.cutting && p.out.size == 0 {
		return true
	}
	return p.eof && len(p.open) == 0 && p.stream == nil && p.out.size == 0
}

// work handles the complete requests in p.in, within a budget.
func (p *Peer) work() {
	rest := p.in
	for n := 0; !p.closed && !p.cutting; n++ {
		if p.full() {
			p.waiting = true
			break
		}
		body, after, err := nextFrame(rest, MaxRequest)
		if err != nil {
			p.broken(err.Error())
			break
		}
		if body == nil {
			break
		}
		if n == requestBudget {
			p.post()
			break
		}
		rest = after
		p.restart()
		p.request(body)
	}
	if p.closed || p.cutting {
		p.in = nil
		return
	}
	if len(rest) == 0 && cap(p.in) > readBudget {
		p.in = nil // an idle connection holds no memory
		return
	}
	p.in = append(p.in[:0], rest...)
}

// post continues work in a later turn.
func (p *Peer) post() {
	if p.posted {
		return
	}
	p.posted = true
	p.server.loop.Post(func() {
		p.posted = false
		if !p.closed && !p.cutting {
			p.work()
			p.settle()
		}
	})
}

// request handles the JSON object of one frame.
func (p *Peer) request(body []byte) {
	f, err := parseRequest(body)
	var proto *protoError
	switch {
	case errors.As(err, &proto):
		p.proto(f.id, proto.text)
		return
	case err != nil:
		p.broken(err.Error())
		return
	case p.stream != nil:
		p.proto(f.id, "this connection is a stream")
		return
	}
	r := &Request{
		ID: f.id, Cmd: f.cmd, Netns: f.netns, If: f.ifname, Family: f.family, TimeoutMS: f.timeoutMS,
		Args: f.args, Cred: p.Cred, Privileged: p.Privileged, peer: p,
	}
	p.open[r] = struct{}{}
	p.server.stats.Requests++
	p.server.o.Handler(r)
}

func (p *Peer) proto(id json.RawMessage, text string) {
	p.server.stats.Proto++
	p.answer(id, p.server.protoCode, protoName, text, nil)
}

// broken answers a frame that cannot be read and cuts the connection.
func (p *Peer) broken(text string) {
	p.proto(nil, text)
	p.cut()
}

// reply is the JSON object of an answer.
type reply struct {
	V      int             `json:"v"`
	ID     json.RawMessage `json:"id"`
	Code   int             `json:"code"`
	Name   string          `json:"name"`
	Text   string          `json:"text"`
	Result any             `json:"result,omitempty"`
}

func (p *Peer) answer(id json.RawMessage, code int, name, text string, result any) {
	if id == nil {
		id = json.RawMessage("null")
	}
	b, err := json.Marshal(&reply{version, id, code, name, text, result})
	if err == nil && len(b) > MaxReply {
		err = errFrameLong
	}
	if err != nil {
		p.server.complain("reply", "cannot send an answer", err)
		p.cut()
		return
	}
	p.out.push(appendFrame(make([]byte, 0, headLen+len(b)), b), false)
	if p.out.size > maxBacklog {
		p.dead = true
	}
	p.kick()
}

// kick has settle called at the end of the turn. Handlers call Reply and Send
// in the middle of their own work: nobody's callbacks may run there.
func (p *Peer) kick() {
	if p.kicked || p.closed {
		return
	}
	p.kicked = true
	p.server.loop.Post(func() {
		p.kicked = false
		p.settle()
	})
}

// full tells that the peer gets ahead of us or does not read its answers:
// no more requests are taken until that changes.
func (p *Peer) full() bool {
	return len(p.open) >= p.server.limits.open || p.stream == nil && p.out.size > maxUnread
}

// settle follows every change: it sends what can be sent, chooses what the
// source waits for and what the timer guards. It may close the connection.
func (p *Peer) settle() {
	if !p.closed && p.out.size > 0 && p.want&event.Write == 0 {
		p.flush()
	}
	if p.closed {
		return
	}
	if p.finished() {
		p.close()
		return
	}
	if p.waiting && !p.full() {
		p.waiting = false
		p.post()
	}
	var want event.Ready
	if !p.cutting && !p.eof && !p.posted && !p.full() {
		want |= event.Read
	}
	if p.out.size > 0 {
		want |= event.Write
	}
	if want != p.want {
		if err := p.source.Modify(want); err != nil {
			p.server.complain("modify", "cannot watch a control connection", err)
			p.close()
			return
		}
		p.want = want
	}
	p.rest()
}

// flush sends what the socket takes, within the budget. MSG_NOSIGNAL: a peer
// that left must not raise SIGPIPE.
func (p *Peer) flush() {
	for left := writeBudget; left > 0 && p.out.size > 0; {
		b := p.out.head(left)
		n, err := unix.SendmsgN(p.fd, b, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return
		case err != nil:
			p.close()
			return
		}
		p.out.sent(n)
		left -= n
		p.progress()
	}
}
