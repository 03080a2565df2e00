package peer

import "daemonbox/core/netlab"

// Client is a way to run a foreign DHCP client.
type Client struct {
	Name string
	// Args are the program and its arguments up to the interface's name: in the
	// foreground, staying after the lease.
	Args []string
	// NoACD and ACD are the further arguments that switch duplicate address
	// detection off and on; nil where the client has no such switch.
	NoACD, ACD []string
}

// Clients are the clients of Debian 12.
func Clients() []Client {
	return []Client{
		{Name: "udhcpc", Args: []string{"busybox", "udhcpc", "-f", "-s", "/etc/udhcpc/default.script", "-i"}, NoACD: []string{}, ACD: []string{"-a"}},
		{Name: "dhclient", Args: []string{"dhclient", "-4", "-d", "-lf", "/var/lib/dhcp/dhclient.leases", "-pf", "/run/dhclient.pid"}, NoACD: []string{}},
		{Name: "dhcpcd", Args: []string{"dhcpcd", "-4", "-B"}, NoACD: []string{"-A"}, ACD: []string{}},
	}
}

// Start runs the client on an interface of a host.
func (c Client) Start(h *netlab.Host, ifname string, extra ...string) (*netlab.Proc, error) {
	args := append([]string{}, c.Args[1:]...)
	if c.Name == "udhcpc" { // its -i wants the name next
		args = append(append(args, ifname), extra...)
	} else {
		args = append(append(args, extra...), ifname)
	}
	return h.Start(c.Args[0], args...)
}
