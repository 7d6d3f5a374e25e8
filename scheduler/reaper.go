package scheduler

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/signal"
)

// reaper gives running jobs back whose worker is gone.
type reaper struct {
	opts    Options
	db      *pgxpool.Pool
	signals *signal.Sender
}

// tick gives back every job whose lease has expired. One that cannot be given back now
// (requesters hold its scope's door) does not keep the others waiting.
func (r *reaper) tick(ctx context.Context) {
	lost, err := r.opts.Ledger.Expired(ctx, r.db)
	if err != nil {
		r.warn(ctx, "list", err)
		return
	}
	for _, l := range lost {
		fate, tickets, err := r.opts.Ledger.Reap(ctx, r.db, l)
		if err != nil {
			r.warn(ctx, l.Scope.String(), err)
			continue
		}
		if fate == "" {
			continue
		}
		r.opts.Logger.Warn("worker lost, job given back", "job", l.JobID, "scope", l.Scope.String(), "worker", l.Token, "fate", fate)
		if len(tickets) == 0 {
			continue
		}
		if err := r.signals.Send(ctx, tickets...); err != nil {
			r.warn(ctx, l.Scope.String(), err)
		}
	}
}

func (r *reaper) warn(ctx context.Context, scope string, err error) {
	if ctx.Err() == nil {
		r.opts.Logger.Warn("reaper", "scope", scope, "err", err)
	}
}
