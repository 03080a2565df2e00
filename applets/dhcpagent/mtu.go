package dhcpagent

import (
	"os"
	"time"

	"daemonbox/core/rtnl"
	"daemonbox/core/timer"
)

// mtuInterval is the least time between two changes of an interface's MTU: a
// driver that resets the link at each change would otherwise start DHCP anew
// for ever.
const mtuInterval = 60 * time.Second

// minMTU6 is the least MTU of IPv6 (RFC 8200 §5). Under it the kernel takes
// IPv6 off the interface.
const minMTU6 = 1280

// applyMTU gives the link the smallest MTU that its clients ask for, and its
// own one back when none asks any more. That is done at any time: it cannot
// repeat without a change that was due.
func (p *pif) applyMTU() {
	want := 0
	for _, c := range p.clients {
		if c.net != nil && c.net.MTU != 0 && (want == 0 || c.net.MTU < want) {
			want = c.net.MTU
		}
	}
	switch {
	case want == 0 && p.mtuAsked == 0:
		return
	case want == 0:
		want = p.mtuOrig
	default:
		want = p.boundMTU(want)
	}
	if p.link.MTU == want {
		return
	}
	now := p.a.loop.Now()
	if want != p.mtuOrig && p.mtuChanged != 0 && now.Sub(p.mtuChanged) < mtuInterval {
		p.log.Warn("the MTU changes too often; leaving it", "mtu", p.link.MTU, "wanted", want)
		return
	}
	p.setMTU(want, now)
}

func (p *pif) setMTU(want int, now timer.Time) {
	if p.mtuAsked == 0 {
		p.mtuOrig = p.link.MTU
	}
	var b rtnl.Batch
	b.SetLink(p.index, rtnl.SetLinkOptions{MTU: want})
	if errs := p.a.conn.Do(&b); errs[0] != nil {
		p.log.Warn("cannot set the MTU", "mtu", want, "err", errs[0])
		return
	}
	p.log.Info("set the MTU", "mtu", want, "was", p.link.MTU)
	p.link.MTU, p.mtuAsked, p.mtuChanged = want, want, now
	if want == p.mtuOrig {
		p.mtuAsked = 0
	}
}

// boundMTU keeps a server's wish within what the link and IPv6 can do.
func (p *pif) boundMTU(want int) int {
	if p.link.MaxMTU > 0 {
		want = min(want, p.link.MaxMTU)
	}
	if want < minMTU6 && p.ipv6Enabled() {
		want = min(minMTU6, p.link.MTU)
	}
	return want
}

func (p *pif) ipv6Enabled() bool {
	b, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + p.link.Name + "/disable_ipv6")
	return err == nil && len(b) > 0 && b[0] == '0'
}
