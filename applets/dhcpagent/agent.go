package dhcpagent

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/applets/dhcpagent/config"
	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/hook"
	"daemonbox/applets/dhcpagent/ident"
	"daemonbox/applets/dhcpagent/resolver"
	"daemonbox/core/applet"
	"daemonbox/core/control"
	"daemonbox/core/event"
	"daemonbox/core/proc"
	"daemonbox/core/rtnl"
	"daemonbox/core/timer"
)

// inactivity is how long an agent that manages nothing lives.
const inactivity = 180 * time.Second

// receiveBuffer holds the largest IPv4 packet.
const receiveBuffer = 64 << 10

// stopReason says why the agent ended.
type stopReason int

const (
	stopInactivity stopReason = iota
	stopQuit
	stopTerminate
	stopInterrupt
	stopBound  // -1: everything is bound
	stopLate   // -1: not everything is bound in time
	stopBroken // the loop failed
)

// agent is the whole of one running dhcpagent. The loop's goroutine owns it.
type agent struct {
	env  applet.Env
	opt  *options
	log  *slog.Logger
	loop *event.Loop
	rnd  *rand.Rand
	conf *config.Config

	conn    *rtnl.Conn
	watcher *rtnl.Watcher
	udp     *udpSocket
	server  *control.Server
	hooks   *hook.Runner
	leases  *leaseStore
	res     *resolver.Resolver
	ids     *ident.Store
	level   *slog.LevelVar
	runDir  string

	pifs    map[int]*pif
	clients map[string]*client
	primary string
	pacer   pacing
	// links that came back lately, see returning
	returnSince timer.Time
	returnCount int
	hw          map[int][]byte // hardware addresses of the host's interfaces

	lastClient int
	requests   map[uint64]*pendingRequest
	lastReq    uint64
	streams    []*stream

	goal *goal // the interfaces of the operands
	// considered are the links, by index, that operands or AUTOSTART have been
	// applied to, with the name they had: what a user then drops stays dropped.
	considered map[int]string
	unfit      map[int]string // links that operands mean and DHCP cannot run on, said once
	answering  int            // answers that wait for the disk
	keepsMarks bool           // the kernel was seen to keep the mark of addresses
	idle       *timer.Timer
	stopping   bool
	reason     stopReason

	rxBuf    []byte
	rxMsg    dhcp4.Message
	frameBuf []byte
	began    time.Time
	ready    *proc.Ready // tells the starting process the verdict; nil in the foreground
	told     bool
	unpid    func()

	saving        bool // a write of the identities is under way
	retryIdentity *timer.Timer
}

// newAgent opens what the first DISCOVER needs. The rest, openRest, follows
// while the first answer is on its way.
func newAgent(env applet.Env, opt *options) (*agent, error) {
	a := &agent{
		env: env, opt: opt, level: new(slog.LevelVar),
		pifs: make(map[int]*pif), clients: make(map[string]*client),
		requests:   make(map[uint64]*pendingRequest),
		considered: make(map[int]string),
		unfit:      make(map[int]string),
		rxBuf:      make([]byte, receiveBuffer),
		runDir:     filepath.Dir(opt.socket),
		began:      time.Now(),
	}
	a.level.Set(logLevel(opt.debug, opt.verbose))
	a.log = newLogger(env, opt, a.level)
	var err error
	if a.loop, err = event.New(event.Parked); err != nil {
		return nil, fmt.Errorf("start the event loop: %w", err)
	}
	a.loop.SetLogger(a.log)
	a.idle = a.loop.Timer("inactivity", func() { a.stop(stopInactivity) })
	a.rnd = newRand()
	a.leases = newLeaseStore(opt.stateDir, a.log, a.loop.Now)
	if a.conn, err = rtnl.Dial(); err != nil {
		return nil, fmt.Errorf("open a route netlink socket: %w", err)
	}
	if err := a.openConfig(); err != nil {
		return nil, err
	}
	a.applyLogLevel()
	a.hooks = hook.NewRunner(a.loop, a.log, opt.hook)
	a.hooks.Idle = a.finish
	if f, ok := env.Stderr.(*os.File); ok && opt.foreground && opt.debug > 0 {
		a.hooks.Stderr = f // scripts complain where somebody reads it
	}
	a.res = a.newResolver()
	return a, nil
}

