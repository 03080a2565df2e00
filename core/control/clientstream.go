package control

import (
	"context"
	"errors"
)

// RefusedError is an answer that refused a subscription.
type RefusedError struct{ Reply Reply }

// Error gives the daemon's text.
func (e *RefusedError) Error() string { return e.Reply.Name + ": " + e.Reply.Text }

// Stream subscribes to classes of events and calls fn for each until fn fails,
// the context ends or the daemon hangs up. It uses the connection up. A stream
// that fell behind delivers the event "lost" and ends with ErrLost.
func (c *Client) Stream(ctx context.Context, events []string, fn func(Event) error) error {
	ch := make(chan Event)
	c.mu.Lock()
	if c.events != nil {
		c.mu.Unlock()
		panic("control: second stream on one connection")
	}
	c.events = ch
	c.mu.Unlock()
	defer c.drain(ch)
	reply, err := c.Call(ctx, Call{Cmd: "subscribe", Args: events})
	if err != nil {
		return err
	}
	if reply.Code != 0 {
		return &RefusedError{reply}
	}
	return c.follow(ctx, ch, fn)
}

func (c *Client) follow(ctx context.Context, ch chan Event, fn func(Event) error) error {
	lost := false
	for {
		select {
		case e := <-ch:
			lost = lost || e.Event == "lost"
			if err := fn(e); err != nil {
				return err
			}
		case <-ctx.Done():
			return &Error{c.path, ctx.Err(), nil}
		case <-c.done:
			err := c.ended()
			if lost {
				err = &Error{c.path, ErrLost, errors.New("this reader was too slow")}
			}
			return err
		}
	}
}

// drain ends the connection and lets its reader go.
func (c *Client) drain(ch chan Event) {
	c.conn.Close()
	for {
		select {
		case <-ch:
		case <-c.done:
			return
		}
	}
}
