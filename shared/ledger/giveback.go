package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// Fate is what becomes of a job whose run ended without an outcome.
type Fate string

const (
	// Requeued: it waits again.
	Requeued Fate = "requeued"
	// Superseded: another job of the scope waits already and will start later, so it covers
	// whatever this one was to cover. It takes the pipelines over.
	Superseded Fate = "superseded"
	// Abandoned: it was tried max_attempts times.
	Abandoned Fate = "abandoned"
)

// running is a job that is to be given back.
type running struct {
	ID          int64
	Attempts    int
	MaxAttempts int
	Host        string
}

// fateOf decides. A run that was stopped on purpose does not count as an attempt.
func fateOf(attempts, maxAttempts int, anotherWaits bool) Fate {
	switch {
	case anotherWaits:
		return Superseded
	case attempts >= maxAttempts:
		return Abandoned
	default:
		return Requeued
	}
}

// otherWaitingTemplate finds the job that waits behind a running one.
const otherWaitingTemplate = `
SELECT j.id FROM data_ingestion_jobs j
 WHERE j.job_type = '{type}' AND j.state IN ('NOT_STARTED', 'QUEUED') AND {j.scope}
   FOR UPDATE`

// requeueStatement makes a running job wait again. Its next signal needs another task id,
// because the task of the worker that lost it may keep the old one for minutes.
const requeueStatement = `
UPDATE data_ingestion_jobs
   SET state = 'NOT_STARTED', locked_by = NULL, locked_at = NULL, lease_expires_at = NULL, started_at = NULL,
       progress_done = NULL, progress_total = NULL,
       attempts = @attempts, signal_seq = signal_seq + 1, status_message = @message
 WHERE id = @id
RETURNING signal_seq`

const abandonStatement = `
UPDATE data_ingestion_jobs
   SET state = 'FINISHED', result = 'ERROR', finished_at = clock_timestamp(), lease_expires_at = NULL, status_message = @message
 WHERE id = @id`

// supersedeStatement ends the job in favour of another one and widens that to cover it.
const supersedeStatement = `
WITH lost AS (
    UPDATE data_ingestion_jobs
       SET state = 'FINISHED', result = 'ERROR', finished_at = clock_timestamp(), lease_expires_at = NULL,
           superseded_by = @other, status_message = @message
     WHERE id = @id
    RETURNING carbon_report_module_ids AS filter)
UPDATE data_ingestion_jobs j
   SET carbon_report_module_ids = CASE WHEN lost.filter IS NULL OR j.carbon_report_module_ids IS NULL THEN NULL
       ELSE ARRAY(SELECT DISTINCT unnest(j.carbon_report_module_ids || lost.filter) ORDER BY 1) END
  FROM lost WHERE j.id = @other
RETURNING j.signal_seq`

// giveBack carries out the fate of a running job whose row this transaction has locked,
// behind the scope's door. reason begins the job's message.
func (l *Ledger) giveBack(ctx context.Context, tx pgx.Tx, s job.Scope, r running, reason string) (Fate, []Ticket, error) {
	var other int64
	err := tx.QueryRow(ctx, l.sql[s.Type].otherWaiting, scopeArgs(s)).Scan(&other)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return "", nil, err
	}
	fate := fateOf(r.Attempts, r.MaxAttempts, err == nil)
	var tickets []Ticket
	switch fate {
	case Requeued:
		t := Ticket{Scope: s, JobID: r.ID}
		err = tx.QueryRow(ctx, requeueStatement, pgx.StrictNamedArgs{"id": r.ID, "attempts": r.Attempts,
			"message": reason + "; waiting again"}).Scan(&t.SignalSeq)
		tickets = []Ticket{t}
	case Superseded:
		t := Ticket{Scope: s, JobID: other}
		err = tx.QueryRow(ctx, supersedeStatement, pgx.StrictNamedArgs{"id": r.ID, "other": other,
			"message": fmt.Sprintf("%s; job %d covers it", reason, other)}).Scan(&t.SignalSeq)
		if err == nil {
			err = followPipelines(ctx, tx, r.ID, other)
		}
		tickets = []Ticket{t}
	case Abandoned:
		_, err = tx.Exec(ctx, abandonStatement, pgx.StrictNamedArgs{"id": r.ID,
			"message": fmt.Sprintf("%s; given up after %d of %d attempts", reason, r.Attempts, r.MaxAttempts)})
		if err == nil {
			batch, current := &pgx.Batch{}, currentArgs(s, r.ID)
			batch.Queue(l.sql[s.Type].demote, current)
			batch.Queue(l.sql[s.Type].promote, current)
			err = tx.SendBatch(ctx, batch).Close()
		}
		if err == nil && s.Type == job.EmissionRecalc {
			tickets, err = l.waiting(ctx, tx, s.Aggregation())
		}
	}
	if err != nil {
		return "", nil, err
	}
	return fate, tickets, lockAndSettle(ctx, tx, r.ID)
}

const lockOwn = `
SELECT id, attempts, max_attempts, coalesce(locked_by, '') AS host FROM data_ingestion_jobs
 WHERE id = @id AND locked_by = @token AND state = 'RUNNING'
   FOR UPDATE`

// Release gives an unfinished job back whose run was ended on purpose (a shutdown), after its
// data was rolled back. The run does not count as an attempt. It returns [ErrLost] where there
// is nothing to give back.
func (l *Ledger) Release(ctx context.Context, db postgres.Beginner, c *Claim, reason string) (Fate, []Ticket, error) {
	return l.giveBackOwn(ctx, db, c, 0, reason)
}

// Forfeit gives an unfinished job back after the run lost its database connection. It is
// what the reaper would do when the lease is over, only at once: the run counts.
func (l *Ledger) Forfeit(ctx context.Context, db postgres.Beginner, c *Claim, reason string) (Fate, []Ticket, error) {
	return l.giveBackOwn(ctx, db, c, 1, reason)
}

func (l *Ledger) giveBackOwn(ctx context.Context, db postgres.Beginner, c *Claim, counts int, reason string) (Fate, []Ticket, error) {
	var fate Fate
	var tickets []Ticket
	err := postgres.InTx(ctx, db, txAttempts, func(tx pgx.Tx) error {
		if err := enter(ctx, tx, c.Scope); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, lockOwn, pgx.StrictNamedArgs{"id": c.JobID, "token": c.Token})
		if err != nil {
			return err
		}
		r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[running])
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrLost
		}
		if err != nil {
			return err
		}
		r.Attempts += counts - 1
		fate, tickets, err = l.giveBack(ctx, tx, c.Scope, r, reason)
		return err
	})
	if err != nil {
		return "", nil, fmt.Errorf("give job %d back: %w", c.JobID, err)
	}
	return fate, tickets, nil
}

// txAttempts is how often a transaction of the ledger's own is tried when it loses a deadlock.
const txAttempts = 5
