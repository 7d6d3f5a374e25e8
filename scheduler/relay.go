package scheduler

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// relayPage bounds one read of waiting jobs.
const relayPage = 500

// relay signals waiting jobs that have no live signal.
type relay struct {
	opts    Options
	db      *pgxpool.Pool
	signals *signal.Sender
	metrics *metrics
	// seen says since when a waiting job's task counts as being processed.
	seen map[flight]time.Time
}

// flight is one delivery of a job's signal.
type flight struct {
	job int64
	seq int
}

// tick looks after every waiting job once. Trouble ends the tick; the next one starts over.
func (r *relay) tick(ctx context.Context) error {
	err := r.look(ctx)
	if err != nil && ctx.Err() == nil {
		r.opts.Logger.Warn("relay", "err", err)
	}
	return err
}

func (r *relay) look(ctx context.Context) error {
	if err := r.signals.Publish(ctx); err != nil {
		return r.redisFailed(ctx, err)
	}
	inFlight := map[flight]time.Time{}
	for _, c := range job.Configs() {
		for after := int64(0); ; {
			page, err := r.opts.Ledger.Claimable(ctx, r.db, c.JobType, r.opts.RelayGrace, after, relayPage)
			if err != nil {
				return err
			}
			lost, err := r.signals.Unqueued(ctx, c.JobType, page)
			if err != nil {
				return r.redisFailed(ctx, err)
			}
			for _, t := range lost {
				if err := r.ensure(ctx, t, inFlight); err != nil {
					return err
				}
			}
			if len(page) < relayPage {
				break
			}
			after = page[len(page)-1].JobID
		}
	}
	// What is not in flight any more is forgotten.
	r.seen = inFlight
	return nil
}

// ensure makes sure that one job's signal is alive.
func (r *relay) ensure(ctx context.Context, t ledger.Ticket, inFlight map[flight]time.Time) error {
	presence, err := r.signals.Ensure(ctx, t)
	if err != nil {
		return r.redisFailed(ctx, err)
	}
	now, key := time.Now(), flight{t.JobID, t.SignalSeq}
	since, known := r.seen[key]
	if !known {
		since = now
	}
	if presence == signal.InFlight {
		inFlight[key] = since
	}
	if !needsNewID(presence, now.Sub(since), r.opts.StuckAfter) {
		if presence == signal.Sent || presence == signal.Rerun {
			r.relayed(t, string(presence))
			r.opts.Logger.Info("signal sent again", "job", t.JobID, "scope", t.Scope.String(), "was", presence)
		}
		return nil
	}
	fresh, waits, err := r.opts.Ledger.Renumber(ctx, r.db, t)
	if err != nil || !waits {
		return err
	}
	delete(inFlight, key)
	r.opts.Logger.Warn("signal stuck, sent under a new id", "job", t.JobID, "scope", t.Scope.String(), "was", presence)
	if err := r.signals.Send(ctx, fresh); err != nil {
		return r.redisFailed(ctx, err)
	}
	r.relayed(t, renumbered)
	return nil
}

func (r *relay) relayed(t ledger.Ticket, kind string) {
	r.metrics.relayed.WithLabelValues(string(t.Scope.Type), kind).Inc()
}

// redisFailed passes the error on.
func (r *relay) redisFailed(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		r.metrics.signalFailures.WithLabelValues(relayLoop).Inc()
	}
	return err
}

// needsNewID decides whether a waiting job's task will not be delivered any more: its id
// is blocked, or it counts as being processed for longer than a look can take.
func needsNewID(p signal.Presence, inFlight, stuckAfter time.Duration) bool {
	return p == signal.Blocked || p == signal.InFlight && inFlight >= stuckAfter
}
