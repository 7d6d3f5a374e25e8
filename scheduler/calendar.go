package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/scheduler/periodic"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

// calendarInterval is how late a due time may be seen.
const calendarInterval = time.Second

// calendar requests what the periodic entries ask for.
type calendar struct {
	opts    Options
	db      *pgxpool.Pool
	signals *signal.Sender
	metrics *metrics
	// said is true when entries that the record knows, and this scheduler does not, were named.
	said bool
}

// tick looks after every entry. One with trouble does not keep the others waiting.
func (c *calendar) tick(ctx context.Context) error {
	if len(c.opts.Periodic) == 0 && c.said {
		return nil
	}
	states, now, err := periodic.States(ctx, c.db)
	if err != nil {
		return c.warn(ctx, err)
	}
	c.sayUnknown(states)
	var trouble error
	for _, e := range c.opts.Periodic {
		state, known := states[e.Name]
		if !e.Waits(state, known, now) {
			if state, err = c.serve(ctx, e); err != nil {
				trouble = errors.Join(trouble, c.warn(ctx, err))
				continue
			}
		}
		c.metrics.showEntry(e, state, now)
	}
	return trouble
}

// serve does what an entry is due for.
func (c *calendar) serve(ctx context.Context, e periodic.Entry) (periodic.State, error) {
	var served periodic.Served
	err := postgres.InTx(ctx, c.db, serveAttempts, func(tx pgx.Tx) (err error) {
		served, err = periodic.Serve(ctx, tx, c.opts.Ledger, e)
		return err
	})
	if err != nil {
		return served.State, err
	}
	log := c.opts.Logger.With("entry", e.Name, "schedule", e.Schedule.String())
	if served.Missed > 0 {
		c.metrics.entryMissed.WithLabelValues(e.Name).Add(float64(served.Missed))
		log.Warn("due times of a periodic entry missed", "times", served.Missed)
	}
	if served.Undeclared != 0 {
		log.Warn("a periodic entry was due and not requested: no report of that year has the module", "module", e.Module.Name, "year", served.Undeclared)
	}
	if !served.Due.IsZero() {
		c.metrics.entryRequests.WithLabelValues(e.Name).Inc()
		log.Info("periodic entry requested", "due", served.Due, "pipeline", served.State.LastPipelineID)
		if err := c.signals.Send(ctx, served.Tickets...); err != nil && ctx.Err() == nil {
			c.metrics.signalFailures.WithLabelValues(calendarLoop).Inc()
			log.Warn("signal not sent, the relay will", "err", err)
		}
	}
	return served.State, nil
}

// serveAttempts is how often a request is tried when it loses a deadlock.
const serveAttempts = 5

// sayUnknown tells, once, of entries that do not run while this scheduler leads.
func (c *calendar) sayUnknown(states map[string]periodic.State) {
	if c.said {
		return
	}
	c.said = true
	mine := map[string]bool{}
	for _, e := range c.opts.Periodic {
		mine[e.Name] = true
	}
	for name := range states {
		if !mine[name] {
			c.opts.Logger.Warn("a periodic entry is known from earlier and not in this scheduler's file: it does not run", "entry", name)
		}
	}
}

func (c *calendar) warn(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		c.opts.Logger.Warn("calendar", slog.Any("err", err))
	}
	return err
}