// newRand seeds a generator without ever waiting for entropy: the global
// source is seeded by the kernel at exec (AT_RANDOM), and where that was weak
// at boot, the process id and the clocks still tell two hosts apart. Nothing
// here is a secret; transaction ids only have to differ.
func newRand() *rand.Rand {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts)
	return rand.New(rand.NewPCG(rand.Uint64()^uint64(ts.Nano()), rand.Uint64()^uint64(os.Getpid())<<32^uint64(time.Now().UnixNano())))
}

// openControl opens the control socket, which also keeps a second agent out.
func (a *agent) openControl() error {
	if err := os.MkdirAll(a.runDir, 0o755); err != nil {
		return fmt.Errorf("make the directory of the control socket: %w", err)
	}
	var err error
	a.server, err = control.Listen(a.loop, control.ServerOptions{
		Path:      a.opt.socket,
		Handler:   a.handle,
		Group:     a.controlGroup(),
		Logger:    a.log,
		ProtoCode: int(api.Proto),
	})
	if errors.Is(err, control.ErrInUse) {
		return fmt.Errorf("another agent serves %s; give it the interfaces with `dhcpctl IF start`", a.opt.socket)
	}
	return err
}

// openEvents starts watching the kernel's interfaces and addresses. It must
// come before the first look at them, so that no change falls between.
func (a *agent) openEvents() error {
	var err error
	if a.watcher, err = rtnl.Watch(rtnl.GroupLink, rtnl.GroupAddr4, rtnl.GroupAddr6); err != nil {
		return fmt.Errorf("watch the kernel's interfaces: %w", err)
	}
	_, err = a.loop.Add("rtnetlink", a.watcher.Fd(), event.Read, func(event.Ready) { a.readEvents() })
	return err
}

// handleSignals gives signals their meaning.
func (a *agent) handleSignals() {
	a.loop.Signal(func(s os.Signal) {
		switch s {
		case unix.SIGTERM:
			a.stop(stopTerminate)
		case unix.SIGQUIT:
			a.stop(stopQuit)
		case unix.SIGINT:
			if a.opt.foreground {
				a.stop(stopInterrupt)
			}
		case unix.SIGUSR2:
			a.log.Info("told to look at all links anew")
			a.resumeAll()
		}
	}, unix.SIGTERM, unix.SIGQUIT, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGPIPE)
	a.loop.OnResume(func(asleep time.Duration) {
		a.log.Info("the host slept; asking servers about all leases", "took", asleep)
		a.resumeAll()
	})
	a.loop.OnClockStep(func() {
		a.log.Info("the wall clock was set; leases go on unchanged")
		for _, c := range a.clients {
			a.leases.save(c.name, c.m.Saved())
		}
	})
}

// resumeAll tells every machine that the host slept.
func (a *agent) resumeAll() {
	for _, c := range a.sorted() {
		c.step(func(now timer.Time, out *dhcp4.Effects) { c.m.Resume(now, out) })
	}
}

// sorted returns the clients by name: what is done to all of them happens in
// an order that does not change from run to run.
func (a *agent) sorted() []*client {
	names := slices.Sorted(maps.Keys(a.clients))
	cs := make([]*client, len(names))
	for i, n := range names {
		cs[i] = a.clients[n]
	}
	return cs
}

// clientChanged is called after a step that changed what status shows.
func (a *agent) clientChanged(c *client) {
	a.publish(c)
	if a.goal != nil {
		a.goal.check()
	}
}

// clientGone is called when a client was forgotten.
func (a *agent) clientGone(c *client) {
	a.ownAddress(c)
	a.publishGone(c.name)
	switch {
	case a.stopping:
		a.finish()
	default:
		a.idleSoon()
		a.reconsider(c)
	}
}

// idleSoon starts the wait for the end of an agent that has nothing to do.
// Process 1 must not end by itself.
func (a *agent) idleSoon() {
	if len(a.clients) == 0 && a.goal == nil && os.Getpid() != 1 {
		a.idle.Set(a.loop.Now().Add(inactivity))
	}
}

// localHW reports whether a hardware address is one of this host's: our own
// ARP packets may come back through a bridge or a second cable.
func (a *agent) localHW(hw []byte) bool {
	if a.hw == nil {
		a.readLocalHW()
	}
	for _, x := range a.hw {
		if string(x) == string(hw) {
			return true
		}
	}
	return false
}

func (a *agent) readLocalHW() {
	links, err := a.conn.Links()
	if err != nil {
		a.log.Warn("cannot list the interfaces", "err", err)
	}
	a.hw = make(map[int][]byte, len(links))
	for _, l := range links {
		a.hw[l.Index] = l.HW
	}
}
