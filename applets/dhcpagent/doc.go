// Package dhcpagent is the DHCP client daemon: one process that gets, keeps,
// renews and gives back the leases of all interfaces of a network namespace.
//
// # Synopsis
//
//	dhcpagent [-a] [-d LEVEL] [-f] [-v] [-4] [-1] [-t SECONDS]
//	          [-o NAME=VALUE]... [INTERFACE...]
//
// Without operands the agent waits for requests on its control socket and
// ends when it has had nothing to do for 180 seconds. With operands, names or
// glob patterns of interfaces, it starts DHCP on them at once and stays.
//
// # Structure
//
// This package is the shell: it owns the descriptors and carries out the
// effects of the protocol machine in package dhcp4, which knows no I/O. One
// goroutine, the event loop's, owns everything here. Others exist only for
// what may block: files being synced and the kernel closing packet sockets.
// They report by posting to the loop.
package dhcpagent
