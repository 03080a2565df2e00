// Package interop holds the tests of dhcpagent with real sockets against
// foreign servers, in networks made by core/netlab. They need root and the
// build tag interop, and the programs that core/netlab/peers unpacks:
//
//	go run ./core/netlab/peers && go test -tags interop ./applets/dhcpagent/interop/...
//
// Package peer below it runs the foreign programs and a scripted server. It
// may be called from any goroutine.
package interop
