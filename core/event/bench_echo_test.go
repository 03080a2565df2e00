package event

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkEcho answers messages on unix sockets, one at a time on a single
// socket and a single processor, or 1000 in one go. The client is a C program
// in all cases.
func BenchmarkEcho(b *testing.B) {
	prog := compile(b)
	for _, mode := range []Mode{Direct, Parked} {
		for _, sockets := range []int{1, 1000} {
			b.Run(fmt.Sprintf("%v/sockets=%d", mode, sockets), func(b *testing.B) {
				benchEcho(b, prog, mode, sockets)
			})
		}
	}
}

// benchEcho counts messages, so b.N of them go over all sockets together.
func benchEcho(b *testing.B, prog string, mode Mode, sockets int) {
	run := func(c *echoClient) func(n int) sample {
		return func(n int) sample {
			var took time.Duration
			s := clocked(func() { took = c.run(b, (n+sockets-1)/sockets) })
			s.wall = took // by the client's clock
			return s
		}
	}
	if sockets == 1 {
		pin(b)
	}
	inC := newEcho(b, prog, "client", sockets)
	startEcho(b, prog, "server", inC.servers, nil, nil)
	s := compete(b, []contender{
		{"loop", run(serveOnLoop(b, newEcho(b, prog, "client", sockets), mode, true))},
		{"C", run(inC)},
		{"goroutine", run(serveOnGoroutines(b, newEcho(b, prog, "client", sockets), true))},
	})
	b.ReportMetric(ratio(s[1], s[0], wall), "rate-x/C")
	b.ReportMetric(ratio(s[2], s[0], wall), "rate-x/goroutine")
	b.ReportMetric(ratio(s[0], s[2], cpu), "cpu-x/goroutine")
}

func serveOnLoop(b *testing.B, c *echoClient, mode Mode, reply bool) *echoClient {
	startLoop(b, mode, func(l *Loop) {
		buf := make([]byte, 4096)
		for _, f := range c.servers {
			fd := int(f.Fd())
			if err := unix.SetNonblock(fd, true); err != nil {
				b.Fatal(err)
			}
			var s *Source
			s = add(b, l, "echo", fd, Read, func(Ready) {
				n, err := unix.Read(fd, buf)
				if n > 0 && reply {
					_, err = unix.Write(fd, buf[:n])
				}
				if n == 0 || err != nil && err != unix.EAGAIN {
					s.Remove()
				}
			})
		}
	})
	return c
}

func serveOnGoroutines(b *testing.B, c *echoClient, reply bool) *echoClient {
	for _, f := range c.servers {
		conn, err := net.FileConn(f)
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 4096)
			for {
				n, err := conn.Read(buf)
				if err != nil {
					return
				}
				if !reply {
					continue
				}
				if _, err := conn.Write(buf[:n]); err != nil {
					return
				}
			}
		}()
	}
	return c
}

// pin keeps this process and those that it starts on one processor until the
// benchmark ends. With a single message under way there is nothing to do at
// the same time, and where the kernel happens to wake each side would decide
// more than what the contenders do.
func pin(b *testing.B) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		b.Fatal(err)
	}
	var one unix.CPUSet
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	setAll := func(set *unix.CPUSet) {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			b.Fatal(err)
		}
		for _, t := range threads { // later ones take after those
			if tid, err := strconv.Atoi(t.Name()); err == nil {
				_ = unix.SchedSetaffinity(tid, set) // it may have ended
			}
		}
	}
	setAll(&one)
	b.Cleanup(func() { setAll(&all) })
}

// echoClient is a running client and the far ends of its sockets.
type echoClient struct {
	servers []*os.File
	in      io.Writer
	out     *bufio.Reader
}

// run has the client do that many rounds over all its sockets.
func (c *echoClient) run(b *testing.B, rounds int) time.Duration {
	fmt.Fprintln(c.in, rounds)
	line, err := c.out.ReadString('\n')
	if err != nil {
		b.Fatal("client: ", err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		b.Fatal("client: ", err)
	}
	return time.Duration(ns)
}

// compile builds the C program.
func compile(b *testing.B) string {
	cc, err := exec.LookPath("cc")
	if err != nil {
		if cc, err = exec.LookPath("gcc"); err != nil {
			b.Fatal("this benchmark compares with a C program and needs a C compiler (cc or gcc)")
		}
	}
	prog := filepath.Join(b.TempDir(), "echo")
	if out, err := exec.Command(cc, "-O2", "-o", prog, "testdata/echo.c").CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", cc, err, out)
	}
	return prog
}

func newEcho(b *testing.B, prog, role string, sockets int) *echoClient {
	c := &echoClient{}
	var mine []*os.File
	for range sockets {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		mine = append(mine, os.NewFile(uintptr(fds[0]), "client"))
		c.servers = append(c.servers, os.NewFile(uintptr(fds[1]), "server"))
	}
	b.Cleanup(func() {
		for _, f := range c.servers {
			f.Close()
		}
	})
	inR, inW, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	startEcho(b, prog, role, mine, inR, outW)
	for _, f := range append(mine, inR, outW) {
		f.Close()
	}
	b.Cleanup(func() {
		inW.Close()
		outR.Close()
	})
	c.in, c.out = inW, bufio.NewReader(outR)
	return c
}

// startEcho starts the C program in one of its roles; it ends when its input
// does.
func startEcho(b *testing.B, prog, role string, files []*os.File, stdin, stdout *os.File) {
	cmd := exec.Command(prog, role, strconv.Itoa(len(files)))
	cmd.ExtraFiles = files
	cmd.Stderr = os.Stderr
	if stdin != nil {
		cmd.Stdin, cmd.Stdout = stdin, stdout
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { // runs before those that were registered earlier
		go func() {
			time.Sleep(time.Second)
			_ = cmd.Process.Kill()
		}()
		_ = cmd.Wait()
	})
}
