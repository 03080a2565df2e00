package peer

import "daemonbox/core/netlab"

// Client is a way to run a foreign DHCP client.
type Client struct {
	Name string
	// Args are the program and its arguments up to the interface's name: in the
	// foreground, staying after the lease.
	Args []string
	// NoACD and ACD are the further arguments that switch duplicate address
	// detection off, and with it a random delay at the start, and on; nil where
	// the client has no such switch.
	NoACD, ACD []string
}

// Clients are the clients of Debian 12.
func Clients() []Client {
	return []Client{
		{Name: "udhcpc", Args: []string{"busybox", "udhcpc", "-f", "-s", "/etc/udhcpc/default.script", "-i"}, NoACD: []string{}, ACD: []string{"-a"}},
		{Name: "dhclient", Args: []string{"dhclient", "-4", "-d", "-lf", "/var/lib/dhcp/dhclient.leases", "-pf", "/run/dhclient.pid"}, NoACD: []string{}},
		{Name: "dhcpcd", Args: []string{"dhcpcd", "-4", "-B"}, NoACD: []string{"-A", "--nodelay"}, ACD: []string{}},
	}
}

// Command returns the whole command line for an interface.
func (c Client) Command(ifname string, extra ...string) []string {
	args := append([]string{}, c.Args...)
	if c.Name == "udhcpc" { // its -i wants the name next
		return append(append(args, ifname), extra...)
	}
	return append(append(args, extra...), ifname)
}

// Start runs the client on an interface of a host.
func (c Client) Start(h *netlab.Host, ifname string, extra ...string) (*netlab.Proc, error) {
	cmd := c.Command(ifname, extra...)
	return h.Start(cmd[0], cmd[1:]...)
}
