//go:build interop

package interop

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/interop/peer"
)

const savedLease = "/var/lib/dhcpagent/eth0.dhc"

// begin starts DHCP on eth0 and wants it bound; first is the type of the first
// message that the server saw.
func (w *world) begin(s *peer.Scripted) (first byte, err error) {
	before := len(s.Seen())
	r, err := w.call("start", "eth0", ms(5000))
	if err != nil || r.Name != "SUCCESS" {
		return 0, fmt.Errorf("start: %+v, %w", r, err)
	}
	msgs := s.Seen()
	if len(msgs) == before {
		return 0, fmt.Errorf("nothing was sent")
	}
	return msgs[before].Type(), nil
}

// once runs an agent that gets a lease and ends, and returns the type of the
// first message that the server saw.
func (w *world) once(s *peer.Scripted) (first byte, err error) {
	w.t.Helper()
	before := len(s.Seen())
	out, status := w.tool("dhcpagent", "-f", "-1", "-t", "5", "-o", "ACD=off", "eth0")
	if status != 0 {
		return 0, fmt.Errorf("exit %d: %s", status, out)
	}
	msgs := s.Seen()
	if len(msgs) == before {
		return 0, fmt.Errorf("nothing was sent: %s", out)
	}
	return msgs[before].Type(), nil
}

// TestBadLeaseFiles starts with saved leases that are damaged in every way:
// they are as none. One bit in eleven is flipped here; a unit test has them
// all.
func TestBadLeaseFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
	if first, err := w.once(s); err != nil || first != peer.Discover {
		t.Fatalf("first message %d, %v", first, err)
	}
	lease := []byte(w.read(w.c, savedLease))
	if len(lease) < 300 {
		t.Fatalf("saved lease of %d octets", len(lease))
	}
	if first, err := w.once(s); err != nil || first != peer.Request {
		t.Fatalf("a good file: first message %d, %v", first, err)
	}
	try := func(what string, b []byte) {
		w.write(w.c, savedLease, string(b), 0o600)
		if first, err := w.once(s); err != nil || first != peer.Discover {
			t.Errorf("%s: first message %d, want DISCOVER; %v", what, first, err)
		}
	}
	for bit := 0; bit < 8*len(lease); bit += 11 {
		b := bytes.Clone(lease)
		b[bit/8] ^= 1 << (bit % 8)
		try(fmt.Sprintf("bit %d flipped", bit), b)
	}
	for n := 0; n < len(lease); n += 61 {
		try(fmt.Sprintf("cut to %d octets", n), lease[:n])
	}
	try("an octet more", append(bytes.Clone(lease), 0))
	try("twice", append(bytes.Clone(lease), lease...))
	try("200 KiB", bytes.Repeat([]byte{0x44}, 200<<10))
}

// TestLeaseFilesOfOthers has something else than a file of root in the place
// of the saved lease.
func TestLeaseFilesOfOthers(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func() error{
		"link": func() error {
			if err := os.Rename(savedLease, "/var/lib/elsewhere"); err != nil {
				return err
			}
			return os.Symlink("/var/lib/elsewhere", savedLease)
		},
		"writable for all": func() error { return os.Chmod(savedLease, 0o666) },
		"of another owner": func() error { return os.Chown(savedLease, 1000, 1000) },
		"directory": func() error {
			if err := os.Remove(savedLease); err != nil {
				return err
			}
			return os.Mkdir(savedLease, 0o755)
		},
		"fifo": func() error {
			if err := os.Remove(savedLease); err != nil {
				return err
			}
			return unix.Mkfifo(savedLease, 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
			if _, err := w.once(s); err != nil {
				t.Fatal(err)
			}
			w.mustDo(prepare)
			if first, err := w.once(s); err != nil || first != peer.Discover {
				t.Errorf("first message %d, want DISCOVER; %v", first, err)
			}
		})
	}
}

