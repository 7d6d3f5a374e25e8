package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/google/uuid"
	"github.com/schollz/progressbar/v3"
	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/ingest"
	"tidemark/shared/ledger"
)

// loader is one of the functions of shared/ingest.
type loader func(context.Context, ingest.Database, ingest.Options) (ingest.Report, error)

func loadCommand() *cli.Command {
	common := func(own ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{databaseFlag(), redisFlag(), reasonFlag(), waitFlag()}, own...)
	}
	dataEntryType := typeFlag("data entry `TYPE` by name or number, for example plane or 20")
	return &cli.Command{
		Name:  "load",
		Usage: "bring airports, emission factors or entries in from a CSV file, and request what follows from it",
		Subcommands: []*cli.Command{
			{Name: "reference", Usage: "reference data", Subcommands: []*cli.Command{
				{Name: "airports", ArgsUsage: "FILE", Usage: "airports by IATA code: iata_code, name, municipality, country, latitude, longitude",
					Flags: common(), Action: func(c *cli.Context) error { return load(c, ingest.Airports, ingest.Options{}) }},
			}},
			{Name: "factors", ArgsUsage: "FILE", Usage: "emission factors of a data entry type and year; none is deleted", Flags: common(dataEntryType, yearFlag()),
				Action: func(c *cli.Context) error { return loadSlice(c, ingest.Factors, ingest.Options{}) }},
			{Name: "entries", ArgsUsage: "FILE", Usage: "entries of a data entry type and year",
				Flags: common(dataEntryType, yearFlag(),
					&cli.BoolFlag{Name: "create-units", Usage: "create units that do not exist, with their reports"},
					&cli.BoolFlag{Name: "skip-bad-rows", Usage: "load the rows that are in order and list the others; without it one bad row refuses the file"},
					&cli.BoolFlag{Name: "replace", Usage: "first delete what earlier loads of this type and year brought in, for all units"}),
				Action: func(c *cli.Context) error {
					return loadSlice(c, ingest.Entries, ingest.Options{
						CreateUnits: c.Bool("create-units"), Replace: c.Bool("replace"), SkipBadRows: c.Bool("skip-bad-rows")})
				}},
		},
	}
}

// loadSlice loads a file that belongs to one data entry type and year.
func loadSlice(c *cli.Context, from loader, o ingest.Options) error {
	if err := need(c, flagType, flagYear); err != nil {
		return err
	}
	t, err := typeOf(c, catalog.DataEntryTypes())
	if err != nil {
		return err
	}
	if err := t.CheckCalculated(); err != nil {
		return refuse("--%s: %w", flagType, err)
	}
	o.DataEntryType, o.Year = t, c.Int(flagYear)
	return load(c, from, o)
}

func load(c *cli.Context, from loader, o ingest.Options) error {
	o.Path, o.By, o.Ledger = c.Args().First(), origin(c), ledger.New(ledger.DefaultMaxHold)
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	var finish func()
	o.Progress, finish = loadProgress(c, filepath.Base(o.Path))
	report, err := from(c.Context, pool, o)
	finish()
	var bad *ingest.BadRowsError
	if errors.As(err, &bad) {
		return refusedError{err}
	}
	if err != nil {
		return err
	}
	send(c, report.Tickets)
	printFindings(c, "skipped", report.SkippedRows, report.Skipped)
	printFindings(c, "warning", report.Warnings, report.WarningCount)
	fmt.Fprintln(c.App.Writer, report.Message)
	if report.Pipeline == uuid.Nil {
		fmt.Fprintln(c.App.Writer, "nothing has changed, so nothing is recalculated")
		return nil
	}
	printTickets(c.App.Writer, report.Pipeline, report.Tickets)
	if !c.Bool(flagWait) {
		return nil
	}
	return follow(c, o.Ledger, pool, report.Pipeline)
}

// printFindings lists rows, and says how many there are beyond.
func printFindings(c *cli.Context, what string, rows []ingest.RowError, total int) {
	for _, r := range rows {
		fmt.Fprintf(c.App.ErrWriter, "%s: %s\n", what, r.Error())
	}
	if n := total - len(rows); n > 0 {
		fmt.Fprintf(c.App.ErrWriter, "%s: %d more\n", what, n)
	}
}

// loadProgress shows a bar on a terminal, and nothing elsewhere.
func loadProgress(c *cli.Context, name string) (show func(read, total int64), finish func()) {
	if !isTerminal(c.App.ErrWriter) {
		return func(int64, int64) {}, func() {}
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(c.App.ErrWriter), progressbar.OptionSetDescription(name),
		progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(followInterval))
	return func(read, total int64) {
		bar.ChangeMax64(total)
		_ = bar.Set64(read)
	}, func() { _ = bar.Finish() }
}
