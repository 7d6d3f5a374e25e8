package worker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

// handle processes one task. An error archives it: its job failed, or it cannot be
// understood, or PostgreSQL is away. The last is no loss: a task of ours whose job still
// waits is run again by the relay; a wish that is not in the record yet stays visible,
// and asynq tries it again if its sender wanted that.
func (w *Worker) handle(ctx context.Context, task *asynq.Task) error {
	if !w.begin() {
		// Too late: asynq puts the task back into the queue when its patience is over, and ends ctx.
		<-ctx.Done()
		return ctx.Err()
	}
	defer w.active.Done()
	id, _ := asynq.GetTaskID(ctx)
	queue, _ := asynq.GetQueueName(ctx)
	d, err := signal.Parse(queue, id, task)
	if err != nil {
		w.metrics.taskFailures.WithLabelValues(unreadable).Inc()
		return archive(err)
	}
	// asynq ends ctx when it loses Redis; the record does not depend on that. The end of the drain
	// does end it: a database that does not answer must not keep the worker.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(w.releasing, func() { cancel(errShutdown) })
	defer stop()
	failed, err := w.serve(ctx, d, task)
	if err != nil {
		w.metrics.taskFailures.WithLabelValues(unserved).Inc()
		w.log.Warn("task not served", "task", id, "err", err)
		return err
	}
	return archive(failed)
}

// archive makes asynq keep the task, visible, and leave it alone.
func archive(err error) error {
	if err == nil {
		return nil
	}
	return archived{err}
}

// archived is an error that asynq does not try again. asynq's tools show its words, which are those
// of the error alone.
type archived struct{ error }

func (a archived) Unwrap() []error { return []error{a.error, asynq.SkipRetry} }

// serve does what the delivery asks for. failed is the failure of the job that the task
// stands for; err is trouble that says nothing about it.
func (w *Worker) serve(ctx context.Context, d signal.Delivery, task *asynq.Task) (failed, err error) {
	incident, answer, err := w.signals.History(ctx, d)
	if err != nil {
		return nil, err
	}
	own, answer, err := w.ownJob(ctx, d, answer)
	if err != nil {
		return nil, err
	}
	jobID := d.JobID
	if own != nil {
		jobID = own.ID
	}
	act := decide(d, incident, answer, own)
	w.metrics.tasks.WithLabelValues(string(act)).Inc()
	switch act {
	case ignore:
		return nil, nil
	case report:
		return jobFailed(own.ID, deref(own.Message)), nil
	case request:
		ticket, err := w.request(ctx, d.Scope, signal.Answer{Pipeline: uuid.New(), Incident: incident}, task)
		if err != nil {
			return nil, err
		}
		w.metrics.requested(fromTask, ticket)
		w.log.Info("task made into a request", "task", d.TaskID, "job", ticket.JobID, "created", ticket.Created)
		jobID = ticket.JobID
	}
	return w.look(ctx, d.Scope, jobID)
}

