//go:build interop

package interop

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// idle starts an agent without operands and waits until it answers.
func (w *world) idle(args ...string) *agent {
	w.t.Helper()
	a := w.agent(args...)
	w.wait(soon, "the agent answers", func() bool { _, err := w.call("ping", "", nil); return err == nil })
	return a
}

// asNobody runs a tool as an ordinary user.
func (w *world) asNobody(args ...string) (string, int) {
	w.t.Helper()
	p, err := w.c.StartCmd(&exec.Cmd{
		Path: program, Args: append([]string{"daemonbox"}, args...),
		SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.WaitFor(later); err != nil && p.Running() {
		w.t.Fatal(err)
	}
	return p.Output(), p.ExitCode()
}

// TestUnprivileged lets an ordinary user ask, but change nothing.
func TestUnprivileged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, append(dnsmasqPool, "--dhcp-option=option:router,192.0.2.1")...)
	w.agent("-o", "ACD=off", "eth0")
	addr := w.bound("eth0").Address
	if out, status := w.asNobody("dhcpctl", "eth0", "status"); status != 0 || !strings.Contains(out, "BOUND") {
		t.Errorf("status: exit %d: %s", status, out)
	}
	if out, status := w.asNobody("dhcpctl", "eth0", "ping"); status != 0 {
		t.Errorf("ping: exit %d: %s", status, out)
	}
	if out, status := w.asNobody("dhcpinfo", "Router"); status != 0 || out != "192.0.2.1\n" {
		t.Errorf("dhcpinfo: exit %d: %s", status, out)
	}
	for _, verb := range []string{"start", "drop", "release", "extend", "inform"} {
		if out, status := w.asNobody("dhcpctl", "eth0", verb); status != 2 || !strings.Contains(out, "ermission") {
			t.Errorf("%s: exit %d: %s", verb, status, out)
		}
	}
	if st := w.bound("eth0"); st.Address != addr {
		t.Errorf("the address is %s, before %s", st.Address, addr)
	}
}

// TestWaits starts on an interface without server with different waits.
func TestWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.idle()
	w.ctl(0, "eth0", "start", "wait", "0")
	began := time.Now()
	c, err := w.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The first start goes on in the background: it is no user's any more.
	if err := send(c, request{V: 1, ID: 1, Cmd: "start", If: "eth0", TimeoutMS: ms(2000)}); err != nil {
		t.Fatal(err)
	}
	var first reply
	if err := receive(c, soon, &first); err != nil {
		t.Fatal(err)
	}
	w.ctl(0, "eth0", "drop")
	w.ctl(4, "eth0", "start", "wait", "2")
	if d := time.Since(began); d < 2*time.Second || d > 8*time.Second {
		t.Errorf("wait 2 took %v", d)
	}
	w.ctl(0, "eth0", "drop")
	if err := send(c, request{V: 1, ID: 2, Cmd: "start", If: "eth0", TimeoutMS: ms(-1)}); err != nil {
		t.Fatal(err)
	}
	w.waitState("eth0", soon, "SELECTING")
	if r, err := w.call("start", "eth0", nil); err != nil || r.Name != "PEND" {
		t.Errorf("second start during the first: %+v, %v", r, err)
	}
	// A request on the same connection is answered before the one that waits.
	if err := send(c, request{V: 1, ID: 3, Cmd: "status", If: "eth0"}); err != nil {
		t.Fatal(err)
	}
	var st reply
	if err := receive(c, soon, &st); err != nil || st.ID != 3 || st.Code != 0 {
		t.Errorf("status beside a waiting start: %+v, %v", st, err)
	}
	w.dnsmasq(w.s, dnsmasqPool...)
	var done reply
	if err := receive(c, later, &done); err != nil || done.ID != 2 || done.Name != "SUCCESS" {
		t.Errorf("the waiting start: %+v, %v", done, err)
	}
	if r, err := w.call("start", "eth0", nil); err != nil || r.Name != "RUNNING" {
		t.Errorf("start when bound: %+v, %v", r, err)
	}
}

