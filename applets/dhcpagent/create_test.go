package dhcpagent

import (
	"testing"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/rtnl"
)

func TestFit(t *testing.T) {
	mac := []byte{2, 0, 0, 0, 0, 1}
	for _, tc := range []struct {
		name          string
		l             rtnl.Link
		start, inform api.Code
	}{
		{"Ethernet", rtnl.Link{MTU: 1500, Type: unix.ARPHRD_ETHER, HW: mac}, api.Success, api.Success},
		{"loopback", rtnl.Link{MTU: 65536, Flags: unix.IFF_LOOPBACK, HW: make([]byte, 6)}, api.InvIf, api.InvIf},
		{"smallest MTU", rtnl.Link{MTU: 576, HW: mac}, api.Success, api.Success},
		{"MTU too small", rtnl.Link{MTU: 575, HW: mac}, api.InvIf, api.InvIf},
		{"bridge port", rtnl.Link{MTU: 1500, HW: mac, Master: 4, PortKind: "bridge"}, api.InvIf, api.InvIf},
		{"port of Open vSwitch", rtnl.Link{MTU: 1500, HW: mac, Master: 4, PortKind: "openvswitch"}, api.InvIf, api.InvIf},
		{"below a failover device", rtnl.Link{MTU: 1500, HW: mac, Master: 4}, api.InvIf, api.InvIf},
		{"in a VRF", rtnl.Link{MTU: 1500, HW: mac, Master: 4, PortKind: "vrf"}, api.Success, api.Success},
		{"WireGuard", rtnl.Link{MTU: 1420, Type: unix.ARPHRD_NONE}, api.InvIf, api.Success},
		{"tunnel, whose address is its end's", rtnl.Link{MTU: 1480, Type: unix.ARPHRD_TUNNEL, HW: []byte{192, 0, 2, 1}}, api.InvIf, api.Success},
		{"address of zeros", rtnl.Link{MTU: 1500, Type: unix.ARPHRD_ETHER, HW: make([]byte, 6)}, api.InvIf, api.Success},
	} {
		if got := fit(&tc.l, api.Start); got != tc.start {
			t.Errorf("%s: START %s, want %s", tc.name, got.Name(), tc.start.Name())
		}
		if got := fit(&tc.l, api.Inform); got != tc.inform {
			t.Errorf("%s: INFORM %s, want %s", tc.name, got.Name(), tc.inform.Name())
		}
	}
}

// An address is somebody else's when it lost its end or, where the kernel keeps
// marks, its mark.
func TestTakenOver(t *testing.T) {
	const forever = ^uint32(0)
	for _, tc := range []struct {
		name       string
		valid      uint32
		keepsMarks bool
		ad         rtnl.Addr
		want       bool
	}{
		{"ours", 3600, true, rtnl.Addr{Proto: protoDHCP}, false},
		{"made permanent", 3600, false, rtnl.Addr{Flags: unix.IFA_F_PERMANENT, Proto: protoDHCP}, true},
		{"infinite lease", forever, true, rtnl.Addr{Flags: unix.IFA_F_PERMANENT, Proto: protoDHCP}, false},
		{"mark lost", forever, true, rtnl.Addr{Flags: unix.IFA_F_PERMANENT}, true},
		{"kernel without marks", forever, false, rtnl.Addr{Flags: unix.IFA_F_PERMANENT}, false},
	} {
		c := &client{a: &agent{keepsMarks: tc.keepsMarks}}
		c.inst.addr.Valid = tc.valid
		if got := c.takenOver(&tc.ad); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
