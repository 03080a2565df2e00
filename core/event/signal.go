package event

import (
	"os"
	"os/signal"
)

// signalBacklog bounds the signals that wait for the relay. The runtime
// merges equal ones that are pending, as the kernel does, and the relay never
// blocks; so it does not fill up.
const signalBacklog = 64

// signals relays signals to the loop. The goroutine exists from the first
// registration to the last.
type signals struct {
	handlers map[os.Signal]func(os.Signal) // loop goroutine only
	ch       chan os.Signal
	done     chan struct{}
}

// Signal calls fn on the loop whenever one of the signals arrives; signals of
// one kind that come faster than they are served may be merged. There is one
// handler for each signal, the last one named. A nil fn gives the signals back
// to what they did before. SIGKILL and SIGSTOP cannot be had.
func (l *Loop) Signal(fn func(os.Signal), sigs ...os.Signal) {
	s := &l.signals
	if fn == nil {
		s.forget(sigs)
		return
	}
	if s.handlers == nil {
		s.handlers = make(map[os.Signal]func(os.Signal))
	}
	for _, sig := range sigs {
		s.handlers[sig] = fn
	}
	if s.ch == nil {
		s.ch = make(chan os.Signal, signalBacklog)
		s.done = make(chan struct{})
		go relay(l, s.ch, s.done)
	}
	if len(sigs) > 0 { // none at all would mean all of them
		signal.Notify(s.ch, sigs...)
	}
}

func relay(l *Loop, ch <-chan os.Signal, done chan<- struct{}) {
	defer close(done)
	for sig := range ch {
		l.Post(func() {
			if fn := l.signals.handlers[sig]; fn != nil {
				fn(sig)
			}
		})
	}
}

// forget drops the handlers of some signals and the relay with the last one.
func (s *signals) forget(sigs []os.Signal) {
	for _, sig := range sigs {
		delete(s.handlers, sig)
	}
	if s.ch == nil {
		return
	}
	if len(s.handlers) == 0 {
		s.close()
		return
	}
	rest := make([]os.Signal, 0, len(s.handlers))
	for sig := range s.handlers {
		rest = append(rest, sig)
	}
	// A channel can only give back all of its signals. It is asked for the
	// rest again through a second one, lest they do their default meanwhile.
	keep := make(chan os.Signal, signalBacklog)
	signal.Notify(keep, rest...)
	signal.Stop(s.ch)
	signal.Notify(s.ch, rest...)
	signal.Stop(keep)
	for len(keep) > 0 {
		select {
		case s.ch <- <-keep:
		default:
		}
	}
}

// close ends the relay. After signal.Stop nothing is sent to the channel.
func (s *signals) close() {
	if s.ch == nil {
		return
	}
	signal.Stop(s.ch)
	close(s.ch)
	<-s.done
	s.ch, s.done, s.handlers = nil, nil, nil
}
