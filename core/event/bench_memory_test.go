package event

import (
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkMemory is what one idle descriptor takes in this process, stacks
// included, beside a goroutine that waits in Read with a small buffer.
func BenchmarkMemory(b *testing.B) {
	const n = 4000
	fds := make([]int, n)
	for i := range fds {
		fds[i], _ = pair(b)
	}
	inUse := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	var ours, theirs uint64
	for range b.N {
		l, err := New(Parked)
		if err != nil {
			b.Fatal(err)
		}
		before := inUse()
		buf := make([]byte, 64) // one for all: nobody keeps it beyond a callback
		for _, fd := range fds {
			add(b, l, "idle", fd, Read, func(Ready) { _, _ = unix.Read(fd, buf) })
		}
		ours += inUse() - before
		l.Close()

		before = inUse()
		conns := make([]net.Conn, n)
		exit := make(chan struct{}, n)
		for i, fd := range fds {
			conns[i] = idleGoroutine(b, fd, exit)
		}
		time.Sleep(10 * time.Millisecond) // until they wait
		theirs += inUse() - before
		for _, c := range conns {
			c.Close()
			<-exit
		}
	}
	b.ReportMetric(0, "ns/op") // says nothing
	b.ReportMetric(float64(ours)/float64(b.N*n), "B/fd")
	b.ReportMetric(float64(theirs)/float64(b.N*n), "B/goroutine")
	b.ReportMetric(float64(ours)/float64(theirs), "x/goroutine")
}

func idleGoroutine(b *testing.B, fd int, exit chan<- struct{}) net.Conn {
	fd, err := unix.Dup(fd)
	if err != nil {
		b.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "idle")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		defer func() { exit <- struct{}{} }()
		buf := make([]byte, 64)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
		}
	}()
	return conn
}
