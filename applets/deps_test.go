package applets

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Packages that no binary may contain, with the reason. An entry that ends in
// "/..." stands for everything below as well.
var forbidden = map[string]string{
	"C":                                   "the binary is static",
	"net/http/...":                        "adds 3.4 MB; nothing here serves HTTP",
	"html/template":                       "pulls net/http's helpers and reflection in",
	"crypto/tls":                          "adds 2 MB; nothing here speaks TLS",
	"log/syslog":                          "blocks; core/log never does",
	"testing/...":                         "belongs to tests",
	"plugin":                              "the binary is static",
	"encoding/gob":                        "reflection; JSON is there already",
	"net/rpc":                             "pulls net/http in",
	"expvar":                              "pulls net/http in",
	"time/tzdata":                         "adds 450 kB",
	"debug/elf":                           "belongs to tests",
	"go/parser":                           "belongs to tests",
	"github.com/google/go-cmp/...":        "belongs to tests; adds 1.5 MB",
	"pgregory.net/rapid/...":              "belongs to tests",
	"github.com/rogpeppe/go-internal/...": "belongs to tests",
	"github.com/vishvananda/netlink/...":  "core/rtnl does this",
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4": "own goroutines, timers and retry rules",
	"github.com/insomniacslk/dhcp/dhcpv4/client4":  "own goroutines, timers and retry rules",
	"github.com/insomniacslk/dhcp/dhcpv4/server4":  "own goroutines and sockets",
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6": "own goroutines, timers and retry rules",
	"github.com/insomniacslk/dhcp/dhcpv6/client6":  "own goroutines, timers and retry rules",
	"github.com/insomniacslk/dhcp/dhcpv6/server6":  "own goroutines and sockets",
	"gvisor.dev/gvisor/...":                        "adds 3 MB and 0.4 ms to every start; only rump_server has it",
	"github.com/spf13/cobra/doc":                   "pulls YAML in",
	"golang.org/x/net/http2":                       "pulls net/http in",
	"github.com/mdlayher/netlink/nltest":           "belongs to tests",
	"daemonbox/core/sim":                           "belongs to tests; it links package testing",
	"testing":                                      "belongs to tests",
}

// allowed lifts a rule where an applet is the reason for the package.
var allowed = map[string][]string{
	"rump_server": {"gvisor.dev/gvisor/..."},
}

func covers(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pkg == pattern
}

func TestForbiddenInBinary(t *testing.T) {
	for _, s := range tagSets(t) {
		may := func(pattern string) bool {
			for _, row := range s.rows {
				for _, p := range allowed[row] {
					if p == pattern {
						return true
					}
				}
			}
			return false
		}
		for _, p := range goList(t, "-deps", "-tags", strings.Join(s.tags, ","), "daemonbox") {
			for pattern, reason := range forbidden {
				if covers(pattern, p.ImportPath) && !may(pattern) {
					t.Errorf("%s: the binary contains %s: %s", s.name, p.ImportPath, reason)
				}
			}
		}
	}
}

// pkg is what these tests need of go list's answer.
type pkg struct {
	ImportPath string
	Dir        string
	Standard   bool
	Imports    []string
	GoFiles    []string
}

