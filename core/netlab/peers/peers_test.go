package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSets(t *testing.T) {
	all, err := wanted(nil)
	if err != nil || len(all) != len(sets) {
		t.Errorf("all sets: %v, %v", all, err)
	}
	if _, err := wanted([]string{"kea", "nonsense"}); err == nil {
		t.Error("an unknown set is taken")
	}
	if got, want := packagesOf([]string{"dhclient", "busybox"}), []string{"busybox", "iproute2", "isc-dhcp-client", "udhcpc"}; !slices.Equal(got, want) {
		t.Errorf("packages %v, want %v", got, want)
	}
}

func TestKeepHosts(t *testing.T) {
	asked := []string{"busybox", "dnsmasq-base", "isc-dhcp-server"}
	for name, want := range map[string]bool{
		"dnsmasq-base": false, "kea-common": false, "libssl3": false, "libstdc++6": false, "zlib1g": false,
		"libc6": true, "libcrypt1": true, "libpam0g": true, "libperl5.36": true, "perl-base": true, "dpkg": true,
		"libtext-glob-perl": true, "libcap2-bin": true, "libpam-modules": true, "adduser": true,
	} {
		if got := keepHosts(name, asked); got != want {
			t.Errorf("%s is left to the host: %v, want %v", name, got, want)
		}
	}
}

// TestMergeUsr moves what lies outside /usr into it, beside what is there.
func TestMergeUsr(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"sbin/ip": "ip", "lib/x/liba.so": "a", "usr/lib/x/libb.so": "b", "etc/conf": "c",
	} {
		p := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing to do
		if err := mergeUsr(root); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"usr/sbin/ip": "ip", "usr/lib/x/liba.so": "a", "usr/lib/x/libb.so": "b", "etc/conf": "c",
	} {
		if b, err := os.ReadFile(filepath.Join(root, path)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	for _, gone := range []string{"sbin", "lib"} {
		if _, err := os.Lstat(filepath.Join(root, gone)); !os.IsNotExist(err) {
			t.Errorf("/%s is still there: %v", gone, err)
		}
	}
}

// TestStamp writes and reads what is known about the folder; a broken one
// means that nothing is there.
func TestStamp(t *testing.T) {
	dir := t.TempDir()
	empty := stamp{Packages: map[string]string{}}
	if diff := cmp.Diff(empty, readStamp(dir)); diff != "" {
		t.Errorf("without a file:\n%s", diff)
	}
	want := stamp{Sets: []string{"kea"}, Packages: map[string]string{"kea-common": "2.2.0-6"}}
	if err := writeStamp(dir, want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, readStamp(dir)); diff != "" {
		t.Errorf("what was written is read as:\n%s", diff)
	}
	for _, bad := range []string{"", "{", `{"packages":null}`, `{"packages":7}`} {
		if err := os.WriteFile(filepath.Join(dir, "peers.json"), []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(empty, readStamp(dir)); diff != "" {
			t.Errorf("%q is read as:\n%s", bad, diff)
		}
	}
}
