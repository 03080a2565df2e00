//go:build interop

package netlab

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair is two hosts with a cable between them.
func pair(t *testing.T, opts ...Option) (a, b *Host, c *Cable) {
	t.Helper()
	lab := T(t)
	a, b = lab.Host("a", opts...), lab.Host("b", opts...)
	c = lab.Link(a, "eth0", b, "eth0")
	for h, addr := range map[*Host]string{a: "192.0.2.1/24", b: "192.0.2.2/24"} {
		if err := h.AddAddr("eth0", netip.MustParsePrefix(addr)); err != nil {
			t.Fatal(err)
		}
	}
	return a, b, c
}

// udp opens a socket in a host.
func udp(t *testing.T, h *Host, addr string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := h.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestPacketsCross(t *testing.T) {
	t.Parallel()
	a, b, _ := pair(t)
	ca, cb := udp(t, a, "192.0.2.1:1000"), udp(t, b, "192.0.2.2:2000")
	if err := b.WaitUDP(2000, time.Second); err != nil {
		t.Error(err)
	}
	if err := b.WaitUDP(2001, 20*time.Millisecond); err == nil {
		t.Error("nobody bound port 2001, but WaitUDP says so")
	}
	if _, err := ca.WriteTo([]byte("hello"), cb.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	cb.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, from, err := cb.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "hello" || from.String() != "192.0.2.1:1000" {
		t.Fatalf("got %q from %v, %v", buf[:n], from, err)
	}
}

func TestHostIsPrivate(t *testing.T) {
	t.Parallel()
	mine, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	a, b, _ := pair(t)
	if err := a.Do(func() error { return os.WriteFile("/etc/resolv.conf", []byte("# a\n"), 0o644) }); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/run", "/var/lib", "/etc"} {
		if _, err := a.Run("touch", dir+"/netlab-was-here"); err != nil {
			t.Error(err)
		}
		for where, stat := range map[string]func(string) (string, error){
			"the machine": func(p string) (string, error) { _, err := os.Stat(p); return "", err },
			"host b":      func(p string) (string, error) { return b.Run("cat", p) },
		} {
			if _, err := stat(dir + "/netlab-was-here"); err == nil {
				t.Errorf("a file made in %s of host a is seen in %s", dir, where)
			}
		}
	}
	now, err := os.ReadFile("/etc/resolv.conf")
	if err != nil || string(now) != string(mine) {
		t.Errorf("the machine's resolv.conf changed to %q, %v", now, err)
	}
	if out, err := b.Run("cat", "/etc/resolv.conf"); err != nil || out != "" {
		t.Errorf("host b's resolv.conf is %q, %v", out, err)
	}
	if out, err := a.Run("hostname"); err != nil || out != "a\n" {
		t.Errorf("host name is %q, %v", out, err)
	}
	if out, err := a.Run("ls", "/sys/class/net"); err != nil || out != "eth0\nlo\n" {
		t.Errorf("/sys/class/net has %q, %v", out, err)
	}
}

// carrier reads an interface's carrier in a host.
func carrier(h *Host, name string) string {
	out, err := h.Run("cat", "/sys/class/net/"+name+"/carrier")
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}

func TestCutAndHeal(t *testing.T) {
	t.Parallel()
	a, _, c := pair(t)
	for _, step := range []struct {
		name string
		do   func() error
		want string
	}{
		{"linked", func() error { return nil }, "1"},
		{"cut", c.Cut, "0"},
		{"healed", c.Heal, "1"},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		err := Wait(5*time.Second, func() (bool, error) { return carrier(a, "eth0") == step.want, nil })
		if err != nil {
			t.Errorf("%s: carrier %s, want %s", step.name, carrier(a, "eth0"), step.want)
		}
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	if out, err := a.Run("ls", "/sys/class/net"); err != nil || out != "lo\n" {
		t.Errorf("after Remove there is %q, %v", out, err)
	}
}

func TestSwitchAndMute(t *testing.T) {
	t.Parallel()
	lab := T(t)
	sw := lab.Switch("sw")
	var socks []*net.UDPConn
	var cables []*Cable
	for i, name := range []string{"x", "y"} {
		h := lab.Host(name)
		cables = append(cables, lab.Link(h, "eth0", sw, "p"+name))
		addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})
		if err := h.AddAddr("eth0", netip.PrefixFrom(addr, 24)); err != nil {
			t.Fatal(err)
		}
		socks = append(socks, udp(t, h, addr.String()+":1000"))
	}
	passes := func() bool {
		buf := make([]byte, 16)
		for range 5 {
			if _, err := socks[0].WriteTo([]byte("x"), socks[1].LocalAddr()); err != nil {
				return false
			}
			socks[1].SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if n, _, err := socks[1].ReadFrom(buf); err == nil && n == 1 {
				return true
			}
		}
		return false
	}
	if !passes() {
		t.Fatal("nothing passes through the switch")
	}
	if err := cables[1].Mute(); err != nil {
		t.Fatal(err)
	}
	if passes() {
		t.Error("a muted cable lets frames through")
	}
	if err := cables[1].Unmute(); err != nil {
		t.Fatal(err)
	}
	if !passes() {
		t.Error("nothing passes after Unmute")
	}
	if err := sw.Isolate("px"); err != nil {
		t.Fatal(err)
	}
	if !passes() {
		t.Error("a single isolated port is cut off")
	}
	if err := sw.Isolate("py"); err != nil {
		t.Fatal(err)
	}
	if passes() {
		t.Error("isolated ports exchange frames")
	}
}

