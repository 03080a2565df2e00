package rawsock

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// keep is the return value of a filter that takes the whole packet.
const keep = 0x40000

// ours lets only frames through that were sent to this host: a packet socket
// also sees its own (PACKET_OUTGOING) and, in promiscuous mode or with a VLAN
// number that no interface here has, foreign ones (PACKET_OTHERHOST). The
// kernel clears the VLAN tag of the latter before it hands them over, so the
// packet type is the only sign left. The receive path of IP drops both as well.
func ours() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: unix.PACKET_OTHERHOST, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
}

// dhcp is the content of DHCPFilter: offsets count from the IPv4 header.
func dhcp(port uint16) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xf0},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 4 << 4, SkipTrue: 8},
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_UDP, SkipTrue: 6},
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 4}, // MF or an offset
		bpf.LoadMemShift{Off: 0},                                    // X = header length
		bpf.LoadIndirect{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1},
		bpf.RetConstant{Val: keep},
		bpf.RetConstant{Val: 0},
	}
}

// arp is the content of ARPFilter: ARP for IPv4, request or reply.
func arp() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 7},
		bpf.LoadAbsolute{Off: 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 6<<8 | 4, SkipTrue: 5}, // lengths of the addresses
		bpf.LoadAbsolute{Off: 6, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 1, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 2, SkipTrue: 2},
		bpf.LoadAbsolute{Off: 27, Size: 1}, // a runt ends here with 0
		bpf.RetConstant{Val: keep},
		bpf.RetConstant{Val: 0},
	}
}

// assemble cannot fail for the fixed programs of this file.
func assemble(parts ...[]bpf.Instruction) []bpf.RawInstruction {
	var prog []bpf.Instruction
	for _, p := range parts {
		prog = append(prog, p...)
	}
	raw, err := bpf.Assemble(prog)
	if err != nil {
		panic("rawsock: " + err.Error())
	}
	return raw
}

// DHCPFilter passes IPv4 packets to this host that are UDP to port 68 and not
// a fragment. It is meant for a socket opened with ETH_P_IP.
func DHCPFilter() []bpf.RawInstruction { return assemble(ours(), dhcp(68)) }

// UDPFilter is DHCPFilter for another destination port: a DHCP server uses 67.
func UDPFilter(port uint16) []bpf.RawInstruction { return assemble(ours(), dhcp(port)) }

// ARPFilter passes ARP requests and replies for IPv4 over Ethernet that were
// sent to this host or to all. It is meant for a socket opened with ETH_P_ARP.
func ARPFilter() []bpf.RawInstruction { return assemble(ours(), arp()) }
