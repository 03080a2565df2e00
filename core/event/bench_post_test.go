package event

import (
	"fmt"
	"testing"
)

// BenchmarkPost has another goroutine ask for work and wait for the answers,
// one by one or a burst at a time; the alternative is a goroutine that owns
// the state and takes functions from a buffered channel.
func BenchmarkPost(b *testing.B) {
	for _, mode := range []Mode{Parked, Direct} {
		for _, burst := range []int{1, 100} {
			b.Run(fmt.Sprintf("%v/burst=%d", mode, burst), func(b *testing.B) {
				l := startLoop(b, mode, func(*Loop) {})
				work := make(chan func(), 128)
				b.Cleanup(func() { close(work) })
				go func() {
					for fn := range work {
						fn()
					}
				}()
				s := compete(b, []contender{
					{"post", asker(burst, l.Post)},
					{"channel", asker(burst, func(fn func()) { work <- fn })},
				})
				b.ReportMetric(ratio(s[0], s[1], wall), "x/channel")
			})
		}
	}
}

// asker hands over a burst of functions and waits until the last has run.
func asker(burst int, send func(fn func())) func(n int) sample {
	reply := make(chan struct{}, 1)
	count := 0
	fn := func() {
		if count++; count == burst {
			count = 0
			reply <- struct{}{}
		}
	}
	return func(n int) sample {
		return clocked(func() {
			for ; n > 0; n -= burst {
				for range burst {
					send(fn)
				}
				<-reply
			}
		})
	}
}