// TestReadOnlyState binds where nothing can be written.
func TestReadOnlyState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300, peer.Option{Code: 6, Value: ns}))
	err := w.c.Do(func() error {
		for _, dir := range []string{"/var/lib", "/etc"} {
			if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	a := w.agent("-o", "ACD=off", "eth0")
	w.bound("eth0")
	if err := a.WaitOutput("resolv.conf", soon); err != nil {
		t.Error("no word about resolv.conf")
	}
	w.ctl(0, "eth0", "extend")
	w.bound("eth0")
	if n := len(s.Seen(peer.Discover)); n != 1 {
		t.Errorf("%d DISCOVERs", n)
	}
}

// TestBadConfig starts with configuration files that are broken in many ways;
// what is right in them counts, the rest is the default.
func TestBadConfig(t *testing.T) {
	t.Parallel()
	const path = "/etc/default/dhcpagent"
	junk := []string{
		"", "# comment", "no equals sign", "=", "=value", "ACD", "OFFER_WAIT=soon", "OFFER_WAIT=-1", "OFFER_WAIT=99999999999999999999",
		"OFFER_WAIT=21", "RELEASE_ON_SIGTERM=maybe", "UNKNOWN_NAME=1", "eth0.=1", ".=1", "eth0.V6.=1", "PARAM_REQUEST_LIST=,,,999,foo,0x",
		"CLIENT_ID=1,2", "CLIENT_ID=0xzz", "PARAM_IGNORE_LIST=53,54,51,1000", "DEBUG_LEVEL=x", "\x00\x01\x02=\x03", "\xff\xfe=\xff",
		"LEASE_TIME=never", "VENDOR_CLASS=" + strings.Repeat("v", 1000), strings.Repeat("x", 2000) + "=1", "IGNORE_FAILED_ARP=yes", "ARP_WAIT=5\r",
	}
	for name, prepare := range map[string]func(w *world) (hostname string){
		"junk and a good line": func(w *world) string {
			w.write(w.c, path, strings.Join(junk, "\n")+"\neth0.VENDOR_CLASS=good\nACD=off", 0o644)
			return "good"
		},
		"each alone": func(w *world) string {
			w.write(w.c, path, "VENDOR_CLASS=good\n", 0o644)
			return "good"
		},
		"NULs":          func(w *world) string { w.write(w.c, path, strings.Repeat("\x00", 4096), 0o644); return "dhcpagent" },
		"one long line": func(w *world) string { w.write(w.c, path, strings.Repeat("a", 1<<20), 0o644); return "dhcpagent" },
		"directory":     func(w *world) string { w.mustDo(func() error { return os.MkdirAll(path, 0o755) }); return "dhcpagent" },
		"fifo":          func(w *world) string { w.mustDo(func() error { return unix.Mkfifo(path, 0o644) }); return "dhcpagent" },
		"missing":       func(*world) string { return "dhcpagent" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			class := prepare(w)
			s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
			w.idle()
			first := func() *peer.Message {
				t.Helper()
				before := len(s.Seen())
				if _, err := w.begin(s); err != nil {
					t.Fatal(err)
				}
				if r, err := w.call("release", "eth0", nil); err != nil || r.Code != 0 {
					t.Fatalf("release: %+v, %v", r, err)
				}
				return s.Seen()[before]
			}
			if got := string(first().Get(60)); got != class {
				t.Errorf("vendor class %q, want %q", got, class)
			}
			if name != "each alone" {
				return
			}
			for _, line := range junk {
				// The file is read again when its time or size changes.
				w.write(w.c, path, "eth0.VENDOR_CLASS=good\nACD=off\n"+line+"\n", 0o644)
				if got := string(first().Get(60)); got != "good" {
					t.Errorf("with the line %.40q the vendor class is %q", line, got)
				}
			}
		})
	}
}

// mustDo runs a function in the client.
func (w *world) mustDo(fn func() error) {
	w.t.Helper()
	if err := w.c.Do(fn); err != nil {
		w.t.Fatal(err)
	}
}

// TestConfigChanges changes the file while the agent runs.
func TestConfigChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.scripted(w.s, serverAddr, peer.Simple(serverNet, target, 300))
	w.write(w.c, "/etc/default/dhcpagent", "ACD=off\n", 0o644)
	w.idle()
	if _, err := w.begin(s); err != nil {
		t.Fatal(err)
	}
	w.write(w.c, "/etc/default/dhcpagent", "ACD=off\nRELEASE_ON_SIGTERM=yes\nVENDOR_CLASS=second\n", 0o644)
	if r, err := w.call("extend", "eth0", nil); err != nil || r.Code != 0 {
		t.Fatalf("extend: %+v, %v", r, err)
	}
	all := s.Seen(peer.Request)
	if got := string(all[len(all)-1].Get(60)); got != "second" {
		t.Errorf("vendor class %q", got)
	}
}
