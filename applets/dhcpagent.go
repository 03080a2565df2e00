//go:build !no_dhcpagent

package applets

import "daemonbox/applets/dhcpagent"

func init() { add(Applet{Name: "dhcpagent", Short: "DHCP client daemon", Main: dhcpagent.Main}) }
