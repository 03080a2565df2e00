package simtest

import (
	"bytes"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/core/sim"
)

// disk keeps the lease file of a host. Writing takes time: what a process had
// not yet written when it died is lost, the old file is still there. A newer
// write takes the place of an older one that has not begun.
type disk struct {
	file []byte // nil: none

	pending []byte // what will be there when the timer fires
	dirty   bool
	timer   *sim.Timer
}

// maxWrite is how long a write may take until it is safe.
const maxWrite = 60 * time.Millisecond

func (h *Host) newDisk() {
	h.disk.timer = h.proc.Timer("disk", h.flush)
}

// put makes the file hold b, or removes it where b is nil, soon.
func (h *Host) put(b []byte) {
	h.disk.pending, h.disk.dirty = b, true
	if !h.disk.timer.Pending() {
		h.disk.timer.Set(h.proc.Now().Add(h.w.Duration(0, maxWrite)))
	}
}

// flush waits until everything is written.
func (h *Host) flush() {
	h.disk.timer.Stop()
	if h.disk.dirty {
		h.disk.file, h.disk.pending, h.disk.dirty = h.disk.pending, nil, false
		h.amnesia = false
	}
}

// lose forgets what was not written when the process died.
func (d *disk) lose() { d.pending, d.dirty = nil, false }

func (h *Host) wall() time.Time { return time.Unix(0, h.kern.Wall()) }

// save writes a lease as the agent does.
func (h *Host) save(s *dhcp4.Saved) {
	if s == nil {
		return
	}
	b := s.AppendFile(nil, h.wall(), h.proc.Now(), h.bootID)
	// The file must say what was put into it.
	back, err := dhcp4.ParseFile(b, h.wall(), h.proc.Now(), h.bootID)
	switch {
	case err != nil && err != dhcp4.ErrExpired:
		h.bad("saved lease cannot be read back: %v", err)
	case err == nil && !bytes.Equal(back.Current, s.Current):
		h.bad("saved lease is another one when read back")
	case err == nil && back.Start.After(s.Start):
		h.bad("saved lease begins at %v, %v later than it did", back.Start, back.Start.Sub(s.Start))
	}
	h.put(b)
}

// load reads the lease file as the agent does at a START.
func (h *Host) load() *dhcp4.Saved {
	h.flush()
	if h.disk.file == nil {
		return nil
	}
	s, err := dhcp4.ParseFile(h.disk.file, h.wall(), h.proc.Now(), h.bootID)
	if err != nil {
		if err != dhcp4.ErrExpired {
			h.bad("lease file cannot be read: %v", err)
		}
		return nil
	}
	return s
}
