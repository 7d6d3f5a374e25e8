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
func (w *Worker) run(ctx context.Context, conn postgres.Beginner, c *ledger.Claim, calculate Calculation) (message string, failed bool) {
	start := time.Now()
	log := w.log.With("job", c.JobID, "scope", c.Scope.String(), "attempt", c.Attempt)
	// held ends when the job is lost; ctx ends then, at shutdown, and when time is up.
	held, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	defer lose(nil)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := time.AfterFunc(w.opts.TimeLimit, func() { cancel(errTimeLimit) })
	defer limit.Stop()

	w.metrics.running.Inc()
	defer w.metrics.running.Dec()
	beat := w.startHeartbeat(held, c, func(cause error) { lose(cause); cancel(cause) })
	defer beat.stop()
	outcome, tickets, err := w.calculate(ctx, conn, c, calculate, beat)
	took := time.Since(start)

	// From here on the run's own context may be over; what follows must still be recorded.
	after := context.WithoutCancel(ctx)
	var how string
	end := endOf(err, context.Cause(ctx))
	if end != broke {
		beat.stop()
	}
	switch end {
	case ended:
		log.Info("job done", "result", outcome.Result, "message", outcome.Message, "took", took)
		how = endResult(outcome.Result)
		w.metrics.requested(fromFollowUp, tickets...)
		w.signal(after, tickets)
	case lost:
		if how = w.lostBy(after, log, c, endLost); how == endLost {
			log.Warn("job lost, nothing of this run was kept", "took", took)
		}
	case interrupted, dismissed, cutOff:
		how = w.giveBack(after, log, c, end, err)
	case broke:
		if cause := context.Cause(ctx); errors.Is(cause, errTimeLimit) {
			err = fmt.Errorf("%w (%s): see what held it up (locks, a slow database), or raise --time-limit of the workers, and request the scope again", errTimeLimit, w.opts.TimeLimit)
		}
		log.Error("job failed", "err", err, "took", took)
		how = w.fail(held, log, c, beat, err)
		message, failed = err.Error(), how == endResult(job.Error)
	}
	w.metrics.runs.WithLabelValues(string(c.Scope.Type), how).Observe(took.Seconds())
	return message, failed
}

// calculate computes and finishes in one transaction.
func (w *Worker) calculate(ctx context.Context, conn postgres.Beginner, c *ledger.Claim, calculate Calculation, beat *heartbeat) (job.Outcome, []ledger.Ticket, error) {
	var outcome job.Outcome
	var tickets []ledger.Ticket
	began := false
	err := postgres.InTx(ctx, conn, runAttempts, func(tx pgx.Tx) (err error) {
		beat.resume()
		if err := w.ledger.Begin(ctx, tx, c); err != nil {
			return err
		}
		began = true
		if outcome, err = w.guarded(ctx, tx, c, calculate, beat.progress); err != nil {
			if !tx.Conn().IsClosed() {
				err = failure{err}
			}
			return err
		}
		tickets, err = w.ledger.FinishRenewed(ctx, tx, c, outcome, beat.pause)
		return err
	})
	if errors.Is(err, ledger.ErrLost) {
		w.metrics.refused(c.Scope, fencedFinish)
	}
	if err != nil && !began {
		err = unbegun{err}
	}
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

// limitFailure bounds how long a failure waits for a lock: it is tried again, and
// keeps no connection from renewals meanwhile.
const limitFailure = `SET LOCAL lock_timeout = '1s'`

// fail records the failure in a transaction of its own and returns how the run ended. ctx ends
// when the job is lost; until then the lease is renewed, for a job that was given back
// now would be calculated again.
func (w *Worker) fail(ctx context.Context, log *slog.Logger, c *ledger.Claim, beat *heartbeat, cause error) string {
	var tickets []ledger.Ticket
	err := persist(ctx, func(ctx context.Context) error {
		err := postgres.InTx(ctx, w.control, runAttempts, func(tx pgx.Tx) (err error) {
			beat.resume()
			if _, err := tx.Exec(ctx, limitFailure); err != nil {
				return err
			}
			tickets, err = w.ledger.FinishRenewed(ctx, tx, c, job.Outcome{Result: job.Error, Message: cause.Error()}, beat.pause)
			return err
		})
		if err != nil {
			beat.resume()
		}
		return err
	})
	if err != nil {
		how := w.unrecorded(context.WithoutCancel(ctx), log, c, fencedFinish, err)
		if how == endUnrecorded {
			log.Warn("the failure could not be recorded", "err", err)
		}
		return how
	}
	w.signal(context.WithoutCancel(ctx), tickets)
	return endResult(job.Error)
}

// giveBack makes an interrupted job wait again, as long as its lease may last, and returns how the run ended.
func (w *Worker) giveBack(ctx context.Context, log *slog.Logger, c *ledger.Claim, end end, cause error) string {
	if end == cutOff && c.Attempt > 1 {
		// Runs on a connection that breaks again and again would use their attempts up within a
		// second. The reaper takes a lease for each.
		log.Warn("database connection lost again, the reaper will give the job back", "because", cause)
		return endUnrecorded
	}
	var fate ledger.Fate
	var tickets []ledger.Ticket
	how := endReleased
	if end == cutOff {
		how = endForfeited
	}
	limited, cancel := context.WithTimeout(ctx, c.Lease)
	defer cancel()
	err := persist(limited, func(ctx context.Context) (err error) {
		switch end {
		case interrupted:
			fate, tickets, err = w.ledger.Release(ctx, w.control, c, "released at shutdown")
		case dismissed:
			fate, tickets, err = w.ledger.Release(ctx, w.control, c, "the database ended the session")
		default:
			fate, tickets, err = w.ledger.Forfeit(ctx, w.control, c, "database connection lost")
		}
		return err
	})
	if err != nil {
		how := w.unrecorded(ctx, log, c, fencedGiveBack, err)
		if how == endUnrecorded {
			log.Warn("the job could not be given back, the reaper will", "err", err)
		}
		return how
	}
	log.Info("job given back", "fate", fate, "because", cause)
	w.signal(ctx, tickets)
	return how
}

// unrecorded is the end of a run of which nothing could be written down.
func (w *Worker) unrecorded(ctx context.Context, log *slog.Logger, c *ledger.Claim, write string, err error) string {
	if !errors.Is(err, ledger.ErrLost) {
		return endUnrecorded
	}
	w.metrics.refused(c.Scope, write)
	return w.lostBy(ctx, log, c, endUnrecorded)
}

// lostBy is the end of a run whose job is no longer ours: aborted, which is nobody's fault, or otherwise.
func (w *Worker) lostBy(ctx context.Context, log *slog.Logger, c *ledger.Claim, otherwise string) string {
	ctx, cancel := context.WithTimeout(ctx, w.opts.Lease)
	defer cancel()
	message, err := w.ledger.AbortOf(ctx, w.control, c)
	if err != nil || message == "" {
		return otherwise
	}
	log.Info("job aborted, nothing of this run was kept", "message", message)
	return endAborted
}

// persist tries again while the database is away or a lock is not to be had, until ctx ends.
func persist(ctx context.Context, do func(context.Context) error) error {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
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
