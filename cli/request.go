package cli

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
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
		Usage: "request that the emissions of modules and years are computed anew, and then aggregated",
		Description: "Each module and year is a pipeline of its own. What waits already is joined, so that a repeated\n" +
			"command changes nothing. With --all-stale or --why, a module whose emissions Tidemark does not\n" +
			"compute is aggregated.",
		Flags: slices.Concat(requestFlags(), []cli.Flag{typeFlag("data entry `TYPE` of one module, by name or number; all that can be computed when not given")}),
		Action: func(c *cli.Context) error {
			return request(c, func(m catalog.Module, year int) ([]job.Scope, error) {
				types, err := typesOf(c, m)
				if err != nil {
					return nil, err
				}
				var scopes []job.Scope
				for _, t := range types {
					scopes = append(scopes, job.RecalcOf(m.ID, t.ID, year))
				}
				return scopes, nil
			})
		},
	}
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
	if len(types) == 0 && !byState(c) {
		return nil, refuse("--%s %s: Tidemark computes none of its data entry types; `tidemark aggregate` rolls up emissions that are there", flagModule, m.Name)
	}
	return types, nil
}

func aggregateCommand() *cli.Command {
	return &cli.Command{
		Name:  "aggregate",
		Usage: "request that the emissions of modules and years are rolled up into the report statistics",
		Flags: requestFlags(),
		Action: func(c *cli.Context) error {
			return request(c, func(catalog.Module, int) ([]job.Scope, error) { return nil, nil })
		},
	}
}

const (
	flagAllStale = "all-stale"
	flagDryRun   = "dry-run"
	flagYes      = "yes"
	// manyTargets is from how many modules and years on a person is asked.
	manyTargets = 10
)

func requestFlags() []cli.Flag {
	return []cli.Flag{databaseFlag(), redisFlag(), modulesFlag(), yearsFlag(),
		&cli.BoolFlag{Name: flagAllStale, Usage: "every module and year that is stale or has drifted; --module and --year narrow it"},
		whyFlag(), olderThanFlag(), reasonFlag(), waitFlag(),
		&cli.BoolFlag{Name: flagDryRun, Aliases: []string{"n"}, Usage: "say what would be requested, and request nothing"},
		formatFlag(formatText, formatJSON),
		&cli.BoolFlag{Name: flagYes, Usage: fmt.Sprintf("do not ask before %d modules and years or more are requested on a terminal", manyTargets)}}
}

// target is a pipeline that is to be requested.
type target struct {
	module catalog.Module
	year   int
	scopes []job.Scope
}

// byState reports whether modules and years are selected by how fresh they are.
func byState(c *cli.Context) bool { return c.Bool(flagAllStale) || c.IsSet(flagWhy) }

