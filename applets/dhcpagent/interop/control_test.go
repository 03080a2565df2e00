//go:build interop

package interop

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"

	"daemonbox/applets/dhcpagent/api"
)

// statusResult is short for what the agent says of an interface.
type statusResult = api.StatusResult

// reply is an answer on the control socket, decoded without help of the
// agent's own codec.
type reply struct {
	V      int             `json:"v"`
	ID     int64           `json:"id"`
	Code   int             `json:"code"`
	Name   string          `json:"name"`
	Text   string          `json:"text"`
	Result json.RawMessage `json:"result"`
}

// result decodes the result of a successful request.
func (r reply) result(v any) error {
	if r.Code != 0 {
		return fmt.Errorf("%s: %s", r.Name, r.Text)
	}
	return json.Unmarshal(r.Result, v)
}

// dial connects to the agent's control socket.
func (w *world) dial() (net.Conn, error) {
	var c net.Conn
	err := w.c.Do(func() (err error) {
		c, err = net.DialTimeout("unix", api.Socket, soon)
		return err
	})
	return c, err
}

// request is a request as it goes over the socket.
type request struct {
	V         int    `json:"v"`
	ID        int64  `json:"id"`
	Cmd       string `json:"cmd"`
	If        string `json:"if"`
	Family    int    `json:"family"`
	TimeoutMS *int64 `json:"timeout_ms,omitempty"`
	Args      any    `json:"args,omitempty"`
}

// send writes one frame.
func send(c net.Conn, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = c.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...))
	return err
}

// receive reads one frame.
func receive(c net.Conn, limit time.Duration, v any) error {
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	var head [4]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err
	}
	b := make([]byte, binary.LittleEndian.Uint32(head[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// call makes one request over a connection of its own.
func (w *world) call(cmd, ifname string, timeoutMS *int64) (reply, error) {
	var r reply
	c, err := w.dial()
	if err != nil {
		return r, err
	}
	defer c.Close()
	if err := send(c, request{V: 1, ID: 7, Cmd: cmd, If: ifname, Family: 4, TimeoutMS: timeoutMS}); err != nil {
		return r, err
	}
	err = receive(c, later, &r)
	if err == nil && r.ID != 7 {
		err = fmt.Errorf("the answer has id %d", r.ID)
	}
	return r, err
}

// ms is a timeout in milliseconds.
func ms(n int64) *int64 { return &n }
