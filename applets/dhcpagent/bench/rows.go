package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/netlab"
)

// settle is how long a client that has its address may go on working before
// its CPU time and memory are looked at.
const settle = 150 * time.Millisecond

// execToAddress measures the plain case, and in a second run of each round CPU
// time and memory.
func (b *bench) execToAddress() error {
	vs := b.variants(false)
	times, cpu, rss := map[string]series{}, map[string]series{}, map[string]series{}
	err := withLab(func(l *netlab.Lab) error {
		var lanes []*lane
		for _, v := range vs {
			n, err := b.newLane(l, v.column)
			if err != nil {
				return err
			}
			defer n.close()
			if _, err := n.dnsmasq(); err != nil {
				return err
			}
			lanes = append(lanes, n)
		}
		for round := range b.rounds + 1 {
			for i := range vs {
				k := (i + round) % len(vs) // nobody is always the first
				t, err := lanes[k].fresh(vs[k])
				if err != nil {
					return err
				}
				c, m, err := lanes[k].cost(vs[k])
				if err != nil {
					return err
				}
				if round == 0 {
					continue // fills the page cache
				}
				b.note("%s %s cpu %s rss %d KiB", vs[k].column, format(t), format(c), m)
				times[vs[k].column] = append(times[vs[k].column], t)
				cpu[vs[k].column] = append(cpu[vs[k].column], c)
				rss[vs[k].column] = append(rss[vs[k].column], time.Duration(m))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	raw, err := b.rawExchange()
	if err != nil {
		return err
	}
	b.table.addTimes("exec to address, no duplicate detection", times, limit{ratio: 0.3},
		"a raw exchange in a running Go program takes "+format(raw.median()))
	b.table.addTimes("CPU per lease", cpu, limit{most: 5 * time.Millisecond})
	b.addMemory("resident memory, 1 interface", rss, 8)
	return nil
}

// addMemory adds a row of KiB, with a limit in MiB.
func (b *bench) addMemory(name string, rss map[string]series, most float64) {
	cells := map[string]string{}
	for c, s := range rss {
		cells[c] = fmt.Sprintf("%.1f MiB", float64(s.median())/1024)
	}
	b.table.addText(name, cells, fmt.Sprintf("≤ %.0f MiB", most), float64(rss[ours].median())/1024 <= most, "")
}

// fresh runs a client without state until it has its address, and kills it.
func (n *lane) fresh(v variant) (time.Duration, error) {
	if err := n.reset(); err != nil {
		return 0, err
	}
	p, err := n.b.start(n.c, v.args)
	if err != nil {
		return 0, err
	}
	defer p.end()
	e, err := n.rec.AwaitAddr(network, 20*time.Second)
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", v.column, err, p.Output())
	}
	time.Sleep(settle)
	return e.At.Round(0).Sub(p.at), nil
}

// cost runs a client likewise and returns the CPU time that it and the
// children it waited for have used, and its resident memory in KiB. There is no
// launcher, whose memory the kernel would take down on the client's account.
func (n *lane) cost(v variant) (cpu time.Duration, rss int, err error) {
	if err := n.reset(); err != nil {
		return 0, 0, err
	}
	p, err := n.c.Start(v.args[0], v.args[1:]...)
	if err != nil {
		return 0, 0, err
	}
	if _, err := n.rec.AwaitAddr(network, 20*time.Second); err != nil {
		return 0, 0, fmt.Errorf("%s: %w: %s", v.column, err, p.Output())
	}
	time.Sleep(settle)
	rss = residentKiB(p.Pid())
	_ = p.Kill()
	return p.State().UserTime() + p.State().SystemTime(), rss, nil
}

// residentKiB reads a process's resident memory, proc(5).
func residentKiB(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}

// resident measures a start request to an agent that runs already.
func (b *bench) resident() error {
	got := map[string]series{}
	err := withLab(func(l *netlab.Lab) error {
		n, err := b.newLane(l, "resident")
		if err != nil {
			return err
		}
		defer n.close()
		if _, err := n.dnsmasq(); err != nil {
			return err
		}
		p, err := b.start(n.c, b.agent("-o", "ACD=off"))
		if err != nil {
			return err
		}
		defer p.end()
		for round := range b.rounds + 1 {
			n.rec.Reset()
			asked, err := n.request("start")
			if err != nil {
				return fmt.Errorf("%w: %s", err, p.Output())
			}
			e, err := n.rec.AwaitAddr(network, 10*time.Second)
			if err != nil {
				return fmt.Errorf("%w: %s", err, p.Output())
			}
			if _, err := n.request("release"); err != nil {
				return err
			}
			if round > 0 {
				b.note("%s", format(e.At.Sub(asked)))
				got[ours] = append(got[ours], e.At.Sub(asked))
			}
		}
		return nil
	})
	b.table.addTimes("resident agent, request to address", got, limit{most: 3 * time.Millisecond})
	return err
}

// request gives the agent a command, waits for the answer and returns when it
// was sent.
func (n *lane) request(cmd string) (time.Time, error) {
	var c net.Conn
	err := netlab.Wait(5*time.Second, func() (bool, error) {
		err := n.c.Do(func() (err error) {
			c, err = net.Dial("unix", api.Socket)
			return err
		})
		return err == nil, nil
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("no agent answers: %w", err)
	}
	defer c.Close()
	body := fmt.Sprintf(`{"v":1,"id":1,"cmd":%q,"if":"eth0","family":4}`, cmd)
	msg := append(binary.LittleEndian.AppendUint32(nil, uint32(len(body))), body...)
	sent := time.Now()
	if _, err := c.Write(msg); err != nil {
		return sent, err
	}
	buf := make([]byte, 64<<10)
	_ = c.SetReadDeadline(time.Now().Add(15 * time.Second))
	k, err := c.Read(buf)
	if err != nil {
		return sent, err
	}
	var r struct {
		Code int
		Text string
	}
	if k < 4 || json.Unmarshal(buf[4:k], &r) != nil || r.Code != 0 {
		return sent, fmt.Errorf("%s: %s", cmd, buf[:k])
	}
	return sent, nil
}

// duplicateDetection measures the clients that look for another holder of the
// address, as they do it by themselves.
func (b *bench) duplicateDetection() error {
	one := func(n *lane, v variant, _ int) (time.Duration, error) {
		if _, err := n.dnsmasq(); err != nil {
			return 0, err
		}
		return n.fresh(v)
	}
	got, err := b.inLanes(b.variants(true), 100*time.Millisecond, one)
	if err != nil {
		return err
	}
	b.table.addTimes("exec to address, default duplicate detection", got, limit{most: 700 * time.Millisecond})
	got = map[string]series{}
	err = withLab(func(l *netlab.Lab) error {
		n, err := b.newLane(l, "optimistic")
		if err != nil {
			return err
		}
		defer n.close()
		if _, err := n.dnsmasq(); err != nil {
			return err
		}
		both := []variant{{"off", b.agent("-o", "ACD=off", "eth0")}, {ours, b.agent("-o", "ACD=optimistic", "eth0")}}
		for round := range b.rounds + 1 {
			for _, v := range both {
				t, err := n.fresh(v)
				if err != nil {
					return err
				}
				if round > 0 {
					b.note("%s %s", v.column, format(t))
					got[v.column] = append(got[v.column], t)
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	off := got["off"].median()
	delete(got, "off")
	// As without: the difference must be lost in the noise.
	b.table.addTimes("exec to address, ACD=optimistic", got, limit{most: off + off/4 + 500*time.Microsecond},
		"beside it ACD=off takes "+format(off))
	return nil
}

// size compares the programs on disk.
func (b *bench) size() error {
	cells := map[string]string{}
	var mine int64
	for column, path := range map[string]string{
		ours:       b.bin,
		"udhcpc":   filepath.Join(b.peers, "usr/bin/busybox"),
		"dhclient": filepath.Join(b.peers, "usr/sbin/dhclient"),
		"dhcpcd":   filepath.Join(b.peers, "usr/sbin/dhcpcd"),
	} {
		fi, err := os.Stat(path)
		if err != nil {
			return err
		}
		if column == ours {
			mine = fi.Size()
		}
		cells[column] = fmt.Sprintf("%.2f MiB", float64(fi.Size())/(1<<20))
	}
	b.table.addText("program, stripped", cells, "≤ 5 MiB", mine <= 5<<20, "the peers need shared libraries and scripts")
	return nil
}
