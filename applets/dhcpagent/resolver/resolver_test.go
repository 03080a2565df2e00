package resolver

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// fixture is a Resolver in a directory of its own, with tools that only say
// what they were told.
type fixture struct {
	*Resolver
	t     *testing.T
	root  string
	posts chan func()
	calls []string
	errs  []string
	fail  error // what the tools return
	hold  bool  // tools do not end
	ends  []func(error)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, root: t.TempDir(), posts: make(chan func(), 100)}
	for _, d := range []string{"/etc", "/run", "/usr/bin", "/sbin"} {
		if err := os.MkdirAll(f.root+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.Resolver = New(Options{
		Root: f.root,
		Post: func(fn func()) { f.posts <- fn },
		Run: func(argv []string, stdin string, done func(error)) {
			call := strings.Join(argv, " ")
			if stdin != "" {
				call += " <<" + stdin
			}
			f.calls = append(f.calls, strings.ReplaceAll(call, f.root, ""))
			if f.hold {
				f.ends = append(f.ends, done)
				return
			}
			done(f.fail)
		},
		Report: func(err error) { f.errs = append(f.errs, err.Error()) },
	})
	return f
}

// settle does what is posted until there is no more work.
func (f *fixture) settle() {
	f.t.Helper()
	for f.Busy() {
		select {
		case fn := <-f.posts:
			fn()
		case <-time.After(30 * time.Second):
			f.t.Fatal("the work does not end")
		}
	}
}

func (f *fixture) set(e Entry) {
	f.t.Helper()
	f.Set(e)
	f.settle()
}

func (f *fixture) remove(name string) {
	f.t.Helper()
	f.Remove(name, 4)
	f.settle()
}

func (f *fixture) write(path, text string) {
	f.t.Helper()
	if err := os.MkdirAll(filepath.Dir(f.root+path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(f.root+path, []byte(text), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) link(path, target string) {
	f.t.Helper()
	if err := os.Symlink(target, f.root+path); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) tool(path string) {
	f.t.Helper()
	f.write(path, "#!/bin/sh\n")
	if err := os.Chmod(f.root+path, 0o755); err != nil {
		f.t.Fatal(err)
	}
}

// read returns the contents of a file, "absent" if there is none.
func (f *fixture) read(path string) string {
	f.t.Helper()
	b, err := os.ReadFile(f.root + path)
	if errors.Is(err, os.ErrNotExist) {
		return "absent"
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

func (f *fixture) want(path, text string) {
	f.t.Helper()
	if d := cmp.Diff(text, f.read(path)); d != "" {
		f.t.Errorf("%s: %s", path, d)
	}
}

func (f *fixture) wantCalls(want ...string) {
	f.t.Helper()
	if d := cmp.Diff(want, f.calls); d != "" {
		f.t.Errorf("calls: %s", d)
	}
	f.calls = nil
}

func (f *fixture) wantErrors(want ...string) {
	f.t.Helper()
	if len(f.errs) != len(want) {
		f.t.Fatalf("errors %q, want %q", f.errs, want)
	}
	for i := range want {
		if !strings.Contains(f.errs[i], want[i]) {
			f.t.Errorf("error %q, want one about %q", f.errs[i], want[i])
		}
	}
	f.errs = nil
}

const (
	conf   = "/etc/resolv.conf"
	backup = "/etc/resolv.conf.before-dhcpagent"
	head   = "# Written by dhcpagent; the former file is kept beside it as resolv.conf.before-dhcpagent.\n"
	admin  = "nameserver 192.0.2.53\n"
)

func lease(name string, servers ...string) Entry {
	e := Entry{Name: name, Family: 4}
	for _, s := range servers {
		e.DNS = append(e.DNS, netip.MustParseAddr(s))
	}
	return e
}

func TestFileAndBackup(t *testing.T) {
	f := newFixture(t)
	f.write(conf, admin)
	if err := os.Chmod(f.root+conf, 0o640); err != nil {
		t.Fatal(err)
	}
	e := lease("eth0", "192.0.2.1", "2001:db8::1")
	e.Domain = "example.org"
	f.set(e)
	f.want(conf, head+"search example.org\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")
	f.want(backup, admin)
	e.Search = []string{"a.example", "b.example"}
	f.set(e)
	f.want(conf, head+"search a.example b.example\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n")
	f.want(backup, admin)
	f.remove("eth0")
	f.want(conf, admin)
	f.want(backup, "absent")
	if st, err := os.Stat(f.root + conf); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v; want 0640 again", st.Mode(), err)
	}
	f.wantErrors()
	f.wantCalls()
	left, _ := os.ReadDir(f.root + "/etc")
	if len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
}

func TestNoFileBefore(t *testing.T) {
	f := newFixture(t)
	f.write(backup, "stale\n")
	f.set(lease("eth0", "192.0.2.1"))
	f.want(conf, head+"nameserver 192.0.2.1\n")
	f.want(backup, "absent")
	f.remove("eth0")
	f.want(conf, "absent")
	f.wantErrors()
}

// A lease without servers leaves everything as it is; one that loses its
// servers gives the former file back. There is never an empty file.
func TestNoServers(t *testing.T) {
	f := newFixture(t)
	f.write(conf, admin)
	e := lease("eth0")
	e.Domain, e.Search = "example.org", []string{"example.org"}
	f.set(e)
	f.want(conf, admin)
	f.set(lease("eth0", "192.0.2.1"))
	f.want(conf, head+"nameserver 192.0.2.1\n")
	f.set(e)
	f.want(conf, admin)
	f.set(lease("eth0", "0.0.0.0"))
	f.want(conf, admin)
	f.wantErrors()
}

func TestMerge(t *testing.T) {
	f := newFixture(t)
	a := lease("eth0", "192.0.2.1", "192.0.2.2")
	a.Domain = "a.example"
	b := lease("wlan0", "192.0.2.3", "192.0.2.1")
	b.Search = []string{"b.example", "a.example"}
	b.Primary = true
	c := Entry{Name: "eth0", Family: 6, DNS: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}
	f.set(c)
	f.set(a)
	f.set(b)
	text := head + "search b.example a.example\nnameserver 192.0.2.3\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 2001:db8::1\n"
	f.want(conf, text)
	f.remove("wlan0")
	f.want(conf, head+"search a.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 2001:db8::1\n")
	f.Remove("eth0", 6)
	f.settle()
	f.want(conf, head+"search a.example\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n")
}

// What would be another line, or an option of a tool, is left out.
func TestHostileNames(t *testing.T) {
	f := newFixture(t)
	e := lease("eth0", "192.0.2.1")
	e.Search = []string{"a\nnameserver 6.6.6.6", "-x", "b c", "", "good.example", "\x00"}
	f.set(e)
	f.want(conf, head+"search good.example\nnameserver 192.0.2.1\n")
}

// After the agent was killed the file is still ours: it is neither backed up
// nor left for ever.
func TestRestart(t *testing.T) {
	f := newFixture(t)
	f.write(conf, admin)
	f.set(lease("eth0", "192.0.2.1"))
	f.Resolver = New(f.o)
	f.set(lease("eth0", "192.0.2.2"))
	f.want(conf, head+"nameserver 192.0.2.2\n")
	f.want(backup, admin)
	f.remove("eth0")
	f.want(conf, admin)
}

func TestSomebodyElseWrites(t *testing.T) {
	f := newFixture(t)
	f.write(conf, admin)
	f.set(lease("eth0", "192.0.2.1"))
	f.write(conf, "nameserver 192.0.2.99\n")
	f.remove("eth0")
	f.want(conf, "nameserver 192.0.2.99\n")
	f.set(lease("eth0", "192.0.2.1"))
	f.want(backup, "nameserver 192.0.2.99\n")
	f.remove("eth0")
	f.want(conf, "nameserver 192.0.2.99\n")
}

func TestLinks(t *testing.T) {
	for _, c := range []struct {
		name, target string
		prepare      func(f *fixture)
		written      string // where the text goes, "" for nowhere
		err          string
	}{
		{"to a file", "/run/resolv.conf", func(f *fixture) { f.write("/run/resolv.conf", admin) }, "/run/resolv.conf", ""},
		{"relative", "../run/resolv.conf", func(f *fixture) { f.write("/run/resolv.conf", admin) }, "/run/resolv.conf", ""},
		{"to a link", "/run/a", func(f *fixture) { f.link("/run/a", "b"); f.write("/run/b", admin) }, "/run/b", ""},
		{"dangling", "/run/nowhere/resolv.conf", func(*fixture) {}, "", "to nowhere"},
		{"to itself", "/etc/resolv.conf", func(*fixture) {}, "", "too many levels"},
		{"to a directory", "/run/dir", func(f *fixture) { f.write("/run/dir/x", "") }, "", "not a regular file"},
		{"NetworkManager", "/run/NetworkManager/resolv.conf", func(f *fixture) { f.write("/run/NetworkManager/resolv.conf", admin) }, "", "another program"},
		{"NetworkManager by an old name", "/var/run/NetworkManager/resolv.conf", func(f *fixture) { f.write("/var/run/NetworkManager/resolv.conf", admin) }, "", "another program"},
		{"systemd, mode file", "../run/systemd/resolve/stub-resolv.conf", func(f *fixture) { f.write("/run/systemd/resolve/stub-resolv.conf", admin) }, "", "another program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			c.prepare(f)
			f.link(conf, c.target)
			e := lease("eth0", "192.0.2.1")
			e.Mode = File
			f.set(e)
			if target, err := os.Readlink(f.root + conf); err != nil || target != c.target {
				t.Errorf("the link is %q, %v now", target, err)
			}
			if c.err != "" {
				f.wantErrors(c.err)
				f.remove("eth0")
				f.wantErrors()
				return
			}
			f.want(c.written, head+"nameserver 192.0.2.1\n")
			f.remove("eth0")
			f.want(c.written, admin)
			f.wantErrors()
		})
	}
}

// Only one report of the same failure, a new try with each renewal, and the
// rest goes on.
func TestFailureIsSaidOnce(t *testing.T) {
	f := newFixture(t)
	if err := os.RemoveAll(f.root + "/etc"); err != nil {
		t.Fatal(err)
	}
	f.write("/etc", "a file") // nothing can be written below it, not even by root
	for range 3 {
		f.set(lease("eth0", "192.0.2.1"))
	}
	f.wantErrors("not a directory")
	if err := os.Remove(f.root + "/etc"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	f.set(lease("eth0", "192.0.2.1"))
	f.want(conf, head+"nameserver 192.0.2.1\n")
	f.wantErrors()
}

func TestResolvconf(t *testing.T) {
	f := newFixture(t)
	f.write(conf, admin)
	f.tool("/sbin/resolvconf")
	e := lease("eth0:1", "192.0.2.1")
	e.Domain = "example.org"
	f.set(e)
	f.set(Entry{Name: "eth0", Family: 6, DNS: []netip.Addr{netip.MustParseAddr("2001:db8::1")}})
	f.set(e) // nothing new
	f.wantCalls(
		"/sbin/resolvconf -a eth0:1.dhcp4 <<search example.org\nnameserver 192.0.2.1\n",
		"/sbin/resolvconf -a eth0.dhcp6 <<nameserver 2001:db8::1\n",
	)
	f.remove("eth0:1")
	f.Remove("eth0", 6)
	f.settle()
	f.wantCalls("/sbin/resolvconf -d eth0:1.dhcp4", "/sbin/resolvconf -d eth0.dhcp6")
	f.want(conf, admin)
	f.wantErrors()
}

// systemd's resolvconf does not know what a protocol after the interface means,
// and in mode auto it is no sign of systemd-resolved being in charge.
func TestResolvconfOfSystemd(t *testing.T) {
	f := newFixture(t)
	f.tool("/usr/bin/resolvectl")
	f.link("/sbin/resolvconf", "../usr/bin/resolvectl")
	e := lease("eth0", "192.0.2.1")
	f.set(e)
	f.wantCalls()
	f.want(conf, head+"nameserver 192.0.2.1\n")
	e.Mode = Resolvconf
	f.set(e)
	f.wantCalls("/sbin/resolvconf -a eth0 <<nameserver 192.0.2.1\n")
	f.want(conf, "absent") // what the former mode did is undone
	f.wantErrors()
}

func TestResolved(t *testing.T) {
	f := newFixture(t)
	f.link(conf, "../run/systemd/resolve/stub-resolv.conf")
	e := lease("eth0", "192.0.2.1", "192.0.2.2")
	f.set(e)
	f.wantErrors("resolvectl is not installed")
	f.tool("/usr/bin/resolvectl")
	f.set(e)
	f.wantCalls("/usr/bin/resolvectl dns eth0 192.0.2.1 192.0.2.2", "/usr/bin/resolvectl domain eth0 ")
	e.Search = []string{"example.org", "example.net"}
	f.set(e)
	f.wantCalls("/usr/bin/resolvectl dns eth0 192.0.2.1 192.0.2.2", "/usr/bin/resolvectl domain eth0 example.org example.net")
	alias := lease("eth0:1", "192.0.2.3")
	f.set(alias) // the same interface for systemd
	f.wantCalls("/usr/bin/resolvectl dns eth0 192.0.2.1 192.0.2.2 192.0.2.3", "/usr/bin/resolvectl domain eth0 example.org example.net")
	f.remove("eth0:1")
	f.calls = nil
	f.remove("eth0")
	f.wantCalls("/usr/bin/resolvectl revert eth0")
	f.wantErrors()
}

func TestModeNone(t *testing.T) {
	f := newFixture(t)
	f.tool("/sbin/resolvconf")
	e := lease("eth0", "192.0.2.1")
	e.Mode = None
	f.set(e)
	f.wantCalls()
	f.want(conf, "absent")
}

// A tool that fails is tried again with the next renewal, and what it may have
// half done is undone at the end. What cannot be undone is not complained of.
func TestToolFails(t *testing.T) {
	f := newFixture(t)
	f.link(conf, "/run/systemd/resolve/stub-resolv.conf")
	f.tool("/usr/bin/resolvectl")
	f.fail = errors.New("no such service")
	e := lease("eth0", "192.0.2.1")
	f.set(e)
	f.set(e)
	f.wantErrors("no such service")
	f.fail = nil
	f.calls = nil
	f.set(e)
	f.wantCalls("/usr/bin/resolvectl dns eth0 192.0.2.1", "/usr/bin/resolvectl domain eth0 ")
	f.fail = errors.New("no such link")
	f.remove("eth0")
	f.wantErrors()
	f.fail = nil
	f.calls = nil
	f.set(lease("eth1", "192.0.2.1"))
	f.wantCalls("/usr/bin/resolvectl dns eth1 192.0.2.1", "/usr/bin/resolvectl domain eth1 ")
}

// Changes that come while a tool runs are joined: one run follows, not one a
// change, and tools never run side by side.
func TestChangesWhileBusy(t *testing.T) {
	f := newFixture(t)
	f.tool("/sbin/resolvconf")
	f.hold = true
	f.Set(lease("eth0", "192.0.2.1"))
	if !f.Busy() {
		t.Fatal("not busy")
	}
	idle := 0
	f.OnIdle(func() { idle++ })
	for _, s := range []string{"192.0.2.2", "192.0.2.3", "192.0.2.4"} {
		f.Set(lease("eth0", s))
	}
	f.Set(lease("eth1", "192.0.2.9"))
	f.Remove("eth1", 4)
	if len(f.ends) != 1 {
		t.Fatalf("%d tools at once", len(f.ends))
	}
	f.hold = false
	f.ends[0](nil)
	f.settle()
	f.wantCalls(
		"/sbin/resolvconf -a eth0.dhcp4 <<nameserver 192.0.2.1\n",
		"/sbin/resolvconf -a eth0.dhcp4 <<nameserver 192.0.2.4\n",
	)
	if idle != 1 {
		t.Errorf("told %d times of being idle", idle)
	}
	f.OnIdle(func() { idle++ })
	if idle != 2 {
		t.Error("not told of being idle already")
	}
}

// The command lines work with a program that reads them.
func TestStub(t *testing.T) {
	f := newFixture(t)
	f.write("/sbin/resolvconf", "#!/bin/sh\n{ echo \"$@\"; cat; } >>"+f.root+"/log\n")
	if err := os.Chmod(f.root+"/sbin/resolvconf", 0o755); err != nil {
		t.Fatal(err)
	}
	f.o.Run = func(argv []string, stdin string, done func(error)) {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		done(cmd.Run())
	}
	f.set(lease("eth0", "192.0.2.1"))
	f.remove("eth0")
	f.want("/log", "-a eth0.dhcp4\nnameserver 192.0.2.1\n-d eth0.dhcp4\n")
	f.wantErrors()
}

func TestLimits(t *testing.T) {
	var e Entry
	for i := range 100 {
		e.DNS = append(e.DNS, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		e.Search = append(e.Search, strings.Repeat("x", i+1))
	}
	if n := len(servers([]*Entry{&e})); n != maxServers {
		t.Errorf("%d servers", n)
	}
	if n := len(domains([]*Entry{&e})); n != maxSearch {
		t.Errorf("%d domains", n)
	}
}

func TestModes(t *testing.T) {
	for i, w := range strings.Split(Modes, "|") {
		if Mode(i).String() != w {
			t.Errorf("mode %d is %v, want %s", i, Mode(i), w)
		}
	}
	if Mode(99).String() != "unknown" {
		t.Error("mode 99 has a name")
	}
}

func TestDomain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	for text, want := range map[string]string{
		"":                                  "",
		"nameserver 192.0.2.1\n":            "",
		"domain example.org\n":              "example.org",
		"search a.example b.example\n":      "a.example",
		"domain a.example\nsearch b.c. d\n": "b.c",
		"search\ndomain\n":                  "",
		"domain a;b\n":                      "",
		"domain $x\nsearch good.example":    "good.example",
		strings.Repeat("x", 2<<20):          "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := Domain(path); got != want {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
	if got := Domain(path + ".no"); got != "" {
		t.Errorf("no file: %q", got)
	}
}

// A failure is told once, though its temporary file has another name each time.
func TestReportedOnce(t *testing.T) {
	var told []error
	r := New(Options{Report: func(err error) { told = append(told, err) }})
	for _, name := range []string{"/etc/.resolv.conf.1.tmp", "/etc/.resolv.conf.2.tmp"} {
		r.report(File, fmt.Errorf("replace: %w", &fs.PathError{Op: "open", Path: name, Err: unix.EROFS}))
	}
	for _, name := range []string{"/etc/.resolv.conf.3.tmp", "/etc/.resolv.conf.4.tmp"} {
		r.report(File, &os.LinkError{Op: "rename", Old: name, New: "/etc/resolv.conf", Err: unix.ENOSPC})
	}
	if len(told) != 2 {
		t.Errorf("told %v, want the first of a kind only", told)
	}
}
