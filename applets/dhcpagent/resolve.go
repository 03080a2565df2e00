package dhcpagent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/resolver"
	"daemonbox/core/proc"
)

// resolverTimeout is the time limit of the tools that tell the host's resolver.
const resolverTimeout = 10 * time.Second

// newResolver connects the leases with the host's resolver.
func (a *agent) newResolver() *resolver.Resolver {
	return resolver.New(resolver.Options{
		Post: a.loop.Post,
		Run:  a.runResolverTool,
		Report: func(err error) {
			if errors.Is(err, syscall.EROFS) || errors.Is(err, fs.ErrPermission) {
				a.log.Warn("name servers of leases are not used: resolv.conf cannot be written; addresses and routes are in place", "err", err)
				return
			}
			a.log.Warn("the name servers of a lease are not in use", "err", err)
		},
	})
}

// runResolverTool runs resolvectl or resolvconf.
func (a *agent) runResolverTool(argv []string, stdin string, done func(error)) {
	if err := a.startResolverTool(argv, stdin, done); err != nil {
		// Not now: the resolver does not expect its answer inside of the call.
		a.loop.Post(func() { done(err) })
	}
}

func (a *agent) startResolverTool(argv []string, stdin string, done func(error)) error {
	in, err := textFile(stdin)
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = proc.Start(a.loop, proc.Spec{
		Path:  argv[0],
		Args:  argv,
		Env:   []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"},
		Stdin: in,
	}, proc.Method{Name: "resolver", Timeout: resolverTimeout}, func(x proc.Exit) {
		if !x.Success() {
			done(fmt.Errorf("%s failed: status %d, signal %d", argv[0], x.Code, x.Signal))
			return
		}
		done(nil)
	})
	return err
}

// textFile returns a file in memory that holds text: unlike a pipe it needs
// nobody to write while the tool reads.
func textFile(text string) (*os.File, error) {
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	f := os.NewFile(uintptr(fd), "stdin")
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// resolverChanged tells the resolver what a client's lease says.
func (a *agent) resolverChanged(c *client) {
	if c.net == nil {
		a.res.Remove(c.name, 4)
		return
	}
	a.res.Set(resolver.Entry{
		Name:    c.name,
		Family:  4,
		Primary: c.primary,
		Mode:    a.conf.Local(c.name).ResolvConf,
		DNS:     c.net.DNS,
		Domain:  c.net.Domain,
		Search:  c.net.Search,
	})
}
