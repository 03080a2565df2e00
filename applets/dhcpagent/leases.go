package dhcpagent

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"daemonbox/applets/dhcpagent/dhcp4"
	"daemonbox/applets/dhcpagent/file"
	"daemonbox/core/atomicfile"
	"daemonbox/core/timer"
)

// leaseFileLimit is the largest lease file that is read: two packets of 64 KiB
// would be more, but no DHCP message comes near that.
const leaseFileLimit = 128 << 10

// leaseStore keeps leases over restarts. Syncing a file may take long, so one
// goroutine writes, started when there is work and ending when there is none.
// Writes of one path happen in the order they were asked for; a newer one
// takes the place of an older one that has not begun.
type leaseStore struct {
	dir    string
	bootID [16]byte
	log    *slog.Logger
	now    func() timer.Time

	mu      sync.Mutex
	pending map[string][]byte // nil: remove
	order   []string
	// writing is the path being written or removed, content what it will hold.
	writing string
	content []byte
	running bool
	idle    sync.Cond
	waiting []func() // see whenIdle
}

func newLeaseStore(dir string, log *slog.Logger, now func() timer.Time) *leaseStore {
	s := &leaseStore{dir: dir, log: log, now: now, pending: make(map[string][]byte)}
	s.idle.L = &s.mu
	return s
}

// readBootID returns the id of this boot, zero where the kernel tells none.
func readBootID() (id [16]byte) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	hex := strings.ReplaceAll(strings.TrimSpace(string(b)), "-", "")
	if len(hex) != 2*len(id) {
		return id
	}
	for i := range id {
		if _, err := fmt.Sscanf(hex[2*i:2*i+2], "%02x", &id[i]); err != nil {
			return [16]byte{}
		}
	}
	return id
}

// path returns the lease file of a logical interface.
func (s *leaseStore) path(name string) string { return filepath.Join(s.dir, name+".dhc") }

// save stores a lease durably, soon.
func (s *leaseStore) save(name string, l *dhcp4.Saved) {
	if l == nil {
		return
	}
	s.put(s.path(name), l.AppendFile(nil, time.Now(), s.now(), s.boot()))
}

// forget removes a saved lease, soon.
func (s *leaseStore) forget(name string) { s.put(s.path(name), nil) }

// boot reads the boot id on first use: not on the way to the first DISCOVER.
func (s *leaseStore) boot() [16]byte {
	if s.bootID == [16]byte{} {
		s.bootID = readBootID()
	}
	return s.bootID
}

// put makes path hold b, or removes it where b is nil, soon.
func (s *leaseStore) put(path string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.pending[path]; !ok {
		s.order = append(s.order, path)
	}
	s.pending[path] = b
	if !s.running {
		s.running = true
		go s.work()
	}
}

// work writes until nothing is left.
func (s *leaseStore) work() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.order) > 0 {
		path := s.order[0]
		s.order = s.order[1:]
		b := s.pending[path]
		delete(s.pending, path)
		s.writing, s.content = path, b
		s.mu.Unlock()
		s.apply(path, b)
		s.mu.Lock()
	}
	s.writing, s.content = "", nil
	s.running = false
	s.idle.Broadcast()
	for _, fn := range s.waiting {
		fn()
	}
	s.waiting = nil
}

// apply does one write or removal. A failure never touches the lease itself.
func (s *leaseStore) apply(path string, b []byte) {
	var err error
	if b == nil {
		err = os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
	} else {
		err = atomicfile.Replace(path, b, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
				err = atomicfile.Replace(path, b, 0o600)
			}
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, syscall.EROFS):
		s.log.Debug("nothing can be kept for the next start on a read-only file system", "err", err)
	default:
		s.log.Error("cannot keep the lease for the next start", "err", err)
	}
}

// rename moves the lease of an interface that got a new name, soon.
func (s *leaseStore) rename(from, to string) {
	b, err := s.read(s.path(from))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			s.log.Warn("cannot move the saved lease to the interface's new name", "ifname", to, "err", err)
		}
		return
	}
	s.put(s.path(to), b)
	s.put(s.path(from), nil)
}

// read returns what a file holds once everything asked for is on disk.
func (s *leaseStore) read(path string) ([]byte, error) {
	s.mu.Lock()
	b, asked := s.pending[path]
	if !asked && s.writing == path {
		b, asked = s.content, true
	}
	s.mu.Unlock()
	switch {
	case !asked:
		return readPrivate(path, leaseFileLimit)
	case b == nil:
		return nil, fs.ErrNotExist
	}
	return b, nil
}

// whenIdle calls fn once everything asked for so far is on disk: at once, or
// from the writing goroutine.
func (s *leaseStore) whenIdle(fn func()) {
	s.mu.Lock()
	if s.running {
		s.waiting = append(s.waiting, fn)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	fn()
}

// flush waits until everything asked for is on disk.
func (s *leaseStore) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.running {
		s.idle.Wait()
	}
}

// load reads the saved lease of a logical interface. No file is no error.
func (s *leaseStore) load(name string) (*dhcp4.Saved, error) {
	return s.loadFile(s.path(name))
}

func (s *leaseStore) loadFile(path string) (*dhcp4.Saved, error) {
	b, err := s.read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := dhcp4.ParseFile(b, time.Now(), s.now(), s.boot())
	if err != nil {
		return nil, fmt.Errorf("saved lease %s: %w", path, err)
	}
	return l, nil
}

// readPrivate reads a regular file that only its owner, who must be root or
// us, can write. A symbolic link is refused: the directory may be shared.
func readPrivate(path string, limit int) ([]byte, error) {
	b, id, err := file.ReadNoFollow(path, limit)
	switch {
	case err != nil:
		return nil, err
	case id.UID != 0 && int(id.UID) != os.Geteuid():
		return nil, fmt.Errorf("%s belongs to uid %d, not to root or the agent", path, id.UID)
	case id.Mode&0o022 != 0:
		return nil, fmt.Errorf("%s can be written by others (mode %o); remove the file or their permission", path, id.Mode)
	}
	return b, nil
}
