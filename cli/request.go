package cli

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

func waitFlag() cli.Flag {
	return &cli.BoolFlag{Name: flagWait, Aliases: []string{"w"}, Usage: "follow the pipeline to its end; exit with 1 when a job of it failed"}
}

func recalcCommand() *cli.Command {
	return &cli.Command{
		Name:  "recalc",
		Usage: "request that the emissions of a module and year are computed anew, and then aggregated",
		Flags: []cli.Flag{databaseFlag(), redisFlag(), moduleFlag(), yearFlag(),
			typeFlag("data entry `TYPE` by name or number; all that can be computed when not given"), reasonFlag(), waitFlag()},
		Action: recalc,
	}
}

func recalc(c *cli.Context) error {
	if err := need(c, flagModule, flagYear); err != nil {
		return err
	}
	m, err := moduleOf(c)
	if err != nil {
		return err
	}
	types, err := typesOf(c, m)
	if err != nil {
		return err
	}
	var scopes []job.Scope
	for _, t := range types {
		scopes = append(scopes, job.RecalcOf(m.ID, t.ID, c.Int(flagYear)))
	}
	return request(c, m, scopes)
}

// typesOf returns the types of the module that are to be recalculated.
func typesOf(c *cli.Context, m catalog.Module) ([]catalog.DataEntryType, error) {
	if c.String(flagType) != "" {
		t, err := typeOf(c, m.DataEntryTypes)
		if err != nil {
			return nil, err
		}
		if err := t.CheckCalculated(); err != nil {
			return nil, refuse("--%s: %w", flagType, err)
		}
		return []catalog.DataEntryType{t}, nil
	}
	var types []catalog.DataEntryType
	for _, t := range m.DataEntryTypes {
		if t.Calculated() {
			types = append(types, t)
		}
	}
	if len(types) == 0 {
		return nil, refuse("--%s %s: Tidemark computes none of its data entry types; `tidemark aggregate` rolls up emissions that are there", flagModule, m.Name)
	}
	return types, nil
}

func aggregateCommand() *cli.Command {
	return &cli.Command{
		Name:   "aggregate",
		Usage:  "request that the emissions of a module and year are rolled up into the report statistics",
		Flags:  []cli.Flag{databaseFlag(), redisFlag(), moduleFlag(), yearFlag(), reasonFlag(), waitFlag()},
		Action: aggregate,
	}
}

func aggregate(c *cli.Context) error {
	if err := need(c, flagModule, flagYear); err != nil {
		return err
	}
	m, err := moduleOf(c)
	if err != nil {
		return err
	}
	return request(c, m, []job.Scope{job.AggregationOf(m.ID, c.Int(flagYear))})
}

// request records the request, signals it, says what became of it and follows it if asked to.
func request(c *cli.Context, m catalog.Module, scopes []job.Scope) error {
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	year := c.Int(flagYear)
	if err := checkDeclared(c.Context, pool, m.ID, m.Name, year); err != nil {
		return err
	}
	record := ledger.New(ledger.DefaultMaxHold)
	var started ledger.Started
	err = postgres.InTx(c.Context, pool, 5, func(tx pgx.Tx) (err error) {
		started, err = record.Start(c.Context, tx, ledger.NewPipeline{Kind: scopes[0].Type, ModuleType: m.ID, Year: year}, origin(c), scopes...)
		return err
	})
	if err != nil {
		return err
	}
	send(c, started.Tickets)
	printTickets(c, started.Pipeline, started.Tickets)
	if !c.Bool(flagWait) {
		return nil
	}
	return follow(c, record, pool, started.Pipeline)
}

func printTickets(c *cli.Context, pipeline uuid.UUID, tickets []ledger.Ticket) {
	fmt.Fprintf(c.App.Writer, "pipeline %s\n", pipeline)
	for _, t := range tickets {
		how := "joined, it was waiting already"
		if t.Created {
			how = "created"
		}
		fmt.Fprintf(c.App.Writer, "job %d  %s  %s\n", t.JobID, scopeName(t.Scope), how)
	}
}

// scopeName is a scope as people say it.
func scopeName(s job.Scope) string {
	if s.Type == job.EmissionRecalc {
		return fmt.Sprintf("%s %s %d", s.Type, typeName(s.DataEntryType), s.Year)
	}
	return fmt.Sprintf("%s %s %d", s.Type, moduleName(s.ModuleType), s.Year)
}
