// Package netlab makes small real networks inside one process: hosts with
// network, mount and host name namespaces of their own, joined by virtual
// Ethernet cables and bridges. Tests, benchmarks and the labs that programs
// offer run real daemons in it, and nothing of the machine they run on is
// touched: no interface, no file below /etc, /run or /var/lib.
//
// A host is one operating system thread that has left the namespaces of the
// process. There are no names below /run/netns and no holder processes:
// when the process ends, however it ends, the kernel takes everything down.
// Making hosts needs root, or the user namespace that EnterUser makes.
//
// Every method may be called from any goroutine; calls for one host are
// carried out one after the other.
package netlab
