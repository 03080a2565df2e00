package event

import "slices"

// maxSpare is the largest buffer of posts kept for the next burst.
const maxSpare = 4096

// Post calls fn on the loop's goroutine, after the descriptors and timers of
// that turn and in the order of posting. It never blocks, and it may be called
// by any goroutine and by callbacks: what a posted function posts runs in the
// next turn. The queue has no limit; who posts on behalf of strangers must
// bound it.
func (l *Loop) Post(fn func()) {
	l.mu.Lock()
	if !l.closed {
		l.posts = append(l.posts, fn)
		l.wakeLocked()
	}
	l.mu.Unlock()
}

// wakeLocked wakes the loop if it sleeps and nobody has woken it yet. The
// mutex is held over the wake-up, so that a loop that finds itself woken can
// tell that the call is over, and that Close does not pull the descriptor
// away under it.
func (l *Loop) wakeLocked() {
	if l.asleep {
		l.asleep = false
		l.waiter.wake()
	}
}

// mayWait publishes that the loop is going to sleep, unless there is work.
// Between this and the wait itself a poster finds asleep set, and its wake-up
// ends the wait before it begins.
func (l *Loop) mayWait() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.posts) > 0 || l.stop {
		return false
	}
	l.asleep = true
	return true
}

// awake withdraws mayWait and reports whether a wake-up was sent since.
func (l *Loop) awake() (woken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	woken = !l.asleep
	l.asleep = false
	return woken
}

// runPosts calls what was posted until now, and reports whether the loop was
// told to stop.
func (l *Loop) runPosts() (stop bool) {
	l.mu.Lock()
	batch := l.posts
	l.posts = l.spare
	stop = l.stop
	l.stop = false
	l.mu.Unlock()
	for some := range slices.Chunk(batch, measuredPosts) {
		for _, fn := range some {
			fn()
		}
		l.measurePosts(some)
	}
	clear(batch)
	if cap(batch) > maxSpare {
		batch = nil
	}
	l.spare = batch[:0]
	return stop
}
