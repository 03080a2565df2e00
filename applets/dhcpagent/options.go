package dhcpagent

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daemonbox/applets/dhcpagent/api"
)

// Default places of the agent's files.
const (
	defaultStateDir = "/var/lib/dhcpagent"
	defaultConfig   = "/etc/default/dhcpagent"
	defaultHook     = "/etc/dhcp/eventhook"
)

// maxWait is the most seconds of -t: a year.
const maxWait = 365 * 24 * 3600

// options is the command line.
type options struct {
	adopt      bool
	adoptFile  string
	debug      int
	foreground bool
	verbose    bool
	v4         bool
	once       bool
	wait       time.Duration
	settings   []string // NAME=VALUE, in the form of the configuration file
	stateDir   string
	config     string
	socket     string
	hook       string
	pidFile    string
	logJSON    bool
	patterns   []string // operands
}

// managed reports whether the agent was given interfaces to manage.
func (o *options) managed() bool { return len(o.patterns) > 0 }

// bind declares the flags on cmd. The single letters are the original's and
// combine as with getopt (-fd1).
func (o *options) bind(cmd *cobra.Command) (finish func() error) {
	f := cmd.Flags()
	f.SortFlags = false
	var debug, historical string
	var seconds int
	f.BoolVarP(&o.adopt, "adopt", "a", false, "take over the lease a boot loader or initramfs obtained")
	f.StringVarP(&debug, "debug", "d", "", "debug `level`, 1 or 2")
	f.BoolVarP(&o.foreground, "foreground", "f", false, "stay in the foreground and log to standard error")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	f.StringVarP(&historical, "l", "l", "", "accepted and ignored")
	f.BoolVarP(&o.v4, "ipv4", "4", false, "operands: IPv4 (the default)")
	f.BoolVarP(&o.once, "once", "1", false, "operands: exit when all are bound and leave the leases in place")
	f.IntVarP(&seconds, "timeout", "t", 120, "operands: `seconds` to wait until all are bound")
	f.StringArrayVarP(&o.settings, "option", "o", nil, "set a parameter, `NAME=VALUE`; wins over the configuration file")
	f.StringVar(&o.config, "config", defaultConfig, "configuration `file`")
	f.StringVar(&o.stateDir, "state-dir", defaultStateDir, "`directory` of saved leases and identities")
	f.StringVar(&o.socket, "socket", api.Socket, "control socket `path`")
	f.StringVar(&o.hook, "hook", defaultHook, "event `script`")
	f.StringVar(&o.adoptFile, "adopt-file", "", "with -a: saved lease `file` to take over")
	f.StringVar(&o.pidFile, "pid-file", "", "write the process id to this `file`")
	f.BoolVar(&o.logJSON, "log-json", false, "with -f: log lines as JSON")
	_ = f.MarkHidden("l")
	return func() error {
		o.debug = debugLevel(debug)
		if seconds < 0 || seconds > maxWait {
			return fmt.Errorf("-t %d: must lie between 0 and %d", seconds, maxWait)
		}
		o.wait = time.Duration(seconds) * time.Second
		for _, s := range o.settings {
			if name, _, ok := strings.Cut(s, "="); !ok || name == "" {
				return fmt.Errorf("-o %q: must have the form NAME=VALUE", s)
			}
		}
		return o.absolute()
	}
}

// absolute makes the paths independent of the working directory, which the
// daemon leaves.
func (o *options) absolute() error {
	for _, p := range []*string{&o.config, &o.stateDir, &o.socket, &o.hook, &o.pidFile, &o.adoptFile} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return fmt.Errorf("%s: %w", *p, err)
		}
		*p = abs
	}
	return nil
}

// debugLevel reads the argument of -d: decimal, octal or hex; anything that is
// no number counts as 0, as in the original.
func debugLevel(s string) int {
	n, err := strconv.ParseInt(s, 0, 32)
	if err != nil || n < 0 {
		return 0
	}
	return int(min(n, 3))
}
