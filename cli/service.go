package cli

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/urfave/cli/v2"

	"tidemark/shared/emission"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/telemetry"
	"tidemark/worker"
)

// calculations is what the fleet computes.
func calculations() map[job.Type]worker.Calculation {
	return map[job.Type]worker.Calculation{
		job.EmissionRecalc: func(ctx context.Context, tx pgx.Tx, c *ledger.Claim, progress job.Progress) (job.Outcome, error) {
			return emission.Recalculate(ctx, tx, c.Scope, c.Filter, progress)
		},
		job.Aggregation: func(ctx context.Context, tx pgx.Tx, c *ledger.Claim, progress job.Progress) (job.Outcome, error) {
			return emission.Aggregate(ctx, tx, c.Scope, progress)
		},
	}
}

func holdFlag() cli.Flag {
	f := durationFlag(flagMaxHold, ledger.DefaultMaxHold, "longest `TIME` an aggregation waits for recalculations of its module and year; the same wherever it can be set")
	f.Action = func(_ *cli.Context, hold time.Duration) error {
		if hold < 0 {
			return refuse("--%s %s: 0 for no wait at all, or more", flagMaxHold, hold)
		}
		return nil
	}
	return f
}

func workerCommand() *cli.Command {
	d := worker.DefaultOptions()
	return &cli.Command{
		Name:  "worker",
		Usage: "run jobs; start as many as you like",
		Flags: slices.Concat([]cli.Flag{databaseFlag(), redisFlag(),
			&cli.IntFlag{Name: flagConcurrency, Value: d.Concurrency, EnvVars: []string{"TIDEMARK_CONCURRENCY"}, Usage: "`N` jobs at once, each with a database connection; six more serve claims and heartbeats"},
			durationFlag("lease", d.Lease, "`TIME` without a sign of life after which a job is given to another worker"),
			durationFlag("heartbeat", d.Heartbeat, "`TIME` between signs of life, at most a third of the lease"),
			durationFlag("time-limit", d.TimeLimit, "longest `TIME` a job may run"),
			durationFlag("drain", d.Drain, "`TIME` that running jobs get after a stop signal; then they are released. Keep it below the delay after which the platform kills"),
			durationFlag("poll-interval", d.PollInterval, "`TIME` between an idle worker's looks for signals"),
			holdFlag()}, sideFlags("worker", worker.DefaultAddress), logFlags()),
		Action: func(c *cli.Context) error {
			log, err := newLogger(c)
			if err != nil {
				return err
			}
			o := worker.Options{
				DatabaseURL: c.String(flagDatabase), RedisURL: c.String(flagRedis), Calculations: calculations(),
				Concurrency: c.Int(flagConcurrency), Lease: c.Duration("lease"), Heartbeat: c.Duration("heartbeat"),
				TimeLimit: c.Duration("time-limit"), Drain: c.Duration("drain"), PollInterval: c.Duration("poll-interval"),
				Ledger: ledger.New(c.Duration(flagMaxHold)), Logger: log.With("component", "worker"),
				Registry: telemetry.NewRegistry(), Web: webOptions(c, true),
			}
			w, err := worker.New(o)
			if err != nil {
				return refusedError{err}
			}
			announce(o.Logger)
			return w.Run(c.Context)
		},
	}
}
