package scheduler

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
)

// healthInterval is how often the queues are looked at.
const healthInterval = 15 * time.Second

// health says when more waits for workers than should.
type health struct {
	opts    Options
	db      *pgxpool.Pool
	metrics *metrics
	// exceeded are the queues that were over the limit at the last look.
	exceeded map[job.Type]bool
}

// tick looks at every queue.
func (h *health) tick(ctx context.Context) error {
	for _, c := range job.Configs() {
		b, err := h.opts.Ledger.Backlog(ctx, h.db, c.JobType)
		if err != nil {
			if ctx.Err() == nil {
				h.opts.Logger.Warn("health", "err", err)
			}
			return err
		}
		problem := h.opts.BacklogLimit.Exceeded(b)
		h.metrics.showBacklog(c.JobType, b, problem != "")
		log := h.opts.Logger.With("job_type", c.JobType, "jobs", b.Jobs)
		switch {
		case problem != "" && !h.exceeded[c.JobType]:
			log.Warn("the queue is over its limit: see whether workers run, and start more", "problem", problem)
		case problem == "" && h.exceeded[c.JobType]:
			log.Info("the queue is within its limit again")
		}
		h.exceeded[c.JobType] = problem != ""
	}
	return nil
}
