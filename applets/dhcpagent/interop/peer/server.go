// Package peer runs foreign DHCP servers and clients in the hosts of a lab.
// The hosts must have been made with Overlay. Its functions may be called from
// any goroutine.
package peer

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"daemonbox/core/netlab"
)

// startLimit bounds how long a server may take until it is bound to its port.
// Even on a busy machine Kea needs a tenth of this.
const startLimit = 20 * time.Second

// serverPort is the port of DHCPv4 servers, RFC 2131 section 4.1.
const serverPort = 67

// Server is a running DHCP server.
type Server struct {
	*netlab.Proc
	host   *netlab.Host
	leases string
}

// Leases returns the server's file of leases as it is.
func (s *Server) Leases() (string, error) {
	var b []byte
	err := s.host.Do(func() (err error) {
		b, err = os.ReadFile(s.leases)
		return err
	})
	return string(b), err
}

// Dnsmasq starts dnsmasq without DNS and without its ping check, which would
// delay each offer by up to three seconds. The arguments name the interfaces
// and ranges.
func Dnsmasq(h *netlab.Host, args ...string) (*Server, error) {
	leases := "/var/lib/misc/dnsmasq.leases"
	base := []string{
		"--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--no-ping", "--no-hosts", "--no-resolv",
		// The user it would change to may not exist in a lab.
		"--user=root", "--group=root",
		"--log-dhcp", "--log-facility=-", "--pid-file=", "--dhcp-leasefile=" + leases,
	}
	p, err := h.Start("dnsmasq", append(base, args...)...)
	if err != nil {
		return nil, err
	}
	return ready(&Server{p, h, leases})
}

// Dhcpd starts the ISC server with the text of its configuration.
func Dhcpd(h *netlab.Host, config string, ifs ...string) (*Server, error) {
	conf, leases := "/etc/dhcp/dhcpd.conf", "/var/lib/dhcp/dhcpd.leases"
	if err := write(h, conf, config); err != nil {
		return nil, err
	}
	err := h.Do(func() error {
		f, err := os.OpenFile(leases, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	})
	if err != nil {
		return nil, err
	}
	args := append([]string{"-4", "-f", "-d", "-cf", conf, "-lf", leases, "-pf", "/run/dhcpd.pid"}, ifs...)
	p, err := h.Start("dhcpd", args...)
	if err != nil {
		return nil, err
	}
	return ready(&Server{p, h, leases})
}

// Kea starts the Kea DHCPv4 server with the members of its "Dhcp4" object.
// Lease file, log and control are set here.
func Kea(h *netlab.Host, members string) (*Server, error) {
	conf, leases := "/var/lib/kea/kea-dhcp4.conf", "/var/lib/kea/leases.csv"
	text := fmt.Sprintf(`{"Dhcp4": {
"lease-database": {"type": "memfile", "persist": true, "name": %q, "lfc-interval": 0},
"loggers": [{"name": "kea-dhcp4", "severity": "DEBUG", "debuglevel": 55, "output_options": [{"output": "stdout", "flush": true}]}],
%s
}}`, leases, members)
	if err := write(h, conf, text); err != nil {
		return nil, err
	}
	p, err := h.StartCmd(&exec.Cmd{
		Path: "kea-dhcp4",
		Args: []string{"kea-dhcp4", "-c", conf},
		Env:  []string{"PATH=/usr/sbin:/usr/bin", "KEA_PIDFILE_DIR=/run/kea", "KEA_LOCKFILE_DIR=/run/kea"},
	})
	if err != nil {
		return nil, err
	}
	return ready(&Server{p, h, leases})
}

// ready waits until the server is bound to its port.
func ready(s *Server) (*Server, error) {
	err := netlab.Wait(startLimit, func() (bool, error) {
		if !s.Running() {
			return false, fmt.Errorf("the server ended")
		}
		return s.host.WaitUDP(serverPort, 0) == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("start a server in %s: %w: %s", s.host.Name(), err, strings.TrimSpace(s.Output()))
	}
	return s, nil
}

// write makes a file inside a host.
func write(h *netlab.Host, path, text string) error {
	return h.Do(func() error { return os.WriteFile(path, []byte(text), 0o644) })
}
