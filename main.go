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
	// The first signal asks for an orderly end; a second one gets its usual meaning back.
	context.AfterFunc(ctx, restore)
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
