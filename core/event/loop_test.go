package event

import (
	"testing"
	"time"
)

// eachMode runs a test on a fresh loop of either kind.
func eachMode(t *testing.T, test func(t *testing.T, l *Loop)) {
	for _, mode := range []Mode{Parked, Direct} {
		t.Run(mode.String(), func(t *testing.T) {
			l, err := New(mode)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
			test(t, l)
		})
	}
}

func run(t *testing.T, l *Loop) {
	t.Helper()
	guard := time.AfterFunc(10*time.Second, func() { panic("loop does not stop") })
	defer guard.Stop()
	if err := l.Run(); err != nil {
		t.Fatal(err)
	}
}

func TestPostAndTimer(t *testing.T) {
	eachMode(t, func(t *testing.T, l *Loop) {
		tm := l.Timer("x", func() { go l.Post(l.Stop) })
		tm.Set(l.Now().Add(time.Millisecond))
		run(t, l)
	})
}
