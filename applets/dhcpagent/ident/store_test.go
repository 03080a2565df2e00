package ident

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func reopen(s *Store) *Store { return New(Options{Dir: s.dir, Links: s.links, MachineID: s.machineID}) }

func flush(t *testing.T, s *Store) {
	t.Helper()
	w := s.Unsaved()
	if w == nil {
		t.Fatal("nothing to write")
	}
	err := w.Do()
	s.Saved(w, err)
	if err != nil {
		t.Fatal(err)
	}
	if s.Unsaved() != nil {
		t.Fatal("still unsaved after a write")
	}
}

func TestDUIDIsKept(t *testing.T) {
	s := newTestStore(t)
	if s.Unsaved() != nil {
		t.Error("a new Store has something to write")
	}
	want := hex.EncodeToString(s.DUID())
	if want != hostDUID {
		t.Fatalf("DUID %s, want %s", want, hostDUID)
	}
	flush(t, s)
	st, err := os.Stat(filepath.Join(s.dir, "duid"))
	if err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v; want 0644", st.Mode(), err)
	}
	// Another clock, no links: the file decides.
	s2 := New(Options{Dir: s.dir})
	if got := hex.EncodeToString(s2.DUID()); got != want {
		t.Errorf("after a restart %s, want %s", got, want)
	}
	if s2.Unsaved() != nil {
		t.Error("a DUID that was read is written again")
	}
}

func TestDUIDFromMachineID(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "machine-id")
	const id = "0123456789abcdef0123456789abcdef"
	duid := func(content string) string {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		b := New(Options{Dir: dir, Links: fakeLinks{}, MachineID: path}).DUID()
		if len(b) != 18 || b[1] != typeUUID || b[8]>>4 != 4 || b[10]>>6 != 2 {
			t.Fatalf("%x is no DUID-UUID of version 4", b)
		}
		return hex.EncodeToString(b)
	}
	a, b := duid(id+"\n"), duid(id)
	if a != b {
		t.Errorf("%s and %s of one machine", a, b)
	}
	if strings.Contains(a, id[:8]) {
		t.Errorf("%s shows the machine-id", a)
	}
	if c := duid(strings.Repeat("1", 32)); c == a {
		t.Error("two machines have one DUID")
	}
	for _, content := range []string{"", "uninitialized\n", strings.Repeat("0", 32), strings.Repeat("x", 32), id + id + id} {
		if a, b := duid(content), duid(content); a == b {
			t.Errorf("machine-id %q: the same DUID %s twice, want random ones", content, a)
		}
	}
}

func TestHostileDUIDFile(t *testing.T) {
	for name, prepare := range map[string]func(path string) error{
		"empty":     func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"short":     func(p string) error { return os.WriteFile(p, []byte{0, 1}, 0o600) },
		"long":      func(p string) error { return os.WriteFile(p, make([]byte, maxDUID+1), 0o600) },
		"FIFO":      func(p string) error { return unix.Mkfifo(p, 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"link":      func(p string) error { return os.Symlink("/etc/passwd", p) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t)
			if err := prepare(s.duidPath()); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(s.DUID()); got != hostDUID {
				t.Errorf("DUID %s, want a new one", got)
			}
			if w := s.Warnings(); len(w) != 1 {
				t.Errorf("warnings %q, want one", w)
			}
			if len(s.Warnings()) != 0 {
				t.Error("warned twice")
			}
		})
	}
}

func TestIAID(t *testing.T) {
	s := newTestStore(t)
	check := func(name string, index int, alias bool, want uint32) {
		t.Helper()
		if got := s.IAID(name, index, alias); got != want {
			t.Errorf("IAID of %s: %#x, want %#x", name, got, want)
		}
	}
	check("eth0", 2, false, 2)
	check("eth1", 3, false, 3)
	check("eth0", 9, false, 2) // known by name, whatever the index is now
	check("eth2", 2, false, 4) // the hint is taken
	check("lost", 0, false, 5) // 0 is no IAID
	check("eth0:1", 2, true, 0x80000000)
	check("eth0:2", 2, true, 0x80000001)
	check("eth3", 3, false, 0x80000002)
	flush(t, s)
	s = reopen(s)
	check("eth2", 7, false, 4)
	check("eth0:3", 2, true, 0x80000003) // its hint is that of eth0:1
	if w := s.Warnings(); len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
}

func TestIAIDOverflow(t *testing.T) {
	s := newTestStore(t)
	s.haveIAID = true
	s.iaid = []record{{1, "a"}, {2, "b"}, {0xffffffff, "c"}, {4, "d"}}
	if got := s.IAID("e", 4, false); got != 3 {
		t.Errorf("%d, want the lowest unused number 3", got)
	}
}

