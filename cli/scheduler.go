package cli

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"tidemark/scheduler"
	"tidemark/scheduler/periodic"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/telemetry"
)

const (
	flagPeriodic  = "periodic-file"
	flagRetention = "retention"
	flagList      = "list"
)

func schedulerCommand() *cli.Command {
	d := scheduler.DefaultOptions()
	return &cli.Command{
		Name:  "scheduler",
		Usage: "relay signals that got lost, give the jobs of lost workers back, request what is due; any number may run, one leads",
		Description: "The schedulers on a database agree by a lock on which of them leads: it needs the database's own\n" +
			"address, or a pooler in session mode. The file of periodic entries is read at the start:\n\n" +
			"entries:\n" +
			"  - name: flights\n" +
			"    schedule: \"15 2 * * *\"        # as in a crontab\n" +
			"    time_zone: Europe/Zurich      # UTC when not given\n" +
			"    request: recalculation        # or aggregation\n" +
			"    module: professional_travel\n" +
			"    type: plane                   # of a recalculation; all that can be computed when not given\n" +
			"    year: current                 # or 2025\n" +
			"    reason: new flights           # recorded with each request\n" +
			"    catch_up: 6h                  # make up for a missed time until then; 24h when not given",
		Flags: slices.Concat([]cli.Flag{databaseFlag(), redisFlag(),
			&cli.StringFlag{Name: flagPeriodic, EnvVars: []string{"TIDEMARK_PERIODIC_FILE"}, DefaultText: "none", Usage: "`FILE` of periodic entries, see above"},
			&cli.BoolFlag{Name: flagList, Usage: "print the periodic entries with their last and next times, and end"}, formatFlag(formatTable, formatJSON),
			durationFlag(flagRetention, d.Retention, "`TIME` that finished jobs stay, 24h or more; what something needs stays for ever (0s: all of them)"),
			durationFlag("relay-interval", d.RelayInterval, "`TIME` between two looks for jobs without a signal"),
			durationFlag("relay-grace", d.RelayGrace, "`TIME` that a requester has to send the signal itself"),
			durationFlag("stuck-after", d.StuckAfter, "`TIME` after which the undelivered signal of a waiting job is sent under a new id"),
			durationFlag("reap-interval", d.ReapInterval, "`TIME` between two looks for expired leases"),
			&cli.IntFlag{Name: "backlog-jobs", Value: d.BacklogLimit.Jobs, EnvVars: []string{"TIDEMARK_BACKLOG_JOBS"}, Usage: "`N` jobs of a type that may wait for a worker before log and metrics say that it is too much"},
			durationFlag("backlog-age", d.BacklogLimit.Age, "`TIME` that a job may wait for a worker before they say so"),
			holdFlag()}, sideFlags("scheduler", scheduler.DefaultAddress), logFlags()),
		Action: func(c *cli.Context) error {
			entries, err := periodicEntries(c)
			if err != nil {
				return err
			}
			if c.Bool(flagList) {
				return listPeriodic(c, entries)
			}
			if c.IsSet(flagOutput) {
				return refuse("--%s: only with --%s", flagOutput, flagList)
			}
			log, err := newLogger(c)
			if err != nil {
				return err
			}
			log = log.With("component", "scheduler")
			s, err := scheduler.New(scheduler.Options{
				DatabaseURL: c.String(flagDatabase), RedisURL: c.String(flagRedis), Periodic: entries, Retention: c.Duration(flagRetention),
				RelayInterval: c.Duration("relay-interval"), RelayGrace: c.Duration("relay-grace"), StuckAfter: c.Duration("stuck-after"),
				ReapInterval: c.Duration("reap-interval"), BacklogLimit: ledger.BacklogLimit{Jobs: c.Int("backlog-jobs"), Age: c.Duration("backlog-age")},
				Ledger: ledger.New(c.Duration(flagMaxHold)), Logger: log,
				Registry: telemetry.NewRegistry(), Web: webOptions(c, true),
			})
			if err != nil {
				return refusedError{err}
			}
			announce(log)
			return s.Run(c.Context)
		},
	}
}

func periodicEntries(c *cli.Context) ([]periodic.Entry, error) {
	path := c.String(flagPeriodic)
	if path == "" {
		return nil, nil
	}
	entries, err := periodic.ReadFile(path)
	if err != nil {
		return nil, refuse("--%s: %w", flagPeriodic, err)
	}
	return entries, nil
}

// periodicEntry is an entry as it is printed.
type periodicEntry struct {
	Name     string `json:"name"`
	Schedule string `json:"schedule"`
	Request  string `json:"request"`
	// Last is when it was last requested, Due the time that this was for.
	Last     *time.Time `json:"last_requested_at"`
	Due      *time.Time `json:"last_due_at"`
	Pipeline *uuid.UUID `json:"last_pipeline_id"`
	// Next is past where nobody has led since.
	Next   *time.Time `json:"next_due_at"`
	Missed int64      `json:"missed"`
}

// listPeriodic prints how far the entries are.
func listPeriodic(c *cli.Context, entries []periodic.Entry) error {
	format, err := formatOf(c)
	if err != nil {
		return err
	}
	pool, err := connect(c)
	if err != nil {
		return err
	}
	defer pool.Close()
	states, now, err := periodic.States(c.Context, pool)
	if err != nil {
		return err
	}
	list := []periodicEntry{}
	for _, e := range entries {
		s, known := states[e.Name]
		p := periodicEntry{Name: e.Name, Schedule: e.Schedule.String(), Request: requestName(e), Last: utc(s.LastRequestedAt), Due: utc(s.LastDueAt), Pipeline: s.LastPipelineID, Missed: s.Missed}
		if next := e.Next(s, known, now); !next.IsZero() {
			p.Next = utc(&next)
		}
		list = append(list, p)
	}
	if format == formatJSON {
		return writeJSON(c.App.Writer, list)
	}
	if len(list) == 0 {
		fmt.Fprintf(c.App.Writer, "no periodic entries; --%s names the file that has some\n", flagPeriodic)
		return nil
	}
	t := newTable(c.App.Writer, "ENTRY", "SCHEDULE", "REQUESTS", "LAST", "NEXT", "MISSED")
	for _, p := range list {
		t.row(p.Name, p.Schedule, p.Request, timeOr(p.Last, "-"), timeOr(p.Next, "-"), fmt.Sprint(p.Missed))
	}
	return t.flush()
}

// requestName says what an entry requests, as people say it.
func requestName(e periodic.Entry) string {
	year := "current"
	if e.Year != 0 {
		year = fmt.Sprint(e.Year)
	}
	if e.Request == job.Aggregation {
		return fmt.Sprintf("aggregation %s %s", e.Module.Name, year)
	}
	text := "recalculation " + e.Module.Name
	for _, t := range e.Types {
		text += " " + t.Name
	}
	return text + " " + year
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}