func goList(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Standard,Imports,GoFiles"}, args...)...)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var list []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

const (
	module = "daemonbox/"
	wings  = module + "applets/"
)

// machines are the packages without input, output, clock and goroutines.
var machines = map[string]bool{
	module + "core/timer":                     true,
	module + "core/rawsock/frame":             true,
	module + "applets/dhcpagent/api":          true,
	module + "applets/dhcpagent/dhcp4":        true,
	module + "applets/dhcpagent/dhcp4/server": true,
	module + "applets/dhcpagent/dhcp6":        true,
	module + "applets/mpathd/ipmp":            true,
	module + "applets/lamd/node":              true,
	module + "applets/lamd/wire":              true,
	module + "applets/rumpserver/sysproxy":    true,
}

// worldly are packages that a machine must not import itself.
var worldly = map[string]string{
	"os": "files and the environment are the shell's", "os/exec": "programs are the shell's",
	"os/signal": "signals are the loop's", "syscall": "system calls are the shell's",
	"golang.org/x/sys/unix": "system calls are the shell's",
	"log":                   "machines log by their effects", "sync": "one goroutine owns a machine",
	"sync/atomic": "one goroutine owns a machine", "context": "nothing waits in a machine",
	"math/rand": "the generator is given at construction", "crypto/rand": "may block at boot",
	"io/ioutil": "files are the shell's", "runtime": "nothing of it is needed in a machine",
	module + "core/event": "the loop is the shell's", module + "core/log": "machines log by their effects",
	module + "core/rtnl": "the kernel is the shell's", module + "core/control": "sockets are the shell's",
	module + "core/rawsock": "sockets are the shell's", module + "core/proc": "processes are the shell's",
}

// Rules about who may import whom, each with its reason.
var rules = []struct {
	reason  string
	applies func(importer, imported string) bool
}{
	{"core serves the applets and does not know them", func(by, p string) bool {
		return under(by, module+"core") && under(p, module+"applets")
	}},
	{"core/timer uses the standard library alone", func(by, p string) bool {
		return by == module+"core/timer" && strings.Contains(p, "/") && strings.Contains(strings.Split(p, "/")[0]+"/", ".") ||
			by == module+"core/timer" && strings.HasPrefix(p, module)
	}},
	{"core/event and core/sim know timers, no protocols", func(by, p string) bool {
		return (by == module+"core/event" || by == module+"core/sim") && strings.HasPrefix(p, module) && p != module+"core/timer"
	}},
	{"a wing does not look into another wing", func(by, p string) bool {
		return wing(by) != "" && wing(p) != "" && wing(by) != wing(p)
	}},
	{"the wings do not know the table", func(by, p string) bool {
		return wing(by) != "" && (p == module+"applets" || p == "daemonbox")
	}},
	{"netlink is core/rtnl's and core/ipinst's", func(by, p string) bool {
		return under(p, "github.com/mdlayher/netlink") && by != module+"core/rtnl" && by != module+"core/ipinst"
	}},
	{"packet sockets are core/rawsock's", func(by, p string) bool {
		return under(p, "github.com/mdlayher/packet") && !under(by, module+"core/rawsock")
	}},
	{"gVisor is rumpserver/netback's", func(by, p string) bool {
		return under(p, "gvisor.dev/gvisor") && by != wings+"rumpserver/netback"
	}},
	{"cobra is for shells and tools", func(by, p string) bool {
		return under(p, "github.com/spf13") && (machines[by] || under(by, module+"core"))
	}},
	{"random numbers may not wait for entropy: use math/rand/v2", func(_, p string) bool {
		return p == "crypto/rand" || p == "math/rand"
	}},
	{"unsafe pointers stay in core", func(by, p string) bool {
		return p == "unsafe" && !under(by, module+"core")
	}},
}

func under(p, base string) bool { return p == base || strings.HasPrefix(p, base+"/") }

// wing is the first element below applets/.
func wing(p string) string {
	rest, ok := strings.CutPrefix(p, wings)
	if !ok {
		return ""
	}
	w, _, _ := strings.Cut(rest, "/")
	return w
}

// Our own packages keep to the layers. Programs that only make the binary's
// parts or serve tests are held to the same.
func TestLayers(t *testing.T) {
	for _, p := range goList(t, "daemonbox/...") {
		for _, i := range p.Imports {
			for _, r := range rules {
				if r.applies(p.ImportPath, i) {
					t.Errorf("%s imports %s: %s", p.ImportPath, i, r.reason)
				}
			}
			if reason := worldly[i]; reason != "" && machines[p.ImportPath] {
				t.Errorf("%s imports %s: %s", p.ImportPath, i, reason)
			}
		}
	}
}

// Calls that a machine must not make although it imports their package for
// other things.
var hidden = map[string]string{
	"time.Now": "every input carries now", "time.Since": "every input carries now", "time.Until": "every input carries now",
	"time.Sleep": "nothing waits in a machine", "time.After": "timers are effects", "time.AfterFunc": "timers are effects",
	"time.NewTimer": "timers are effects", "time.NewTicker": "timers are effects", "time.Tick": "timers are effects",
	"rand.Int": "the generator is given", "rand.IntN": "the generator is given", "rand.Uint32": "the generator is given",
	"rand.Uint64": "the generator is given", "rand.Float64": "the generator is given", "rand.N": "the generator is given",
	"rand.Int64N": "the generator is given", "rand.Shuffle": "the generator is given", "rand.Perm": "the generator is given",
	"rand.Uint32N": "the generator is given", "rand.Uint64N": "the generator is given", "rand.Int63n": "the generator is given",
	"slog.Info": "machines log by their effects", "slog.Warn": "machines log by their effects",
	"slog.Error": "machines log by their effects", "slog.Debug": "machines log by their effects",
	"slog.Default": "machines log by their effects", "fmt.Print": "machines print nothing",
	"fmt.Println": "machines print nothing", "fmt.Printf": "machines print nothing",
	// The codecs speak of net.IP and net.HardwareAddr, so net itself may be there.
	"net.Dial": "sockets are the shell's", "net.DialTimeout": "sockets are the shell's",
	"net.Listen": "sockets are the shell's", "net.ListenPacket": "sockets are the shell's",
	"net.DialUDP": "sockets are the shell's", "net.ListenUDP": "sockets are the shell's",
	"net.Interfaces": "the kernel is the shell's", "net.InterfaceByName": "the kernel is the shell's",
	"net.InterfaceByIndex": "the kernel is the shell's", "net.InterfaceAddrs": "the kernel is the shell's",
	"net.LookupHost": "names are the shell's", "net.LookupIP": "names are the shell's",
	"net.ResolveUDPAddr": "names are the shell's", "net.ResolveIPAddr": "names are the shell's",
}

func TestMachinesArePure(t *testing.T) {
	seen := 0
	for _, p := range goList(t, "daemonbox/...") {
		if !machines[p.ImportPath] {
			continue
		}
		seen++
		for _, f := range p.GoFiles {
			inspect(t, filepath.Join(p.Dir, f), impure)
		}
	}
	if seen == 0 {
		t.Error("no machine was found")
	}
}

func impure(n ast.Node) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a goroutine: one goroutine owns a machine"
	case *ast.SelectStmt, *ast.SendStmt, *ast.ChanType:
		return "a channel: one goroutine owns a machine"
	case *ast.CallExpr:
		sel, ok := n.Fun.(*ast.SelectorExpr)
		if !ok {
			return ""
		}
		x, ok := sel.X.(*ast.Ident)
		if !ok {
			return ""
		}
		if name := x.Name + "." + sel.Sel.Name; hidden[name] != "" {
			return name + ": " + hidden[name]
		}
	}
	return ""
}

