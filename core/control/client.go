package control

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What can be wrong with a daemon. Client errors wrap one of these.
var (
	// ErrDown: nobody serves the socket.
	ErrDown = errors.New("the daemon does not run")
	// ErrBusy: the daemon runs and takes no more connections.
	ErrBusy = errors.New("the daemon is busy")
	// ErrRefused: this user may not connect.
	ErrRefused = errors.New("permission denied")
	// ErrEnded: the daemon closed the connection before it answered.
	ErrEnded = errors.New("the daemon closed the connection")
	// ErrProtocol: the daemon's answer makes no sense.
	ErrProtocol = errors.New("malformed answer")
	// ErrLost: a stream fell behind and was cut off.
	ErrLost = errors.New("events were lost")
)

// Error is a failure to talk to a daemon.
type Error struct {
	Path string // of the socket
	Kind error  // one of the errors above, or the context's
	Err  error  // what the system said; may be nil
}

// Error names the socket, the meaning and the cause.
func (e *Error) Error() string {
	s := "control socket " + e.Path + ": " + e.Kind.Error()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap makes the kind and the cause visible to errors.Is.
func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// Call is one request.
type Call struct {
	Cmd, If, Netns string
	Family         int
	// TimeoutMS goes to the daemon; what limits the caller is its context.
	TimeoutMS *int64
	Args      any
}

// Reply is the answer to a Call.
type Reply struct {
	Code   int
	Name   string
	Text   string
	Result json.RawMessage
}

// Event is one frame of a stream.
type Event struct {
	Seq   uint64
	Event string
	Time  string
	// Raw is the whole frame as it came.
	Raw json.RawMessage
}

// Client is a tool's end of the control protocol. Any goroutine may use it,
// several at once.
//
// The connection is a plain descriptor on the runtime's poller: the dialer of
// package net would bring its resolver along, 300 kB.
type Client struct {
	path string
	conn *os.File
	done chan struct{} // closed when nothing more can be read

	write sync.Mutex // one frame at a time

	mu       sync.Mutex
	id       int64
	waiting  map[int64]chan Reply
	events   chan Event // nil: events are ignored
	answered bool
	err      error
}

// Dial connects to the daemon at path. A daemon whose queue of connections is
// full is tried again until the timeout has passed.
func Dial(path string, timeout time.Duration) (*Client, error) {
	const again = 10 * time.Millisecond
	for deadline := time.Now().Add(timeout); ; time.Sleep(again) {
		fd, err := connect(path)
		if err == nil {
			c := &Client{
				path: path, conn: os.NewFile(uintptr(fd), path), done: make(chan struct{}),
				waiting: make(map[int64]chan Reply),
			}
			go c.receive()
			return c, nil
		}
		if !errors.Is(err, unix.EAGAIN) || time.Until(deadline) < again {
			return nil, &Error{path, dialKind(err), err}
		}
	}
}

// connect makes a connected socket that does not block. On a Unix socket
// connect(2) never says EINPROGRESS: it is done at once, or says EAGAIN when
// the listener's queue is full.
func connect(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	for {
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// dialKind says what an error of connect means.
func dialKind(err error) error {
	switch {
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return ErrRefused
	case errors.Is(err, unix.EAGAIN):
		return ErrBusy
	}
	return ErrDown
}

// Close ends the connection. Calls that wait for an answer fail.
func (c *Client) Close() error {
	err := c.conn.Close()
	<-c.done
	return err
}

// Call sends a request and waits for its answer. Many may wait at once. An
// answer with a code other than 0 is not an error here.
func (c *Client) Call(ctx context.Context, call Call) (Reply, error) {
	id, ch, err := c.send(ctx, call)
	if err != nil {
		return Reply{}, err
	}
	return c.await(ctx, id, ch)
}

func (c *Client) await(ctx context.Context, id int64, ch chan Reply) (Reply, error) {
	select {
	case r := <-ch:
		return r, nil
	case <-ctx.Done():
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
		return Reply{}, &Error{c.path, ctx.Err(), nil}
	case <-c.done:
		select {
		case r := <-ch: // it came just before the end
			return r, nil
		default:
			return Reply{}, c.ended()
		}
	}
}

// send registers and writes a request.
func (c *Client) send(ctx context.Context, call Call) (int64, chan Reply, error) {
	ch := make(chan Reply, 1)
	c.mu.Lock()
	c.id++
	id := c.id
	c.waiting[id] = ch
	c.mu.Unlock()
	body, err := json.Marshal(struct {
		V         int    `json:"v"`
		ID        int64  `json:"id"`
		Cmd       string `json:"cmd"`
		Netns     string `json:"netns,omitempty"`
		If        string `json:"if,omitempty"`
		Family    int    `json:"family,omitempty"`
		TimeoutMS *int64 `json:"timeout_ms,omitempty"`
		Args      any    `json:"args,omitempty"`
	}{version, id, call.Cmd, call.Netns, call.If, call.Family, call.TimeoutMS, call.Args})
	if err == nil && len(body) > MaxRequest {
		err = errFrameLong
	}
	if err == nil {
		err = c.put(ctx, body)
	}
	if err == nil {
		return id, ch, nil
	}
	c.mu.Lock()
	delete(c.waiting, id)
	c.mu.Unlock()
	return 0, nil, err
}

// put writes one frame. A frame that went out in part leaves nothing to build
// on, so the connection ends with it.
func (c *Client) put(ctx context.Context, body []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	stop := context.AfterFunc(ctx, func() { c.conn.SetWriteDeadline(time.Unix(1, 0)) })
	n, err := c.conn.Write(appendFrame(make([]byte, 0, headLen+len(body)), body))
	if !stop() {
		defer c.conn.SetWriteDeadline(time.Time{})
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		if n > 0 {
			c.conn.Close()
		}
		return &Error{c.path, ctx.Err(), nil}
	}
	// The reader knows better: an answer may say why the daemon hung up.
	<-c.done
	return c.ended()
}

// ended explains the end of the connection.
func (c *Client) ended() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(c.err, ErrProtocol) {
		return c.err
	}
	kind := ErrEnded
	if !c.answered && !errors.Is(c.err, os.ErrClosed) {
		kind = c.probe()
	}
	cause := c.err
	var path *os.PathError
	switch {
	case errors.Is(cause, io.EOF):
		cause = nil
	case errors.As(cause, &path):
		cause = path.Err // the path is named already
	}
	return &Error{c.path, kind, cause}
}

// probe tells a daemon that turned us away at once from one that has died.
func (c *Client) probe() error {
	fd, err := connect(c.path)
	if err == nil {
		unix.Close(fd)
		return ErrBusy
	}
	return dialKind(err)
}

// answer is any frame from a daemon.
type answer struct {
	V      int             `json:"v"`
	ID     *int64          `json:"id"`
	Code   int             `json:"code"`
	Name   string          `json:"name"`
	Text   string          `json:"text"`
	Result json.RawMessage `json:"result"`
	Seq    uint64          `json:"seq"`
	Event  string          `json:"event"`
	Time   string          `json:"time"`
}

// receive is the reader's goroutine. It ends with the connection.
func (c *Client) receive() {
	r := bufio.NewReader(c.conn)
	err := c.frames(r)
	c.conn.Close()
	c.mu.Lock()
	c.err = err
	c.mu.Unlock()
	close(c.done)
}

func (c *Client) frames(r *bufio.Reader) error {
	for {
		var head [headLen]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		n := binary.LittleEndian.Uint32(head[:])
		if n == 0 || n > MaxReply {
			return c.malformed("frame of length " + strconv.FormatUint(uint64(n), 10))
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return err
		}
		var a answer
		if err := json.Unmarshal(body, &a); err != nil {
			return c.malformed(err.Error())
		}
		if err := c.dispatch(a, body); err != nil {
			return err
		}
	}
}

func (c *Client) malformed(text string) error {
	return &Error{c.path, ErrProtocol, errors.New(text)}
}

func (c *Client) dispatch(a answer, body []byte) error {
	c.mu.Lock()
	c.answered = true
	if a.Event != "" {
		events := c.events
		c.mu.Unlock()
		if events != nil {
			// Nothing else is read until the event is taken: a slow taker
			// falls behind in the daemon's eyes, and only there.
			events <- Event{a.Seq, a.Event, a.Time, body}
		}
		return nil
	}
	defer c.mu.Unlock()
	if a.ID == nil {
		// The daemon could not read what we sent, and hangs up now.
		return c.malformed(a.Name + ": " + a.Text)
	}
	if ch := c.waiting[*a.ID]; ch != nil {
		delete(c.waiting, *a.ID)
		ch <- Reply{a.Code, a.Name, a.Text, a.Result}
	}
	return nil
}
