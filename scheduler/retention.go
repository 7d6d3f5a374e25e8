package scheduler

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Retention goes in steps of a transaction each, so many of them in one go: ten thousand jobs a
// minute while it has something to do. When it has been through it rests.
const (
	retainInterval = time.Minute
	retainSteps    = 20
	retainPage     = 500
	retainRest     = time.Hour
)

// minRetention keeps a slip of the finger from removing what people are about to look at.
const minRetention = 24 * time.Hour

// retention removes history that nobody needs.
type retention struct {
	opts    Options
	db      *pgxpool.Pool
	metrics *metrics
	// after is the job that the last step came to; rests says until when there is nothing to do.
	after int64
	rests time.Time
}

// tick takes some steps.
func (r *retention) tick(ctx context.Context) error {
	if r.opts.Retention == 0 || time.Now().Before(r.rests) {
		return nil
	}
	jobs, pipelines := 0, 0
	defer func() {
		if jobs+pipelines > 0 {
			r.opts.Logger.Info("history removed", "jobs", jobs, "pipelines", pipelines, "older_than", r.opts.Retention)
		}
	}()
	for range retainSteps {
		removed, err := r.opts.Ledger.Retain(ctx, r.db, r.opts.Retention, r.after, retainPage)
		if err != nil {
			if ctx.Err() == nil {
				r.opts.Logger.Warn("retention", "err", err)
			}
			return err
		}
		jobs, pipelines, r.after = jobs+removed.Jobs, pipelines+removed.Pipelines, removed.Last
		r.metrics.removed.WithLabelValues(removedJobs).Add(float64(removed.Jobs))
		r.metrics.removed.WithLabelValues(removedPipelines).Add(float64(removed.Pipelines))
		if !removed.More {
			r.after, r.rests = 0, time.Now().Add(retainRest)
			return nil
		}
	}
	return nil
}
