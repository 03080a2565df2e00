package hook

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"daemonbox/applets/dhcpagent/dhcp4"
)

// Values are what the script is told. Absent ones are left out.
type Values struct {
	Interface string
	Event     string
	Family    int
	State     string
	Net       *dhcp4.NetConfig
	// Message is the newest acknowledgement.
	Message *dhcp4.Message
	// OldAddress is the address of a lease that this one has taken the place of.
	OldAddress netip.Addr
}

// inherited are the only variables of the agent's own environment the script
// gets.
var inherited = [...]string{"PATH", "LANG", "HOME", "TZ"}

// defaultPath serves where the agent has no PATH, as process 1.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// infinite is the number of seconds that stands for a lease without an end
// (RFC 2131 §3.3).
const infinite = 0xffffffff

// textOptions are the options of text and the variables they go to, if their
// values are harmless. Names never come from the network.
var textOptions = [...]struct {
	code uint8
	name string
}{
	{14, "DHCP_MERIT_DUMP"},
	{17, "DHCP_ROOT_PATH"},
	{40, "DHCP_NIS_DOMAIN"},
	{47, "DHCP_NETBIOS_SCOPE"},
	{56, "DHCP_MESSAGE"},
	{66, "DHCP_TFTP_SERVER"},
	{67, "DHCP_BOOT_FILE"},
	{100, "DHCP_TZ_POSIX"},
	{101, "DHCP_TZ_NAME"},
	{114, "DHCP_CAPTIVE_PORTAL"},
}

const (
	optHostname = 12
	optLease    = 51
	optT1       = 58
	optT2       = 59
	lastOption  = 254
	// maxOption bounds the value of one option in the environment: the kernel
	// refuses strings over 128 KiB, and no sane option comes near this.
	maxOption = 4096
)

// Env returns the environment of a script. What came from the network appears
// as addresses we wrote ourselves, as text that passed its validator, and as
// hexadecimal digits in DHCP_OPT_<code>; nothing else does.
func Env(getenv func(string) string, v *Values) []string {
	e := make(environment, 0, 32)
	for _, name := range inherited {
		if s := getenv(name); s != "" {
			e = append(e, name+"="+s) // the administrator's, not the network's
		} else if name == "PATH" {
			e = append(e, "PATH="+defaultPath)
		}
	}
	e.add("DHCP_INTERFACE", v.Interface)
	e.add("DHCP_EVENT", v.Event)
	e.add("DHCP_FAMILY", strconv.Itoa(v.Family))
	e.add("DHCP_STATE", v.State)
	e.addr("DHCP_OLD_ADDRESS", v.OldAddress)
	if v.Net != nil {
		e.net(v.Net)
	}
	if v.Message != nil {
		e.times(v.Message)
		e.options(v.Message)
	}
	return e
}

type environment []string

// add appends a variable unless its value is empty or could mean something to
// a shell.
func (e *environment) add(name, value string) {
	if value != "" && dhcp4.ValidText(value) {
		*e = append(*e, name+"="+value)
	}
}

func (e *environment) addr(name string, a netip.Addr) {
	if a.IsValid() {
		e.add(name, a.String())
	}
}

func (e *environment) addrs(name string, list []netip.Addr) {
	var s []string
	for _, a := range list {
		if a.IsValid() {
			s = append(s, a.String())
		}
	}
	e.add(name, strings.Join(s, " "))
}

func (e *environment) hosts(name string, list ...string) {
	list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !dhcp4.ValidHost(s) })
	e.add(name, strings.Join(list, " "))
}

// times adds the times of a lease in seconds, as the server gave them and not
// what is left of them: scripts compute with the moment they run.
func (e *environment) times(m *dhcp4.Message) {
	lease, ok := m.Uint32(optLease)
	switch {
	case ok:
	case m.Type == 0:
		lease = infinite // BOOTP
	default:
		return // the answer to an INFORM
	}
	e.number("DHCP_LEASE", lease)
	if lease == infinite {
		return
	}
	// RFC 2131 §4.4.5: half of the lease and seven eighths of it, unless the
	// server says otherwise.
	t1, ok := m.Uint32(optT1)
	if !ok {
		t1 = lease / 2
	}
	t2, ok := m.Uint32(optT2)
	if !ok {
		t2 = uint32(uint64(lease) * 7 / 8)
	}
	e.number("DHCP_T1", t1)
	e.number("DHCP_T2", t2)
}

func (e *environment) number(name string, n uint32) {
	e.add(name, strconv.FormatUint(uint64(n), 10))
}

func (e *environment) net(n *dhcp4.NetConfig) {
	if n.Addr.IsValid() {
		e.addr("DHCP_ADDRESS", n.Addr.Addr())
		e.add("DHCP_PREFIXLEN", strconv.Itoa(n.Addr.Bits()))
	}
	e.addr("DHCP_BROADCAST", n.Broadcast)
	e.addr("DHCP_SERVER", n.Server)
	var routers []netip.Addr
	for _, r := range n.Routes {
		if r.Dst.Bits() == 0 && r.Gateway.IsValid() {
			routers = append(routers, r.Gateway)
		}
	}
	e.addrs("DHCP_ROUTERS", routers)
	e.addrs("DHCP_DNS", n.DNS)
	e.hosts("DHCP_DOMAIN", n.Domain)
	e.hosts("DHCP_SEARCH", n.Search...)
	e.addrs("DHCP_NTP", n.NTP)
	if n.MTU > 0 {
		e.add("DHCP_MTU", strconv.Itoa(n.MTU))
	}
}

func (e *environment) options(m *dhcp4.Message) {
	if b, ok := m.Option(optHostname); ok {
		e.hosts("DHCP_HOSTNAME", text(b))
	}
	for _, o := range textOptions {
		if b, ok := m.Option(o.code); ok {
			e.add(o.name, text(b))
		}
	}
	for code := 1; code <= lastOption; code++ {
		b, ok := m.Option(uint8(code))
		if !ok || len(b) > maxOption {
			continue
		}
		*e = append(*e, "DHCP_OPT_"+strconv.Itoa(code)+"="+hex.EncodeToString(b))
	}
}

// text takes the zero octets off that some servers end text with (RFC 2132 §2).
func text(b []byte) string { return strings.TrimRight(string(b), "\x00") }
