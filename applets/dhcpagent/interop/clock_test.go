//go:build interop

package interop

import (
	"testing"

	"daemonbox/applets/dhcpagent/interop/peer"
)

// TestTimeNamespace starts with a saved lease of the same boot when the clock
// that counts suspended time too shows another time, time_namespaces(7), Linux 5.6: a day
// later the lease is over, a day earlier it has to be confirmed.
func TestTimeNamespace(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		offset string
		first  byte
	}{{"+86400", peer.Discover}, {"-600", peer.Request}} {
		t.Run(tt.offset, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
			if _, err := w.once(s); err != nil {
				t.Fatal(err)
			}
			before := len(s.Seen())
			out, err := w.c.Run("unshare", "--time", "--boottime", tt.offset, program, "dhcpagent", "-f", "-1", "-t", "5", "-o", "ACD=off", "eth0")
			if err != nil {
				t.Fatal(err)
			}
			msgs := s.Seen()[before:]
			if len(msgs) == 0 || msgs[0].Type() != tt.first {
				t.Fatalf("%d messages, want the first of type %d: %s", len(msgs), tt.first, out)
			}
			as, err := w.c.Addrs("eth0")
			if err != nil || len(as) != 1 || as[0].Valid < 250 || as[0].Valid > 303 {
				t.Errorf("addresses %+v, %v", as, err)
			}
		})
	}
}
