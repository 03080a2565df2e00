package proc

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// Cap is a capability of capabilities(7).
type Cap uint

// The capabilities that daemons here ask for.
const (
	CapNetBindService Cap = unix.CAP_NET_BIND_SERVICE
	CapNetAdmin       Cap = unix.CAP_NET_ADMIN
	CapNetRaw         Cap = unix.CAP_NET_RAW
	CapSysAdmin       Cap = unix.CAP_SYS_ADMIN
)

// String returns the name as in capabilities(7).
func (c Cap) String() string {
	switch c {
	case CapNetBindService:
		return "CAP_NET_BIND_SERVICE"
	case CapNetAdmin:
		return "CAP_NET_ADMIN"
	case CapNetRaw:
		return "CAP_NET_RAW"
	case CapSysAdmin:
		return "CAP_SYS_ADMIN"
	}
	return "capability " + strconv.Itoa(int(c))
}

// MissingCaps returns those of the given capabilities that are not in the
// effective set of this process.
func MissingCaps(want ...Cap) ([]Cap, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return nil, err
	}
	var missing []Cap
	for _, c := range want {
		if data[c/32].Effective&(1<<(c%32)) == 0 {
			missing = append(missing, c)
		}
	}
	return missing, nil
}