// request records the requests, signals them, says what became of them and follows them if asked
// to. scopesOf says what of a module and year is wanted; nothing means its aggregation.
func request(c *cli.Context, scopesOf func(catalog.Module, int) ([]job.Scope, error)) error {
	if !byState(c) {
		if err := need(c, flagModule, flagYear); err != nil {
			return err
		}
	}
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	selected, err := selectionOf(c)
	if err != nil {
		return err
	}
	if c.String(flagType) != "" && len(selected.modules) != 1 {
		return refuse("--%s: give one --%s with it", flagType, flagModule)
	}
	olderThan, err := olderThanOf(c)
	if err != nil {
		return err
	}
	// What is refused is refused before anything is connected to.
	for _, id := range selected.modules {
		m, _ := catalog.ModuleByID(id)
		if _, err := scopesOf(m, 0); err != nil {
			return err
		}
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	targets, err := targetsOf(c, pool, selected, olderThan)
	if err != nil {
		return err
	}
	for i := range targets {
		t := &targets[i]
		if t.scopes, err = scopesOf(t.module, t.year); err != nil {
			return err
		}
		if len(t.scopes) == 0 {
			t.scopes = []job.Scope{job.AggregationOf(t.module.ID, t.year)}
		}
	}
	switch {
	case len(targets) == 0 && format == formatJSON:
		return writeJSON(c.App.Writer, []requestedPipeline{})
	case len(targets) == 0:
		fmt.Fprintln(c.App.Writer, "no such scopes, so nothing is requested")
		return nil
	case c.Bool(flagDryRun):
		return foretell(c, format, pool, targets)
	case len(targets) >= manyTargets && !c.Bool(flagYes) && !confirm(c, fmt.Sprintf("request %d modules and years?", len(targets))):
		return refuse("nothing was requested")
	}
	return start(c, format, pool, targets)
}

// targetsOf returns the modules and years that are meant, in order.
func targetsOf(c *cli.Context, pool *pgxpool.Pool, s selection, olderThan time.Duration) ([]target, error) {
	var targets []target
	if !byState(c) {
		for _, id := range s.modules {
			m, _ := catalog.ModuleByID(id)
			for _, year := range s.years {
				if err := checkDeclared(c.Context, pool, m.ID, m.Name, year); err != nil {
					return nil, err
				}
				targets = append(targets, target{module: m, year: year})
			}
		}
		return targets, nil
	}
	snapshot, err := freshness.TakeSnapshot(c.Context, pool)
	if err != nil {
		return nil, err
	}
	for _, l := range listScopes(snapshot, olderThan) {
		m, known := catalog.ModuleByID(l.ModuleType)
		if !s.has(l) {
			continue
		}
		if !known {
			fmt.Fprintf(c.App.ErrWriter, "tidemark: left out: %d %d, a module type that this release does not know\n", l.ModuleType, l.Year)
			continue
		}
		targets = append(targets, target{module: m, year: l.Year})
	}
	return targets, nil
}

// foretell says what would be requested.
func foretell(c *cli.Context, format string, pool *pgxpool.Pool, targets []target) error {
	waiting := map[job.Scope]int64{}
	active, err := ledger.New(ledger.DefaultMaxHold).Jobs(c.Context, pool, ledger.JobFilter{Active: true, Limit: 100_000})
	if err != nil {
		return err
	}
	for _, j := range active {
		if job.State(j.State).Waiting() {
			waiting[scopeOf(j)] = j.ID
		}
	}
	foretold := []requestedPipeline{}
	for _, t := range targets {
		p := requestedPipeline{ModuleType: t.module.ID, Year: t.year, Jobs: []requestedJob{}}
		for _, s := range t.scopes {
			id, joins := waiting[s]
			how := "would be created"
			if joins {
				how = fmt.Sprintf("would join job %d, which waits already", id)
				p.Jobs = append(p.Jobs, requestedOf(s, &id, ledger.Ticket{}.Outcome()))
			} else {
				p.Jobs = append(p.Jobs, requestedOf(s, nil, ledger.Ticket{Created: true}.Outcome()))
			}
			if format == formatText {
				fmt.Fprintf(c.App.Writer, "%s  %s\n", scopeName(s), how)
			}
		}
		foretold = append(foretold, p)
	}
	if format == formatJSON {
		return writeJSON(c.App.Writer, foretold)
	}
	fmt.Fprintf(c.App.Writer, "nothing was requested (--%s)\n", flagDryRun)
	return nil
}

// start requests each target in a transaction of its own: one that fails leaves those before it
// requested, which is printed all the same, and a repeated command joins them.
func start(c *cli.Context, format string, pool *pgxpool.Pool, targets []target) error {
	record := ledger.New(ledger.DefaultMaxHold)
	var pipelines []uuid.UUID
	var tickets []ledger.Ticket
	requested := []requestedPipeline{}
	by := origin(c)
	var err error
	for _, t := range targets {
		var started ledger.Started
		err = postgres.InTx(c.Context, pool, 5, func(tx pgx.Tx) (err error) {
			started, err = record.Start(c.Context, tx, ledger.NewPipeline{Kind: t.scopes[0].Type, ModuleType: t.module.ID, Year: t.year}, by, t.scopes...)
			return err
		})
		if err != nil {
			break
		}
		if format == formatText {
			printTickets(c.App.Writer, started.Pipeline, started.Tickets)
		}
		requested = append(requested, requestedTickets(t, started))
		pipelines, tickets = append(pipelines, started.Pipeline), append(tickets, started.Tickets...)
	}
	send(c, tickets)
	wait := err == nil && c.Bool(flagWait)
	switch {
	case format == formatJSON && wait:
		var states []ledger.PipelineState
		if states, err = await(c, record, pool, progressBeside(c), pipelines); err == nil {
			for i := range states {
				requested[i].ended(states[i])
			}
			err = endOf(states)
		}
		return errors.Join(writeJSON(c.App.Writer, requested), err)
	case format == formatJSON:
		return errors.Join(writeJSON(c.App.Writer, requested), err)
	case wait:
		return follow(c, record, pool, pipelines...)
	}
	return err
}

// scopeName is a scope as people say it.
func scopeName(s job.Scope) string {
	if s.Type == job.EmissionRecalc {
		return fmt.Sprintf("%s %s %d", s.Type, catalog.DataEntryTypeName(s.DataEntryType), s.Year)
	}
	return fmt.Sprintf("%s %s %d", s.Type, catalog.ModuleName(s.ModuleType), s.Year)
}
