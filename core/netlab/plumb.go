package netlab

import (
	"fmt"
	"net/netip"
	"os"
)

func addVeth(a *Host, aIf string, b *Host, bIf string) error {
	_, err := a.Run("ip", "link", "add", aIf, "type", "veth", "peer", "name", bIf, "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), b.netns.Fd()))
	return err
}

func (h *Host) addBridge(name string) error {
	if _, err := h.Run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0"); err != nil {
		return err
	}
	return h.SetUp(name, true)
}

func (h *Host) setMaster(port, bridge string) error {
	if bridge == "" {
		_, err := h.Run("ip", "link", "set", port, "nomaster")
		return err
	}
	_, err := h.Run("ip", "link", "set", port, "master", bridge)
	return err
}

// SetUp sets an interface administratively up or down.
func (h *Host) SetUp(name string, up bool) error {
	word := "down"
	if up {
		word = "up"
	}
	_, err := h.Run("ip", "link", "set", name, word)
	return err
}

// DelLink deletes an interface.
func (h *Host) DelLink(name string) error {
	_, err := h.Run("ip", "link", "del", name)
	return err
}

// AddAddr gives an interface an address.
func (h *Host) AddAddr(name string, p netip.Prefix) error {
	_, err := h.Run("ip", "addr", "add", p.String(), "brd", "+", "dev", name)
	return err
}
