//go:build !no_dhcpctl

package applets

import "daemonbox/applets/dhcpagent/dhcpctl"

func init() {
	add(Applet{Name: "dhcpctl", Unlisted: []string{"ifconfig"}, Short: "control DHCP on interfaces", Main: dhcpctl.Main})
}
