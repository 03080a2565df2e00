// Package control is the control protocol of the daemons: a Unix stream socket
// that carries JSON objects in frames with a length before them, the server on
// the event loop and the client for the tools.
//
// A frame is a u32 length, little-endian, and that many octets of one JSON
// object in UTF-8:
//
//	{"v":1,"id":7,"cmd":"start","netns":"","if":"eth0","family":4,"timeout_ms":120000,"args":{…}}
//	{"v":1,"id":7,"code":0,"name":"SUCCESS","text":"…","result":{…}}
//	{"v":1,"seq":1,"event":"…","time":"2026-01-02T03:04:05Z",…}
//
// A request has at most 64 KiB and is complete within 3 s of its first octet,
// an answer has at most 16 MiB. A connection carries many requests at once and
// answers come in any order: id matches them. The command subscribe turns a
// connection into a stream of events. A connection without an outstanding
// request or a subscription is closed after 60 s.
//
// Everybody may connect; SO_PEERCRED (unix(7)) tells who may change things.
// Whatever a peer does, it cannot hold up the loop: reads, writes and the
// number of requests a turn are budgeted, every queue is bounded, and nothing
// blocks.
//
// Server, Peer, Request and Stream belong to the loop's goroutine. A Client may
// be used by any goroutine.
package control
