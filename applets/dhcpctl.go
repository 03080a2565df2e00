//go:build !no_dhcpctl

package applets

import "daemonbox/applets/dhcpagent/dhcpctl"

func init() {
	add(Applet{Name: "dhcpctl", Short: "control DHCP on interfaces", Main: dhcpctl.Main})
}