// TestArguments checks the exit status of wrong arguments.
func TestArguments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, args := range [][]string{
		{"dhcpctl", "eth0", "frobnicate"},
		{"dhcpctl", "eth0", "start", "wait", "-1"},
		{"dhcpctl", "eth0", "start", "wait", "soon"},
		{"dhcpctl"},
		{"dhcpinfo", "NoSuchOption"},
		{"dhcpinfo"},
		{"dhcpinfo", "-n", "0", "Router"},
	} {
		if out, status := w.tool(args...); status != 3 || out == "" {
			t.Errorf("%v: exit %d, want 3: %s", args, status, out)
		}
	}
	if out, status := w.tool("dhcpagent", "-Z"); status != 1 || out == "" {
		t.Errorf("dhcpagent -Z: exit %d, want 1: %s", status, out)
	}
	// No agent runs, and these do not start one.
	for _, args := range [][]string{{"dhcpctl", "eth0", "status"}, {"dhcpinfo", "Router"}} {
		if out, status := w.tool(args...); status != 2 || out == "" {
			t.Errorf("%v without agent: exit %d: %s", args, status, out)
		}
	}
}

// TestStartLaunchesAgent has dhcpctl start the agent.
func TestStartLaunchesAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	w.ctl(0, "eth0", "start")
	inPool(t, w.bound("eth0").Address)
	w.ctl(0, "-a", "release")
	if got := w.addrs("eth0"); len(got) != 0 {
		t.Errorf("addresses %v", got)
	}
}

// TestBadFrames sends what no client should. Every such connection ends, and
// the agent goes on.
func TestBadFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dnsmasq(w.s, dnsmasqPool...)
	a := w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	frame := func(s string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(s))), s...)
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string // name in the answer; "": the connection just ends
	}{
		{"length 2^32-1", []byte{0xff, 0xff, 0xff, 0xff}, "PROTO"},
		{"length over the limit", append([]byte{1, 0, 1, 0}, make([]byte, 100)...), "PROTO"},
		{"length 0", []byte{0, 0, 0, 0}, "PROTO"},
		{"no JSON", frame("hello"), "PROTO"},
		{"no object", frame("[]"), "PROTO"},
		{"deep nesting", frame(strings.Repeat("[", 20000)), "PROTO"},
		{"no UTF-8", frame("{\"v\":1,\"id\":1,\"cmd\":\"\xff\xfe\"}"), ""},
		{"another version", frame(`{"v":2,"id":5,"cmd":"status","if":"eth0"}`), "PROTO"},
		{"no command", frame(`{"v":1,"id":5}`), "PROTO"},
		{"unknown command", frame(`{"v":1,"id":5,"cmd":"reboot"}`), "CMD_UNKNOWN"},
		{"a number as a name", frame(`{"v":1,"id":5,"cmd":"status","if":7}`), "PROTO"},
		{"args of another type", frame(`{"v":1,"id":5,"cmd":"extend","if":"eth0","args":"x"}`), "PROTO"},
		{"a tag beyond all ranges", frame(`{"v":1,"id":5,"cmd":"get-tag","if":"eth0","args":{"category":"FIELD","code":4294967295,"size":4294967295}}`), "*"},
		{"an unknown category", frame(`{"v":1,"id":5,"cmd":"get-tag","if":"eth0","args":{"category":"OTHER","code":3}}`), "*"},
		{"a path as a name", frame(`{"v":1,"id":5,"cmd":"start","if":"../../../tmp/x"}`), "*"},
	} {
		c, err := w.dial()
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if _, err := c.Write(tt.data); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var r reply
		err = receive(c, soon, &r)
		if tt.want != "" && tt.want != "*" && (err != nil || r.Name != tt.want) {
			t.Errorf("%s: answer %+v, %v; want %s", tt.name, r, err, tt.want)
		}
		if tt.want == "*" && (err != nil || r.Name == "" || r.Name == "SUCCESS" && strings.Contains(tt.name, "path")) {
			t.Errorf("%s: answer %+v, %v", tt.name, r, err)
		}
		c.Close()
	}
	if !a.Running() {
		t.Fatal("the agent has ended")
	}
	w.bound("eth0")
}

