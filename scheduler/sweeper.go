package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

const (
	// sweepInterval and sweepPage bound the work: asynq's archive, 10,000 tasks at most, is looked
	// through in some minutes.
	sweepInterval = 10 * time.Second
	sweepPage     = 500
)

// sweeper removes tasks from Redis that outlived their use. asynq's archive is where people see what
// failed: a failed job's task stays there until a later job of the scope has ended. The tasks of
// other programs stay, unless they were made into requests.
type sweeper struct {
	opts    Options
	db      *pgxpool.Pool
	signals *signal.Sender
	metrics *metrics
	// offsets say where in each archive the next page begins.
	offsets map[job.Type]int
}

// tick looks at a page of each queue. Trouble with one does not keep the others waiting.
func (s *sweeper) tick(ctx context.Context) error {
	var trouble error
	for _, c := range job.Configs() {
		if err := s.sweep(ctx, c.JobType); err != nil {
			trouble = errors.Join(trouble, err)
		}
	}
	if trouble != nil && ctx.Err() == nil {
		s.opts.Logger.Warn("sweeper", "err", trouble)
	}
	return trouble
}

func (s *sweeper) sweep(ctx context.Context, t job.Type) error {
	offset := s.offsets[t]
	found, archived, err := s.signals.Leftovers(ctx, t, offset, sweepPage)
	if err != nil {
		return err
	}
	var left []signal.Leftover
	var notices []ledger.Notice
	for _, l := range found {
		if l.Owned() {
			left = append(left, l)
			notices = append(notices, ledger.Notice{JobID: l.JobID, Pipeline: l.Pipeline})
		}
	}
	settled, err := s.opts.Ledger.Settled(ctx, s.db, notices)
	if err != nil {
		return err
	}
	swept := 0
	for i, l := range left {
		if !settled[i] {
			continue
		}
		gone, err := s.signals.Discard(ctx, l)
		if err != nil {
			return err
		}
		if gone {
			swept++
		}
	}
	s.metrics.swept.WithLabelValues(string(t)).Add(float64(swept))
	if swept > 0 {
		s.opts.Logger.Info("tasks removed that outlived their use", "queue", t, "tasks", swept)
	}
	// What was removed makes room for as many; a page or so is looked at twice, none is left out.
	s.offsets[t] = 0
	if archived == sweepPage {
		s.offsets[t] = max(offset+sweepPage-swept, 0)
	}
	return nil
}
