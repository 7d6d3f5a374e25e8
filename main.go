// Command tidemark keeps derived aggregates fresh, and says so when they are not.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"tidemark/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	// The first signal asks for an orderly end. A second Ctrl-C gets its usual meaning back;
	// further SIGTERMs change nothing, for supervisors send several, and who means it has SIGKILL.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt) })
	return cli.Run(ctx, version(), os.Args[1:], os.Stdout, os.Stderr)
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}