func TestProc(t *testing.T) {
	t.Parallel()
	h := T(t).Host("h")
	p, err := h.Start("sh", "-c", "echo out; echo err >&2; exec sleep 100")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitOutput("err\n", 5*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := p.Output(); got != "out\nerr\n" {
		t.Errorf("output %q", got)
	}
	if err := p.WaitFor(10 * time.Millisecond); err == nil || p.ExitCode() != -1 || !p.Running() {
		t.Error("it should still run")
	}
	var exit *exec.ExitError
	if err := p.Stop(5 * time.Second); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("Stop: %v, want the end by SIGTERM", err)
	}
	if out, err := h.Run("sh", "-c", "echo why; exit 3"); err == nil || out != "why\n" || !strings.Contains(err.Error(), "why") {
		t.Errorf("Run: %q, %v", out, err)
	}
	if _, err := h.Run("no-such-program"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("an unknown program: %v", err)
	}
	p, err = h.Start("true")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitOutput("never", 5*time.Second); err == nil || !strings.Contains(err.Error(), "ended") {
		t.Errorf("WaitOutput of an ended process: %v", err)
	}
}

// TestNothingIsLeft takes down a lab with a daemon in the background and an
// interface whose other end is in another lab: the daemon must be gone at
// once, and the interface goes when the kernel destroys the namespace.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	witness := T(t).Host("witness")
	lab, err := New()
	if err != nil {
		t.Fatal(err)
	}
	h, err := lab.Host("h")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Link(h, "eth0", witness, "eth0"); err != nil {
		t.Fatal(err)
	}
	out, err := h.Run("sh", "-c", "setsid sleep 1000 & echo $!")
	if err != nil {
		t.Fatal(err)
	}
	stays, err := h.Start("sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000")
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(out)
	if _, err := os.Stat("/proc/" + pid); err != nil {
		t.Fatal(err)
	}
	if err := lab.Close(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(b), ") Z ") {
		t.Errorf("the daemon still runs: %s", b)
	}
	if stays.Running() {
		t.Error("a started process still runs")
	}
	if err := syscall.Kill(-stays.Pid(), 0); err == nil {
		// Members may be zombies for a moment, until init has reaped them.
		if err := Wait(5*time.Second, func() (bool, error) {
			return errors.Is(syscall.Kill(-stays.Pid(), 0), unix.ESRCH), nil
		}); err != nil {
			t.Errorf("its process group has members left: %v", err)
		}
	}
	err = Wait(10*time.Second, func() (bool, error) {
		out, err := witness.Run("ls", "/sys/class/net")
		return out == "lo\n", err
	})
	if err != nil {
		t.Errorf("the cable into the closed lab is still there: %v", err)
	}
	if err := h.Do(func() error { return nil }); !errors.Is(err, errHostGone) {
		t.Errorf("Do on a closed lab: %v", err)
	}
	if _, err := lab.Host("late"); err == nil {
		t.Error("a closed lab takes new hosts")
	}
}
