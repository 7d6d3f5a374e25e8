package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/urfave/cli/v2"

	"tidemark/shared/freshness"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

// connect opens the record for a short command and checks that it can be worked on.
func connect(c *cli.Context) (*pgxpool.Pool, error) {
	pool, err := postgres.Connect(c.Context, postgres.Options{URL: c.String(flagDatabase), AppName: "tidemark " + c.Command.Name})
	if err != nil {
		return nil, refusedError{err}
	}
	if err := postgres.CheckSchema(c.Context, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// send signals what was requested. That it failed is no failure of the command: the
// request is recorded, and the relay signals it.
func send(c *cli.Context, tickets []ledger.Ticket) {
	if len(tickets) == 0 {
		return
	}
	rdb, err := signal.Connect(c.String(flagRedis))
	if err == nil {
		defer rdb.Close()
		err = signal.NewSender(rdb).Send(c.Context, tickets...)
	}
	if err != nil {
		fmt.Fprintf(c.App.ErrWriter, "tidemark: the request is recorded, the workers could not be woken (%v); the scheduler will do it\n", err)
	}
}

// checkDeclared refuses a scope that no report has: a slip of the finger would otherwise
// be computed, successfully, over nothing.
func checkDeclared(ctx context.Context, db postgres.Querier, moduleID int, moduleName string, year int) error {
	years, err := freshness.DeclaredYears(ctx, db, moduleID)
	if err != nil {
		return err
	}
	switch {
	case slices.Contains(years, year):
		return nil
	case len(years) == 0:
		return refuse("no report has the module %s yet; load entries first, for example with `tidemark load entries --create-units`", moduleName)
	default:
		words := strings.Trim(strings.ReplaceAll(fmt.Sprint(years), " ", ", "), "[]")
		return refuse("no report of %d has the module %s; there are reports for %s", year, moduleName, words)
	}
}
