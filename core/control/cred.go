package control

import (
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Cred are the credentials of a peer when it connected (SO_PEERCRED of
// unix(7)). A user of another user namespace appears as the overflow uid.
type Cred struct {
	PID      int32
	UID, GID uint32
}

func peerCred(fd int) (Cred, error) {
	u, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return Cred{}, os.NewSyscallError("getsockopt", err)
	}
	return Cred{u.Pid, u.Uid, u.Gid}, nil
}

// privileged decides whether the peer behind fd may change things.
func (o *ServerOptions) privileged(fd int, c Cred) bool {
	if o.Privileged != nil {
		if o.Privileged(c) {
			return true
		}
	} else if c.UID == 0 || c.UID == uint32(os.Geteuid()) {
		return true
	}
	if o.Group == nil {
		return false
	}
	return c.GID == *o.Group || slices.Contains(peerGroups(fd), *o.Group)
}

// maxGroups is NGROUPS_MAX of the kernel.
const maxGroups = 65536

// peerGroups returns the supplementary groups of a peer (SO_PEERGROUPS, Linux
// 4.13); none if they cannot be had.
func peerGroups(fd int) []uint32 {
	for n := 64; n <= maxGroups; n *= 4 {
		groups := make([]uint32, n)
		size := uint32(n * 4)
		_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch e {
		case 0:
			return groups[:size/4]
		case unix.ERANGE:
			continue
		}
		return nil
	}
	return nil
}
