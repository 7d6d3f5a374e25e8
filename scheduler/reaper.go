package scheduler

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/signal"
)

// reaper gives running jobs back whose worker is gone.
type reaper struct {
	opts    Options
	db      *pgxpool.Pool
	signals *signal.Sender
	metrics *metrics
}

// tick gives back every job whose lease has expired. One that cannot be given back now
// (requesters hold its scope's door) does not keep the others waiting. The error joins all
// that was in the way.
func (r *reaper) tick(ctx context.Context) error {
	lost, err := r.opts.Ledger.Expired(ctx, r.db)
	if err != nil {
		return r.warn(ctx, "list", err)
	}
	var trouble error
	for _, l := range lost {
		fate, tickets, err := r.opts.Ledger.Reap(ctx, r.db, l)
		if err != nil {
			trouble = errors.Join(trouble, r.warn(ctx, l.Scope.String(), err))
			continue
		}
		if fate == "" {
			continue
		}
		r.metrics.reaped.WithLabelValues(string(l.Scope.Type), string(fate)).Inc()
		r.opts.Logger.Warn("worker lost, job given back", "job", l.JobID, "scope", l.Scope.String(), "worker", l.Token, "fate", fate)
		if len(tickets) == 0 {
			continue
		}
		if err := r.signals.Send(ctx, tickets...); err != nil {
			r.metrics.signalFailures.WithLabelValues(reaperLoop).Inc()
			trouble = errors.Join(trouble, r.warn(ctx, l.Scope.String(), err))
		}
	}
	return trouble
}

// warn passes the error on.
func (r *reaper) warn(ctx context.Context, scope string, err error) error {
	if ctx.Err() == nil {
		r.opts.Logger.Warn("reaper", "scope", scope, "err", err)
	}
	return err
}
