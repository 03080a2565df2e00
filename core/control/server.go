package control

import (
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/core/event"
	"daemonbox/core/log"
	"daemonbox/core/timer"
)

// limits of a server. Tests shorten the times.
type limits struct {
	conns    int           // connections in all
	reserved int           // of them kept free for privileged peers
	perUID   int           // connections of one unprivileged user
	open     int           // unanswered requests of one connection
	request  time.Duration // from the first octet of a request to its last
	idle     time.Duration // without an outstanding request or a subscription
	linger   time.Duration // for the last frames to a connection that is being cut
}

var defaultLimits = limits{
	conns:    64,
	reserved: 8,
	perUID:   8,
	open:     64,
	request:  3 * time.Second,
	idle:     60 * time.Second,
	linger:   3 * time.Second,
}

const (
	// protoName is the code's name for a malformed request.
	protoName = "PROTO"
	// acceptBudget is how many connections are taken in one turn of the loop.
	acceptBudget = 16
	// acceptPause is how long a server without free descriptors waits.
	acceptPause = 200 * time.Millisecond
)

// ServerOptions configures a Server.
type ServerOptions struct {
	// Path of the socket.
	Path string
	// Handler is called on the loop's goroutine for every good request.
	Handler func(*Request)
	// Privileged decides who may change things. Nil: uid 0 and the daemon's
	// own effective uid.
	Privileged func(Cred) bool
	// Group, if not nil, is a group whose members are privileged too.
	Group *uint32
	// ProtoCode is the daemon's number for a malformed request.
	ProtoCode int
	// Logger takes what is worth a line; nil for none.
	Logger *slog.Logger
	// Closed, if not nil, is called after a connection has ended.
	Closed func(*Peer)
}

// Stats counts what a server has seen.
type Stats struct {
	Accepted uint64 `json:"accepted"`  // connections served
	Refused  uint64 `json:"refused"`   // connections closed at once for a limit
	Requests uint64 `json:"requests"`  // requests handed to the handler
	Proto    uint64 `json:"proto"`     // requests and frames answered PROTO
	TimedOut uint64 `json:"timed_out"` // connections closed for being slow or idle
	Lost     uint64 `json:"lost"`      // streams cut for falling behind
}

// Server is the daemon's end of the control protocol. It belongs to the
// loop's goroutine.
type Server struct {
	o         ServerOptions
	loop      *event.Loop
	limits    limits
	protoCode int
	place     *place
	source    *event.Source
	pause     *timer.Timer
	peers     map[*Peer]struct{}
	perUID    map[uint32]int
	ordinary  int // unprivileged connections
	stats     Stats
	warn      log.Limiter
	scratch   [readBudget]byte
	closed    bool
}

// Listen makes the socket and serves it on the loop. It returns ErrInUse when
// another daemon serves it already. It must be called on the loop's goroutine,
// or before the loop runs.
func Listen(loop *event.Loop, o ServerOptions) (*Server, error) {
	return listen(loop, o, defaultLimits)
}

func listen(loop *event.Loop, o ServerOptions, l limits) (*Server, error) {
	if o.Handler == nil {
		panic("control: server without a handler")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	place, err := takePlace(o.Path)
	if err != nil {
		return nil, err
	}
	s := &Server{
		o: o, loop: loop, limits: l, protoCode: o.ProtoCode, place: place,
		peers: make(map[*Peer]struct{}), perUID: make(map[uint32]int),
	}
	s.pause = loop.Timer("control accept", s.resume)
	s.source, err = loop.Add("control socket", place.fd, event.Read, func(event.Ready) { s.accept() })
	if err != nil {
		place.release()
		return nil, fmt.Errorf("control socket %s: %w", o.Path, err)
	}
	return s, nil
}

// Stats returns the counters.
func (s *Server) Stats() Stats { return s.stats }

// Close ends all connections and removes the socket. Answers that fit into the
// socket's buffer still reach their peers.
func (s *Server) Close() {
	if s.closed {
		return
	}
	s.closed = true
	s.pause.Stop()
	s.source.Remove()
	// First the socket: a client that sees its connection end and looks again
	// must not find it.
	s.place.release()
	for p := range s.peers {
		p.flush()
		p.close()
	}
}

func (s *Server) accept() {
	for range acceptBudget {
		fd, _, err := unix.Accept4(s.place.fd, unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK)
		switch err {
		case nil:
			s.welcome(fd)
		case unix.EAGAIN:
			return
		case unix.EINTR, unix.ECONNABORTED:
		default:
			// No descriptors or no memory: the queue stays readable, so look
			// again later instead of spinning.
			s.complain("accept", "cannot accept a control connection", err)
			if s.source.Modify(0) == nil {
				s.pause.Set(s.loop.Now().Add(acceptPause))
			}
			return
		}
	}
}

func (s *Server) resume() {
	if err := s.source.Modify(event.Read); err != nil {
		s.complain("accept", "cannot accept control connections any more", err)
	}
}

// welcome takes a connection or closes it at once.
func (s *Server) welcome(fd int) {
	c, err := peerCred(fd)
	if err != nil {
		unix.Close(fd)
		s.complain("cred", "cannot tell who a control connection is from", err)
		return
	}
	p := newPeer(s, fd, c, s.o.privileged(fd, c))
	if !s.admit(p) {
		s.stats.Refused++
		unix.Close(fd)
		if ok, n := s.warn.Allow(s.loop.Now(), "refused"); ok {
			s.o.Logger.Warn("too many control connections: one closed", "uid", c.UID, "pid", c.PID, "suppressed", n)
		}
		return
	}
	p.source, err = s.loop.Add("control peer", fd, event.Read, p.ready)
	if err != nil {
		unix.Close(fd)
		s.complain("add", "cannot watch a control connection", err)
		return
	}
	s.stats.Accepted++
	s.peers[p] = struct{}{}
	if !p.Privileged {
		s.perUID[c.UID]++
		s.ordinary++
	}
	p.rest()
}

// admit applies the limits. Some connections are kept for the privileged: a
// crowd of users must not lock the administrator out.
func (s *Server) admit(p *Peer) bool {
	if len(s.peers) >= s.limits.conns {
		return false
	}
	if p.Privileged {
		return true
	}
	return s.ordinary < s.limits.conns-s.limits.reserved && s.perUID[p.Cred.UID] < s.limits.perUID
}

// forget undoes welcome.
func (s *Server) forget(p *Peer) {
	delete(s.peers, p)
	if p.Privileged {
		return
	}
	s.ordinary--
	if s.perUID[p.Cred.UID]--; s.perUID[p.Cred.UID] == 0 {
		delete(s.perUID, p.Cred.UID)
	}
}

func (s *Server) complain(key, text string, err error) {
	if ok, n := s.warn.Allow(s.loop.Now(), key); ok {
		s.o.Logger.Warn(text, "err", err, "suppressed", n)
	}
}
