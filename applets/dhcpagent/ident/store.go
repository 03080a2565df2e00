package ident

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"daemonbox/applets/dhcpagent/file"
	"daemonbox/core/atomicfile"
)

// Layout of the IAID file: records of a little-endian number and a name padded
// with zeros.
const (
	nameLen    = 32
	recordLen  = 4 + nameLen
	maxIfname  = 15
	maxRecords = 4096
	// aliasBase is where the hints of additional logical interfaces start, far
	// from all interface indices.
	aliasBase = 0x80000000
)

type record struct {
	iaid uint32
	name string
}

// Options of a Store.
type Options struct {
	// Dir holds the files duid and iaid.
	Dir string
	// Links is asked for DUID-LLT and for interfaces named in CLIENT_ID.
	Links Links
	// MachineID is the path of machine-id(5); "" is /etc/machine-id.
	MachineID string
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
}

// A Store holds the DUID and the IAIDs of the host.
type Store struct {
	dir       string
	links     Links
	machineID string
	started   uint32 // "now" in DUID-LLTs

	duid []byte
	iaid []record

	haveIAID             bool
	duidDirty, iaidDirty uint64 // versions not on disk, 0 when it is
	version              uint64
	aliases              uint32
	warnings             []string
}

// New returns a Store over the files in o.Dir. It reads nothing yet.
func New(o Options) *Store {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	return &Store{
		dir:       o.Dir,
		links:     o.Links,
		machineID: cmp.Or(o.MachineID, "/etc/machine-id"),
		started:   duidTime(now()),
	}
}

// Warnings returns what was found wrong with the files since the last call.
func (s *Store) Warnings() []string {
	w := s.warnings
	s.warnings = nil
	return w
}

func (s *Store) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

func (s *Store) duidPath() string { return filepath.Join(s.dir, "duid") }
func (s *Store) iaidPath() string { return filepath.Join(s.dir, "iaid") }

// DUID returns the host's DUID. One is made when there is none; it never
// changes again once it was written. The result must not be changed.
func (s *Store) DUID() []byte {
	if s.duid != nil {
		return s.duid
	}
	b, _, err := file.ReadNoFollow(s.duidPath(), maxDUID)
	switch {
	case err == nil && len(b) >= minDUID:
		s.duid = b
		return b
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.warn("making a new DUID: %v", err)
	default:
		s.warn("making a new DUID: %s has %d octets", s.duidPath(), len(b))
	}
	s.duid = s.generate()
	s.version++
	s.duidDirty = s.version
	return s.duid
}

// generate makes a DUID: by a link-layer address and the time, so that it
// cannot meet that of another host (RFC 8415 §11.2), else a DUID-UUID
// (RFC 6355). It asks the kernel for no random numbers: at boot that can wait
// for a minute.
func (s *Store) generate() []byte {
	if s.links != nil {
		if l, ok := s.links.First(); ok && len(l.HWAddr) > 0 && len(l.HWAddr) <= maxLLA {
			return appendLLT(nil, l.HWType, s.started, l.HWAddr)
		}
	}
	uuid := s.uuid()
	return append([]byte{0, typeUUID}, uuid[:]...)
}

// application tells our UUIDs from those other programs derive of one
// machine-id: machine-id(5) asks not to expose the id itself.
const application = "dhcpagent DUID 1"

// uuid derives a UUID from the machine-id, or draws a random one.
func (s *Store) uuid() (u [16]byte) {
	id, ok := readMachineID(s.machineID)
	if !ok {
		binary.BigEndian.PutUint64(u[:8], rand.Uint64())
		binary.BigEndian.PutUint64(u[8:], rand.Uint64())
	} else {
		// The keystream of a cipher does not give its key away.
		var seed [32]byte
		copy(seed[:16], id[:])
		copy(seed[16:], application)
		r := rand.NewChaCha8(seed)
		binary.BigEndian.PutUint64(u[:8], r.Uint64())
		binary.BigEndian.PutUint64(u[8:], r.Uint64())
	}
	u[6] = u[6]&0x0f | 0x40 // RFC 9562 §5.4: version 4
	u[8] = u[8]&0x3f | 0x80
	return u
}

func readMachineID(path string) (id [16]byte, ok bool) {
	b, _, err := file.Read(path, 64)
	if err != nil {
		return id, false
	}
	b = bytes.TrimSpace(b)
	// "uninitialized" stands there during the first boot.
	if len(b) != 32 {
		return id, false
	}
	if _, err := hex.Decode(id[:], b); err != nil {
		return id, false
	}
	return id, id != [16]byte{}
}

