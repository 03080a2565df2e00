// Daemonbox is several daemons in one binary: the name it is called by says
// which. See applets.Main for how that is decided.
package main

import (
	"context"
	"os"

	"daemonbox/applets"
	"daemonbox/core/applet"
)

// version is set by the build: -ldflags '-X main.version=…'.
var version = "unknown"

func main() {
	os.Exit(applets.Main(applet.Env{
		Ctx:    context.Background(),
		Stdin:  os.Stdin,
		Stdout: os.Stdout,
		Stderr: os.Stderr,
		Getenv: os.Getenv,

		Version: version,
	}, os.Args))
}