// What would cost every applet start time or size, anywhere in our code.
func TestHouseRules(t *testing.T) {
	for _, p := range goList(t, "daemonbox/...") {
		for _, f := range p.GoFiles {
			inspect(t, filepath.Join(p.Dir, f), func(n ast.Node) string {
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return ""
				}
				switch sel.Sel.Name {
				case "SetUsageTemplate", "SetHelpTemplate", "SetVersionTemplate":
					return "cobra's " + sel.Sel.Name + " makes text/template reachable: 3 MiB"
				}
				return ""
			})
			initialisers(t, p, filepath.Join(p.Dir, f))
		}
	}
}

func inspect(t *testing.T, file string, bad func(ast.Node) string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if n != nil {
			if text := bad(n); text != "" {
				t.Errorf("%s: %s", fset.Position(n.Pos()), text)
			}
		}
		return true
	})
}

// initialisers finds init functions outside the table, and package variables
// that compile expressions or read the environment at start.
func initialisers(t *testing.T, p pkg, file string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" && p.ImportPath != module+"applets" {
				t.Errorf("%s: only the table of applets has init functions", fset.Position(d.Pos()))
			}
		case *ast.GenDecl:
			ast.Inspect(d, func(n ast.Node) bool {
				if _, ok := n.(*ast.FuncLit); ok {
					return false // runs later
				}
				sel, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if x, ok := sel.X.(*ast.Ident); ok {
					switch name := x.Name + "." + sel.Sel.Name; name {
					case "regexp.MustCompile", "regexp.Compile", "os.Getenv", "os.LookupEnv", "os.Hostname", "os.Open", "os.ReadFile":
						t.Errorf("%s: %s at start costs every applet", fset.Position(n.Pos()), name)
					}
				}
				return true
			})
		}
	}
}

// Each row's file is named after its applet and its tag, and nothing else
// stands in the way of finding it.
func TestRowFiles(t *testing.T) {
	for name, file := range rowFiles(t) {
		if file != strings.ReplaceAll(name, ".", "")+".go" {
			t.Errorf("the row of %s is in %s", name, file)
		}
		row := false
		inspect(t, file, func(n ast.Node) string {
			if kv, ok := n.(*ast.KeyValueExpr); ok {
				if k, ok := kv.Key.(*ast.Ident); ok && k.Name == "Name" {
					v, ok := kv.Value.(*ast.BasicLit)
					row = row || ok && v.Value == strconv.Quote(name)
				}
			}
			return ""
		})
		if !row {
			t.Errorf("%s has no row named %q", file, name)
		}
	}
}
