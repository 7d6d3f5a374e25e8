package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
)

// errTimeLimit ends a run that took too long.
var errTimeLimit = errors.New("time limit exceeded")

// runAttempts is how often a run is tried when the server sacrifices it to another
// transaction: that is no fault of the calculation.
const runAttempts = 3

// run works on a claimed job to its end. failed is true when the job ended in ERROR, and
// message says why.
func (w *Worker) run(ctx context.Context, c *ledger.Claim, calculate Calculation) (message string, failed bool) {
	start := time.Now()
	log := w.log.With("job", c.JobID, "scope", c.Scope.String(), "attempt", c.Attempt)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(w.releasing, func() { cancel(errShutdown) })
	defer stop()
	limit := time.AfterFunc(w.opts.TimeLimit, func() { cancel(errTimeLimit) })
	defer limit.Stop()

	beat := w.startHeartbeat(ctx, c, cancel)
	outcome, tickets, err := w.calculate(ctx, c, calculate, beat)
	beat.stop()

	// From here on the run's own context may be over; what follows must still be recorded.
	after := context.WithoutCancel(ctx)
	switch end := endOf(err, context.Cause(ctx)); end {
	case ended:
		log.Info("job done", "result", outcome.Result, "message", outcome.Message, "took", time.Since(start))
		w.signal(after, tickets)
	case lost:
		log.Warn("job lost, nothing of this run was kept", "took", time.Since(start))
	case interrupted, cutOff:
		w.giveBack(after, log, c, end, err)
	case broke:
		if cause := context.Cause(ctx); errors.Is(cause, errTimeLimit) {
			err = fmt.Errorf("%w (%s)", errTimeLimit, w.opts.TimeLimit)
		}
		log.Error("job failed", "err", err, "took", time.Since(start))
		return err.Error(), w.fail(after, log, c, err)
	}
	return "", false
}

// calculate computes and finishes in one transaction.
func (w *Worker) calculate(ctx context.Context, c *ledger.Claim, calculate Calculation, beat *heartbeat) (job.Outcome, []ledger.Ticket, error) {
	var outcome job.Outcome
	var tickets []ledger.Ticket
	err := postgres.InTx(ctx, w.data, runAttempts, func(tx pgx.Tx) (err error) {
		beat.resume()
		if err := w.ledger.Begin(ctx, tx, c); err != nil {
			return err
		}
		if outcome, err = w.guarded(ctx, tx, c, calculate, beat.progress); err != nil {
			if !tx.Conn().IsClosed() {
				err = failure{err}
			}
			return err
		}
		beat.pause()
		tickets, err = w.ledger.Finish(ctx, tx, c, outcome)
		return err
	})
	return outcome, tickets, err
}

// guarded turns a panic into an error: one bad scope must not take the others' runs down.
func (w *Worker) guarded(ctx context.Context, tx pgx.Tx, c *ledger.Claim, calculate Calculation, progress job.Progress) (o job.Outcome, err error) {
	defer func() {
		if r := recover(); r != nil {
			w.log.Error("calculation panicked", "job", c.JobID, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("the calculation panicked: %v", r)
		}
	}()
	return calculate(ctx, tx, c, progress)
}

// fail records the failure in a transaction of its own and reports whether it could. If
// not, the job is the reaper's when its lease runs out.
func (w *Worker) fail(ctx context.Context, log *slog.Logger, c *ledger.Claim, cause error) bool {
	var tickets []ledger.Ticket
	err := w.persist(ctx, c, func(ctx context.Context) error {
		return postgres.InTx(ctx, w.control, runAttempts, func(tx pgx.Tx) (err error) {
			tickets, err = w.ledger.Finish(ctx, tx, c, job.Outcome{Result: job.Error, Message: cause.Error()})
			return err
		})
	})
	if err != nil {
		log.Warn("the failure could not be recorded", "err", err)
		return false
	}
	w.signal(ctx, tickets)
	return true
}

// giveBack makes an interrupted job wait again.
func (w *Worker) giveBack(ctx context.Context, log *slog.Logger, c *ledger.Claim, end end, cause error) {
	var fate ledger.Fate
	var tickets []ledger.Ticket
	err := w.persist(ctx, c, func(ctx context.Context) (err error) {
		if end == interrupted {
			fate, tickets, err = w.ledger.Release(ctx, w.control, c)
		} else {
			fate, tickets, err = w.ledger.Forfeit(ctx, w.control, c, "database connection lost")
		}
		return err
	})
	if err != nil {
		log.Warn("the job could not be given back, the reaper will", "err", err)
		return
	}
	log.Info("job given back", "fate", fate, "because", cause)
	w.signal(ctx, tickets)
}

// persist tries again while the database is away, for as long as the lease may last.
func (w *Worker) persist(ctx context.Context, c *ledger.Claim, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.Lease)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		err := do(ctx)
		if err == nil || errors.Is(err, ledger.ErrLost) {
			return err
		}
		if !postgres.Unavailable(err) && !postgres.LockTimeout(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}
