package applets

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkExec is exec to exit of the binary without an applet's work, and of
// the smallest program that Debian has, one after the other in the same run.
// The ratio of their medians is reported.
func BenchmarkExec(b *testing.B) {
	path := filepath.Join(b.TempDir(), binary)
	build(b, tagSet{name: "all"}, path)
	peer, args := "/bin/true", []string(nil)
	for _, name := range []string{"../.peers/root/usr/bin/busybox", "busybox"} {
		if found, err := exec.LookPath(name); err == nil {
			peer, args = found, []string{"true"}
			break
		}
	}
	var ours, theirs []time.Duration
	for b.Loop() {
		ours = append(ours, runTime(b, path, "--version"))
		theirs = append(theirs, runTime(b, peer, args...))
	}
	o, p := median(ours), median(theirs)
	b.ReportMetric(float64(o.Microseconds()), "µs/exec")
	b.ReportMetric(float64(p.Microseconds()), "µs/"+filepath.Base(peer))
	b.ReportMetric(float64(o)/float64(p), "ratio")
}

func runTime(b *testing.B, path string, args ...string) time.Duration {
	b.Helper()
	cmd := exec.Command(path, args...)
	start := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
