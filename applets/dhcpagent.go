//go:build !no_dhcpagent

package applets

import (
	"daemonbox/applets/dhcpagent"
	"daemonbox/applets/dhcpagent/lab"
)

func init() {
	add(Applet{
		Name:    "dhcpagent",
		Short:   "DHCP client daemon",
		Main:    dhcpagent.Main,
		Lab:     lab.Lab,
		LabName: "dhcp",
	})
}