// IAID returns the number of the logical interface name, which lies on the
// interface with the given index. It is stable once it was written, also when
// the index changes.
func (s *Store) IAID(name string, index int, alias bool) uint32 {
	s.loadIAIDs()
	for i := range s.iaid {
		if s.iaid[i].name == name {
			return s.iaid[i].iaid
		}
	}
	hint := uint32(index)
	if alias {
		hint = aliasBase + s.aliases
		s.aliases++
	}
	r := record{iaid: s.unused(hint), name: name}
	if len(s.iaid) >= maxRecords {
		// Only a host that has seen thousands of interface names comes here:
		// the oldest ones are those of interfaces long gone.
		s.iaid = slices.Delete(s.iaid, 0, 1)
	}
	s.iaid = append(s.iaid, r)
	s.version++
	s.iaidDirty = s.version
	return r.iaid
}

// unused returns hint if it is free, else a number above all others, else the
// lowest free one; never 0.
func (s *Store) unused(hint uint32) uint32 {
	var highest uint32
	free := hint != 0
	for i := range s.iaid {
		highest = max(highest, s.iaid[i].iaid)
		free = free && s.iaid[i].iaid != hint
	}
	if free {
		return hint
	}
	if highest+1 != 0 {
		return highest + 1
	}
	taken := make(map[uint32]bool, len(s.iaid))
	for i := range s.iaid {
		taken[s.iaid[i].iaid] = true
	}
	n := uint32(1)
	for taken[n] {
		n++
	}
	return n
}

func (s *Store) loadIAIDs() {
	if s.haveIAID {
		return
	}
	s.haveIAID = true
	b, _, err := file.ReadNoFollow(s.iaidPath(), maxRecords*recordLen)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.warn("interface identifiers: %v", err)
		}
		if !errors.Is(err, file.ErrTooLarge) {
			return
		}
	}
	recs, bad := parseIAIDs(b)
	if bad > 0 {
		s.warn("interface identifiers: %s has %d unusable records", s.iaidPath(), bad)
	}
	s.iaid = recs
}

// parseIAIDs reads the table and counts what it had to leave out: unusable
// names, numbers that appear twice, an incomplete end.
func parseIAIDs(b []byte) (recs []record, bad int) {
	names := make(map[string]bool)
	numbers := make(map[uint32]bool)
	for len(b) >= recordLen && len(recs) < maxRecords {
		r := record{iaid: binary.LittleEndian.Uint32(b)}
		name, pad := b[4:recordLen], []byte(nil)
		if i := bytes.IndexByte(name, 0); i >= 0 {
			name, pad = name[:i], name[i:]
		}
		r.name = string(name)
		b = b[recordLen:]
		if r.iaid == 0 || !validIfname(r.name) || len(bytes.Trim(pad, "\x00")) > 0 || names[r.name] || numbers[r.iaid] {
			bad++
			continue
		}
		names[r.name], numbers[r.iaid] = true, true
		recs = append(recs, r)
	}
	if len(b) > 0 {
		bad++
	}
	return recs, bad
}

func appendIAIDs(b []byte, recs []record) []byte {
	for _, r := range recs {
		b = binary.LittleEndian.AppendUint32(b, r.iaid)
		var name [nameLen]byte
		copy(name[:], r.name)
		b = append(b, name[:]...)
	}
	return b
}

// A Write brings identities to disk.
type Write struct {
	duidPath, iaidPath string
	duid, iaid         []byte // nil: not to be written
	duidVer, iaidVer   uint64
}

// Unsaved returns what is not on disk yet, nil if nothing. After a failed
// write the owner asks again RetryEvery later.
func (s *Store) Unsaved() *Write {
	if s.duidDirty == 0 && s.iaidDirty == 0 {
		return nil
	}
	w := &Write{duidPath: s.duidPath(), iaidPath: s.iaidPath()}
	if s.duidDirty != 0 {
		w.duid, w.duidVer = s.duid, s.duidDirty
	}
	if s.iaidDirty != 0 {
		w.iaid, w.iaidVer = appendIAIDs([]byte{}, s.iaid), s.iaidDirty
	}
	return w
}

// Do writes the files. Any goroutine may call it; it waits for the disk.
func (w *Write) Do() error {
	var errs []error
	put := func(path string, data []byte) {
		if data == nil {
			return
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			errs = append(errs, err)
			return
		}
		if err := atomicfile.Replace(path, data, 0o644); err != nil {
			errs = append(errs, err)
		}
	}
	put(w.duidPath, w.duid)
	put(w.iaidPath, w.iaid)
	return errors.Join(errs...)
}

// Saved tells the Store that w.Do has returned err. Without an error, what w
// held is on disk; what came in the meantime is still unsaved.
func (s *Store) Saved(w *Write, err error) {
	if err != nil {
		return
	}
	if w.duid != nil && s.duidDirty == w.duidVer {
		s.duidDirty = 0
	}
	if w.iaid != nil && s.iaidDirty == w.iaidVer {
		s.iaidDirty = 0
	}
}