func TestIAIDTableIsBounded(t *testing.T) {
	s := newTestStore(t)
	s.haveIAID = true
	for i := range maxRecords {
		s.iaid = append(s.iaid, record{uint32(i + 1), "old" + string(rune('a'+i%26))})
	}
	s.IAID("new", 1, false)
	if len(s.iaid) != maxRecords {
		t.Errorf("%d records", len(s.iaid))
	}
	if got := len(appendIAIDs(nil, s.iaid)); got > maxRecords*recordLen {
		t.Errorf("file of %d octets could not be read back", got)
	}
}

// A failed write is not taken for a good one, and what comes while a write is
// under way is not lost.
func TestWriteFailsAndIsRepeated(t *testing.T) {
	s := newTestStore(t)
	s.dir = filepath.Join(s.dir, "state")
	if err := os.WriteFile(s.dir, nil, 0o600); err != nil { // a file in the place of the directory
		t.Fatal(err)
	}
	s.DUID()
	w := s.Unsaved()
	err := w.Do()
	if !errors.Is(err, unix.ENOTDIR) {
		t.Fatalf("write into a file: %v", err)
	}
	s.Saved(w, err)
	if err := os.Remove(s.dir); err != nil {
		t.Fatal(err)
	}
	w = s.Unsaved()
	if w == nil {
		t.Fatal("a failed write counts as done")
	}
	s.IAID("eth0", 2, false)
	if err := w.Do(); err != nil {
		t.Fatal(err)
	}
	s.Saved(w, nil)
	w = s.Unsaved()
	if w == nil || w.iaid == nil || w.duid != nil {
		t.Fatalf("unsaved %+v, want the IAIDs only", w)
	}
	// Two names come in while this write runs: one more write is due.
	s.IAID("eth1", 3, false)
	s.Saved(w, w.Do())
	flush(t, s)
	if got := reopen(s).IAID("eth1", 99, false); got != 3 {
		t.Errorf("eth1 has IAID %d after a restart, want 3", got)
	}
}

func TestHostileIAIDFile(t *testing.T) {
	good := appendIAIDs(nil, []record{{7, "eth0"}})
	rec := func(iaid uint32, name string) []byte { return appendIAIDs(nil, []record{{iaid, name}}) }
	unpadded := bytes.Clone(good)
	unpadded[35] = 'x'
	for name, c := range map[string]struct {
		content []byte
		want    []record
		bad     int
	}{
		"good":           {good, []record{{7, "eth0"}}, 0},
		"cut":            {good[:35], nil, 1},
		"tail":           {append(bytes.Clone(good), 1), []record{{7, "eth0"}}, 1},
		"zero":           {rec(0, "eth0"), nil, 1},
		"path":           {rec(1, "../eth0"), nil, 1},
		"no name":        {rec(1, ""), nil, 1},
		"long name":      {rec(1, "abcdefghijklmnop"), nil, 1},
		"control":        {rec(1, "e\x01"), nil, 1},
		"after the name": {unpadded, nil, 1},
		"name twice":     {append(bytes.Clone(good), rec(8, "eth0")...), []record{{7, "eth0"}}, 1},
		"number twice":   {append(bytes.Clone(good), rec(7, "eth1")...), []record{{7, "eth0"}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			got, bad := parseIAIDs(c.content)
			if d := cmp.Diff(c.want, got, cmp.AllowUnexported(record{})); d != "" || bad != c.bad {
				t.Errorf("%s%d bad, want %d", d, bad, c.bad)
			}
		})
	}
}

func TestIAIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{Dir: "/nonexistent", Links: fakeLinks{}})
		seen := map[uint32]string{}
		for range rapid.IntRange(0, 40).Draw(t, "n") {
			name := rapid.StringMatching(`[a-z]{1,3}(:[0-9])?`).Draw(t, "name")
			id := s.IAID(name, rapid.IntRange(0, 9).Draw(t, "index"), strings.Contains(name, ":"))
			if other, ok := seen[id]; id == 0 || ok && other != name {
				t.Fatalf("%s has the IAID %d of %s", name, id, other)
			}
			seen[id] = name
		}
		got, bad := parseIAIDs(appendIAIDs(nil, s.iaid))
		if d := cmp.Diff(s.iaid, got, cmp.AllowUnexported(record{})); d != "" || bad != 0 {
			t.Fatalf("%s%d bad", d, bad)
		}
	})
}

func FuzzIAIDFile(f *testing.F) {
	f.Add([]byte{})
	f.Add(appendIAIDs(nil, []record{{1, "eth0"}, {0x80000000, "eth0:1"}}))
	f.Add(make([]byte, 3*recordLen+1))
	f.Fuzz(func(t *testing.T, b []byte) {
		recs, _ := parseIAIDs(b)
		again, bad := parseIAIDs(appendIAIDs(nil, recs))
		if d := cmp.Diff(recs, again, cmp.AllowUnexported(record{})); d != "" || bad != 0 {
			t.Errorf("%s%d bad", d, bad)
		}
	})
}
