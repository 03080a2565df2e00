package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"daemonbox/core/event"
)

const patience = 10 * time.Second

// The test binary plays other processes too: what it is to do stands in this
// variable.
const roleVar = "DAEMONBOX_PROC_TEST_ROLE"

func TestMain(m *testing.M) {
	role := os.Getenv(roleVar)
	if role == "" {
		os.Exit(m.Run())
	}
	os.Exit(play(role))
}

// as prepares this binary for a role.
func as(role string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	return cmd
}

type result struct {
	code           int
	stdout, stderr string
}

func run(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// onLoop runs fn on a loop; the loop ends when fn's callbacks call stop.
func onLoop(t *testing.T, fn func(loop *event.Loop, stop func())) {
	t.Helper()
	loop, err := event.New(event.Parked)
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	late := loop.Timer("patience", func() {
		t.Error("the test hangs")
		loop.Stop()
	})
	late.Set(loop.Now().Add(patience))
	loop.Post(func() { fn(loop, loop.Stop) })
	if err := loop.Run(); err != nil {
		t.Fatal(err)
	}
}

func play(role string) int {
	switch role {
	case "daemon":
		return playDaemon()
	case "holder":
		return playHolder()
	case "subreaper":
		return playSubreaper()
	}
	fmt.Fprintln(os.Stderr, "no such role:", role)
	return 99
}
