//go:build !no_dhcpinfo

package applets

import "daemonbox/applets/dhcpagent/dhcpinfo"

func init() {
	add(Applet{Name: "dhcpinfo", Short: "print a value that DHCP obtained", Main: dhcpinfo.Main})
}
