// Package event is the loop that owns all protocol state of a process: ready
// descriptors, timers on the boot clock, signals, and functions posted by
// other goroutines, all called one after the other on the goroutine that runs
// Run. Nothing that is only touched there needs a lock.
//
// # Goroutines
//
// Post and Stop may be called by any goroutine. Everything else belongs to the
// goroutine that calls Run, or to the one that sets the loop up before Run and
// that closes it afterwards. A callback never blocks and works within a budget
// (64 packets, say) before it returns: readiness is level-triggered, so what
// it leaves is reported again in the next turn. Work that blocks is done by a
// goroutine of its own, which comes back with Post.
//
// # One turn
//
// Each turn serves the ready descriptors in the order of epoll_wait(2), then
// the due timers by deadline, then what was posted before the turn reached
// this point. No kind can starve another.
//
// # Two ways to wait
//
// The loop's epoll set can be waited on in two ways. A Parked loop hands the
// set's descriptor to the poller of the Go runtime and parks its goroutine: no
// thread blocks, so sparse wake-ups and posts are cheap. A Direct loop blocks
// in epoll_wait(2) like a C program, which makes request and reply over a
// socket fast, and wakes up for posts through an eventfd(2).
package event
