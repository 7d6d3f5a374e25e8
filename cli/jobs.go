package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func jobsCommand() *cli.Command {
	return &cli.Command{
		Name:  "jobs",
		Usage: "list jobs, newest first; show one",
		Flags: []cli.Flag{databaseFlag(), formatFlag(formatTable, formatJSON, formatJSONL), moduleFlag(), yearFlag(),
			typeFlag("data entry `TYPE` by name or number"),
			&cli.StringFlag{Name: "job-type", Usage: "`TYPE` of job: aggregation, emission_recalc, csv_ingest, factor_ingest or reference_ingest"},
			&cli.BoolFlag{Name: "active", Usage: "only what waits or runs"},
			&cli.BoolFlag{Name: "failed", Usage: "only what ended in ERROR"},
			&cli.StringFlag{Name: "pipeline", Usage: "only the jobs that this pipeline (`UUID`) created or joined"},
			&cli.IntFlag{Name: "limit", Value: 50, Usage: "at most `N` jobs"}, watchFlag()},
		Subcommands: []*cli.Command{showJobCommand()},
		Action:      jobs,
	}
}

func jobs(c *cli.Context) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	filter, err := jobFilter(c)
	if err != nil {
		return err
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	return watch(c, func(w io.Writer) error {
		found, err := ledger.New(ledger.DefaultMaxHold).Jobs(c.Context, pool, filter)
		switch {
		case err != nil:
			return err
		case format == formatJSON:
			if found == nil {
				found = []ledger.Job{}
			}
			return writeJSON(w, found)
		case format == formatJSONL:
			return writeJSONL(w, found)
		case len(found) == 0:
			_, err := fmt.Fprintln(w, "no such jobs")
			return err
		}
		return jobTable(w, found)
	})
}

func jobTable(w io.Writer, jobs []ledger.Job) error {
	t := newTable(w, "JOB", "TYPE", "MODULE", "ENTRIES", "YEAR", "STATE", "RESULT", "FINISHED", "MESSAGE")
	for _, j := range jobs {
		t.row(fmt.Sprint(j.ID), j.Type, nameOr(j.ModuleType, catalog.ModuleName), nameOr(j.DataEntryType, catalog.DataEntryTypeName), nameOr(j.Year, number),
			j.State, textOr(j.Result), timeOr(j.FinishedAt, "-"), oneLine(textOr(j.Message)))
	}
	return t.flush()
}

func jobFilter(c *cli.Context) (ledger.JobFilter, error) {
	f := ledger.JobFilter{Type: job.Type(c.String("job-type")), Year: c.Int(flagYear), Active: c.Bool("active"), Failed: c.Bool("failed"), Limit: c.Int("limit")}
	if f.Limit < 1 {
		return f, refuse("--limit %d: at least 1", f.Limit)
	}
	if f.Active && f.Failed {
		return f, refuse("--active and --failed: a job that failed is not active; give one of them")
	}
	m, err := moduleOf(c)
	if err != nil {
		return f, err
	}
	f.ModuleType = m.ID
	if c.String(flagType) != "" {
		t, err := typeOf(c, catalog.DataEntryTypes())
		if err != nil {
			return f, err
		}
		f.DataEntryType = t.ID
	}
	if text := c.String("pipeline"); text != "" {
		if f.Pipeline, err = uuid.Parse(text); err != nil {
			return f, refuse("--pipeline %q: not a uuid: %w", text, err)
		}
	}
	return f, nil
}

func number(n int) string { return fmt.Sprint(n) }

func nameOr(id *int, name func(int) string) string {
	if id == nil {
		return "-"
	}
	return name(*id)
}

func textOr(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

// oneLine keeps a message inside its row.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 100
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