// ownJob returns the job that the task stands for, nil if the record has none. An answer
// whose transaction did not commit is none, and nil is returned in its place.
func (w *Worker) ownJob(ctx context.Context, d signal.Delivery, answer *signal.Answer) (*ledger.Job, *signal.Answer, error) {
	if answer != nil {
		p, err := w.ledger.Pipeline(ctx, w.control, answer.Pipeline)
		switch {
		case errors.Is(err, ledger.ErrNotFound):
			answer = nil
		case err != nil:
			return nil, nil, err
		}
		for _, j := range p.Jobs {
			if scopeMatches(j, d.Scope) {
				return &j, answer, nil
			}
		}
	}
	if d.JobID == 0 {
		return nil, answer, nil
	}
	j, err := w.ledger.Job(ctx, w.control, d.JobID)
	if errors.Is(err, ledger.ErrNotFound) || err == nil && !scopeMatches(j, d.Scope) {
		return nil, answer, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return &j, answer, nil
}

// request makes the task a request, and marks the task with it. The mark is set before the
// commit: a request without a mark would be made again when the task is redelivered, while
// a mark without its request names a pipeline that does not exist, and does not count.
func (w *Worker) request(ctx context.Context, s job.Scope, a signal.Answer, task *asynq.Task) (ledger.Ticket, error) {
	var ticket ledger.Ticket
	err := postgres.InTx(ctx, w.claims, runAttempts, func(tx pgx.Tx) error {
		// A task does not tell who sent it or pressed "Run".
		by := ledger.Origin{Actor: "asynq", Via: ledger.ViaTask, RequestID: task.ResultWriter().TaskID()}
		started, err := w.ledger.Start(ctx, tx, ledger.NewPipeline{ID: a.Pipeline, Kind: s.Type, ModuleType: s.ModuleType, Year: s.Year}, by, s)
		if err != nil {
			return err
		}
		ticket = started.Tickets[0]
		return a.Record(task)
	})
	return ticket, err
}

// maxLooks bounds how often one task looks at its scope. It is many only where requesters keep the
// scope's door shut, a second for each look: then the relay signals the scope again.
const maxLooks = 10

// look runs what waits in the scope, once, then hands the scope over. It returns the failure of the
// job own, if that is among what it ran.
//
// What waits there after the run takes its turn behind what waits in other scopes. As many
// scopes as there are slots, each requested again during each of its runs, would otherwise
// keep the fleet from all others for ever.
func (w *Worker) look(ctx context.Context, s job.Scope, own int64) (failed, err error) {
	calculate, ok := w.opts.Calculations[s.Type]
	if !ok {
		return fmt.Errorf("no calculation for %s in this worker", s.Type), nil
	}
	select {
	case w.slots <- struct{}{}:
		defer func() { <-w.slots }()
	case <-w.stopping.Done():
		return nil, nil
	}
	for looks := 0; looks < maxLooks && w.stopping.Err() == nil; looks++ {
		claim, sight, message, bad, err := w.claimAndRun(ctx, s, calculate)
		switch {
		case err != nil:
			return failed, err
		case sight == ledger.Contended:
			continue
		case sight != ledger.Claimed:
			w.log.Debug("looked", "scope", s, "sight", sight)
			return failed, nil
		case bad && claim.JobID == own:
			failed = jobFailed(claim.JobID, message)
		case bad:
			// Its own task, when it is delivered, will put the failure into the archive.
			w.signal(ctx, []ledger.Ticket{{Scope: s, JobID: claim.JobID, SignalSeq: claim.SignalSeq}})
		}
		if w.handOver(ctx, s) {
			return failed, nil
		}
	}
	return failed, nil
}

// handOver makes sure that what waits behind a run has a signal, and reports whether the scope can be
// left. It cannot where that signal is just being delivered: it may have found the scope
// busy, before the run was over. That is a matter of moments, so it does not keep a worker in a scope.
func (w *Worker) handOver(ctx context.Context, s job.Scope) bool {
	if ctx.Err() != nil {
		return true // The drain is over; what was given back has been signalled.
	}
	next, err := w.ledger.Next(ctx, w.control, s)
	for _, t := range next {
		var presence signal.Presence
		if presence, err = w.signals.Ensure(ctx, t); presence == signal.InFlight {
			return false
		}
	}
	if err != nil {
		w.metrics.unsentSignals.Inc()
		w.log.Warn("scope not handed over, the relay will", "scope", s, "err", err)
	}
	return true
}

// claimAndRun runs one job of the scope. Its connection is had before the claim: a database
// that takes no more of them costs no job an attempt.
func (w *Worker) claimAndRun(ctx context.Context, s job.Scope, calculate Calculation) (claim *ledger.Claim, sight ledger.Sight, message string, bad bool, err error) {
	conn, err := w.data.Acquire(ctx)
	if err != nil {
		w.metrics.claimed(s, sightFailed, nil)
		return nil, "", "", false, fmt.Errorf("connect for a run of %s: %w", s, err)
	}
	defer conn.Release()
	claim, sight, err = w.ledger.Claim(ctx, w.claims, s, w.opts.Lease)
	if err != nil {
		w.metrics.claimed(s, sightFailed, nil)
		return nil, "", "", false, err
	}
	w.metrics.claimed(s, sight, claim)
	if sight == ledger.Claimed {
		message, bad = w.run(ctx, conn, claim, calculate)
	}
	return claim, sight, message, bad, nil
}

func jobFailed(id int64, message string) error { return fmt.Errorf("job %d failed: %s", id, message) }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// signal sends what can be sent; the relay does the rest.
func (w *Worker) signal(ctx context.Context, tickets []ledger.Ticket) {
	if len(tickets) == 0 {
		return
	}
	start := time.Now()
	if err := w.signals.Send(ctx, tickets...); err != nil {
		w.metrics.unsentSignals.Inc()
		w.log.Warn("signal not sent, the relay will", "jobs", len(tickets), "after", time.Since(start), "err", err)
	}
}
