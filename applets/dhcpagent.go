//go:build !no_dhcpagent

package applets

import (
	"daemonbox/applets/dhcpagent"
	dhcplab "daemonbox/applets/dhcpagent/lab"
)

func init() {
	add(Applet{Name: "dhcpagent", Short: "DHCP client daemon", Main: dhcpagent.Main, Lab: dhcplab.Lab, LabName: "dhcp"})
}
