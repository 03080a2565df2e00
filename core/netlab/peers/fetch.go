package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// fetch downloads and unpacks packages and the libraries they need.
func fetch(dir string, packages []string, st *stamp) error {
	list, err := resolve(packages)
	if err != nil {
		// A fresh machine or container image comes without package lists.
		if uerr := apt("", "update"); uerr != nil {
			return uerr
		}
		if list, err = resolve(packages); err != nil {
			return err
		}
	}
	debs := filepath.Join(dir, "deb")
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(debs, 0o755); err != nil {
		return err
	}
	var need []deb
	for _, d := range list {
		if st.Packages[d.name] != d.version && !keepHosts(d.name, packages) {
			need = append(need, d)
		}
	}
	if err := download(debs, need); err != nil {
		return err
	}
	for _, d := range need {
		if err := command("", "dpkg-deb", "-x", filepath.Join(debs, d.file), root); err != nil {
			return err
		}
		st.Packages[d.name] = d.version
	}
	if err := mergeUsr(root); err != nil {
		return err
	}
	return os.RemoveAll(debs)
}

// deb is one package file of the archive.
type deb struct{ name, version, file string }

// resolve lets apt work out the closure of dependencies as on an empty system,
// so that the answer does not depend on what this host has installed.
func resolve(packages []string) ([]deb, error) {
	args := append([]string{
		"-qq", "-y", "--print-uris", "--no-install-recommends",
		"-o", "Dir::State::status=/dev/null", "-o", "Debug::NoLocking=1", "install",
	}, packages...)
	cmd := exec.Command("apt-get", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w: %s", strings.Join(packages, " "), err, strings.TrimSpace(stderr.String()))
	}
	var list []deb
	for line := range strings.Lines(string(out)) {
		// 'URI' name_version_arch.deb size hash
		f := strings.Fields(line)
		if len(f) < 2 || !strings.HasSuffix(f[1], ".deb") {
			continue
		}
		part := strings.Split(f[1], "_")
		version, err := url.PathUnescape(part[1])
		if len(part) != 3 || err != nil {
			return nil, fmt.Errorf("unexpected file name %q from apt-get", f[1])
		}
		list = append(list, deb{part[0], version, f[1]})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("apt-get knows no files for %s", strings.Join(packages, " "))
	}
	return list, nil
}

// keepHosts tells the packages that are not unpacked: the dynamic loader and
// the C library must be the host's own pair, and what only maintainer scripts
// use is of no use here.
func keepHosts(name string, asked []string) bool {
	if slices.Contains(asked, name) || name == "kea-common" {
		return false
	}
	if !strings.HasPrefix(name, "lib") && name != "zlib1g" {
		return true
	}
	for _, p := range []string{"libc6", "libcrypt1", "libpam", "libperl", "libsemanage", "libsepol"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return strings.HasSuffix(name, "-perl") || strings.HasSuffix(name, "-bin") ||
		strings.Contains(name, "-modules")
}

// mergeUsr moves what packages still carry outside /usr to where Debian 12
// has it: /bin, /sbin and /lib are links into /usr there.
func mergeUsr(root string) error {
	for _, d := range []string{"bin", "sbin", "lib", "lib64"} {
		from, to := filepath.Join(root, d), filepath.Join(root, "usr", d)
		if fi, err := os.Lstat(from); err != nil || !fi.IsDir() {
			continue
		}
		if err := moveTree(from, to); err != nil {
			return fmt.Errorf("merge /%s into /usr: %w", d, err)
		}
		if err := os.RemoveAll(from); err != nil {
			return err
		}
	}
	return nil
}

// moveTree moves everything below from to the same place below to.
func moveTree(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		if e.IsDir() {
			if err := moveTree(src, dst); err != nil {
				return err
			}
			continue
		}
		if err := os.Rename(src, dst); err != nil {
			return err
		}
	}
	return nil
}

// download fetches package files into dir, all with one call.
func download(dir string, list []deb) error {
	if len(list) == 0 {
		return nil
	}
	// Files are made by root, who may write to dir; apt's own user may not.
	args := []string{"-o", "APT::Sandbox::User=root", "download"}
	for _, d := range list {
		args = append(args, d.name+"="+d.version)
	}
	return apt(dir, args...)
}

func apt(dir string, args ...string) error {
	return command(dir, "apt-get", append([]string{"-q"}, args...)...)
}

// command runs a program to its end and shows its output only if it fails.
func command(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, bytes.TrimSpace(out))
	}
	return nil
}
