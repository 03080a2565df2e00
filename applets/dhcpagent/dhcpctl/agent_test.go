package dhcpctl

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"daemonbox/applets/dhcpagent/api"
	"daemonbox/core/control"
	"daemonbox/core/event"
	"daemonbox/core/proc"
)

// TestMain lets the test binary be the agent that dhcpctl starts: it calls
// itself by that name.
func TestMain(m *testing.M) {
	if os.Args[0] == "dhcpagent" {
		os.Exit(standIn(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// standIn is an agent that detaches and answers everything with SUCCESS.
func standIn(args []string) int {
	if os.Getenv("STANDIN") == "refuse" {
		fmt.Fprintln(os.Stderr, "dhcpagent: CAP_NET_ADMIN is missing")
		return 1
	}
	ready, verdict, err := proc.Daemonize()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if verdict != nil {
		return verdict.Code
	}
	if len(args) != 2 || args[0] != "--socket" {
		ready.Report(1, fmt.Sprintf("arguments %q\n", args))
		return 1
	}
	loop, err := event.New(event.Parked)
	if err == nil {
		_, err = control.Listen(loop, control.ServerOptions{Path: args[1], Handler: func(r *control.Request) {
			r.Reply(int(api.Success), api.Success.Name(), "", nil)
		}})
	}
	if err == nil {
		err = os.WriteFile(args[1]+".pid", []byte(strconv.Itoa(os.Getpid())), 0o600)
	}
	if err != nil {
		ready.Report(1, err.Error()+"\n")
		return 1
	}
	ready.Report(0, "")
	_ = loop.Run()
	return 0
}

func TestStartsTheAgent(t *testing.T) {
	dir, err := os.MkdirTemp("", "start")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	socket := filepath.Join(dir, "sock")
	for range 2 { // the second time it is there
		if got := run("--socket", socket, "eth0", "start"); got != (outcome{}) {
			t.Fatalf("%+v", got)
		}
	}
	b, err := os.ReadFile(socket + ".pid")
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestAgentDoesNotStart(t *testing.T) {
	t.Setenv("STANDIN", "refuse")
	got := run("--socket", t.TempDir()+"/sock", "eth0", "start")
	if got.Status != exitFailure || !strings.Contains(got.Stderr, "CAP_NET_ADMIN is missing") {
		t.Errorf("%+v", got)
	}
}

// A reader of the output that has gone away is no reason to say nothing.
func TestOutputFails(t *testing.T) {
	a := agentWith(t, statuses())
	cmd := exec.Command("/bin/sh", "-c", "exit 0")
	w, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	env := environment(t.Context(), "dhcpctl", nil, nil)
	var errs strings.Builder
	env.Stdout, env.Stderr = w, &errs
	if status := Main(env, []string{"--socket", a.Socket, "eth0", "status"}); status != exitSystem || errs.Len() == 0 {
		t.Errorf("status %d, %s", status, errs.String())
	}
}

func TestHostInterfaces(t *testing.T) {
	got, err := hostInterfaces()
	if err != nil {
		t.Fatal(err)
	}
	ifs, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, i := range ifs {
		if i.Flags&net.FlagLoopback == 0 {
			want = append(want, i.Name)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
