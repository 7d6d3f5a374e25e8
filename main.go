// Command tidemark keeps derived aggregates fresh, and says so when they are not.
package main

import (
	"context"
	"os"
	"os/signal"
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
	return cli.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}