// TestSlowClients sends nothing, one octet a second, or half a message; opens
// more connections than there may be; passes descriptors; and leaves before
// the answer. The agent's work does not suffer.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.dhcpd(w.s, dhcpdPool(12, ""))
	a := w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	fds := w.fds(a)
	dial := func() net.Conn {
		c, err := w.dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	quiet, half, drip := dial(), dial(), dial()
	if _, err := half.Write([]byte{100, 0, 0, 0, '{', '"'}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var dripErr error
	wg.Go(func() { // one octet a second is cut off like the half message
		for range 8 {
			if _, dripErr = drip.Write([]byte{64}); dripErr != nil {
				return
			}
			time.Sleep(time.Second)
		}
	})
	for name, c := range map[string]net.Conn{"half a message": half, "one octet a second": drip} {
		began := time.Now()
		_ = c.SetReadDeadline(time.Now().Add(soon))
		var err error
		for err == nil { // perhaps a PROTO answer, then the end
			_, err = c.Read(make([]byte, 512))
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("%s: %v", name, err)
		}
		if d := time.Since(began); d > 6*time.Second {
			t.Errorf("%s was cut off after %v only", name, d)
		}
	}
	wg.Wait()
	if dripErr == nil {
		t.Error("the dripping client could go on")
	}
	if err := send(quiet, request{V: 1, ID: 1, Cmd: "status", If: "eth0"}); err != nil {
		t.Errorf("a quiet client cannot ask any more: %v", err)
	}
	var r reply
	if err := receive(quiet, soon, &r); err != nil || r.Name != "SUCCESS" {
		t.Errorf("a quiet client gets %+v, %v", r, err)
	}
	pass(t, dial())
	w.crowd(1000)
	for range 100 {
		c, err := w.dial()
		if err != nil {
			continue // the crowd may still be going
		}
		_ = send(c, request{V: 1, ID: 1, Cmd: "status", If: "eth0"})
		c.Close()
	}
	before := w.hookCount("EXTEND")
	w.waitHook("EXTEND", before+2, later)
	quiet.Close()
	w.wait(soon, "the agent closes its descriptors", func() bool { return w.fds(a) <= fds })
}

// pass sends a request with a descriptor attached.
func pass(t *testing.T, c net.Conn) {
	t.Helper()
	b, err := json.Marshal(request{V: 1, ID: 9, Cmd: "ping"})
	if err != nil {
		t.Fatal(err)
	}
	b = append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
	if _, _, err := c.(*net.UnixConn).WriteMsgUnix(b, unix.UnixRights(0, 1, 2), nil); err != nil {
		t.Fatal(err)
	}
	var r reply // refusing is fine, keeping the descriptors is not
	if err := receive(c, soon, &r); err != nil {
		t.Errorf("a request with descriptors: %+v, %v", r, err)
	}
}

// crowd opens n connections at once and closes them.
func (w *world) crowd(n int) {
	w.t.Helper()
	var open []net.Conn
	for range n {
		c, err := w.dial()
		if err == nil {
			open = append(open, c)
		}
	}
	// One that was let in still works, among all the others.
	ok := 0
	for _, c := range open {
		var r reply
		if send(c, request{V: 1, ID: 1, Cmd: "ping"}) == nil && receive(c, 100*time.Millisecond, &r) == nil && r.Name == "SUCCESS" {
			ok++
		}
		if ok == 10 {
			break
		}
	}
	if ok < 10 {
		w.t.Errorf("only %d of %d connections work", ok, len(open))
	}
	for _, c := range open {
		c.Close()
	}
}

// fds counts an agent's descriptors.
func (w *world) fds(a *agent) int {
	w.t.Helper()
	return countFds(w.t, a.Pid())
}

// TestOtherUsersDoNotBlock fills the connections that an ordinary user may
// have; root still gets through.
func TestOtherUsersDoNotBlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.scripted(w.s, serverAddr, peer.Simple(serverNet, netip.MustParseAddr("192.0.2.70"), 300))
	w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	// A shell keeps its connections open as the ordinary user.
	for range 12 {
		p, err := w.c.StartCmd(&exec.Cmd{
			Path: program, Args: []string{"daemonbox", "dhcpctl", "subscribe"},
			SysProcAttr: &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Kill() })
	}
	w.ctl(0, "eth0", "extend")
	w.ctl(0, "eth0", "release")
}
