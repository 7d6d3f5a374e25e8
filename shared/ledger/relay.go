package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// claimable is the condition under which a worker could claim job j now. With it, a look costs
// the dedup index: what is finished costs nothing. What is held, postponed or behind a running job
// is left out, its time to be signalled comes later.
const claimable = `{j.predicate} AND j.state <> 'RUNNING' AND {j.complete}
   AND coalesce(j.run_after <= clock_timestamp(), true)
   AND NOT EXISTS (SELECT FROM data_ingestion_jobs r
                    WHERE r.job_type = '{type}' AND r.state = 'RUNNING' AND {r.same})
   AND NOT {held}`

const claimableTemplate = `
SELECT j.id, j.signal_seq, {j.columns}
  FROM data_ingestion_jobs j
 WHERE ` + claimable + `
   AND coalesce(j.requested_at < clock_timestamp() - @grace::interval, true)
   AND j.id > @after
 ORDER BY j.id LIMIT @limit`

// Claimable lists waiting jobs that were requested at least grace ago and that nothing
// keeps from being claimed, by id, at most limit of a type and only those after an id.
// Each should have a live signal.
func (l *Ledger) Claimable(ctx context.Context, db postgres.Querier, t job.Type, grace time.Duration, after int64, limit int) ([]Ticket, error) {
	c, err := job.ConfigOf(t)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, l.sql[t].claimable, pgx.NamedArgs{"grace": grace, "max_hold": l.maxHold, "after": after, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("list claimable %s jobs: %w", t, err)
	}
	tickets, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Ticket, error) { return scanTicket(c, row) })
	if err != nil {
		return nil, fmt.Errorf("list claimable %s jobs: %w", t, err)
	}
	return tickets, nil
}

const renumber = `
UPDATE data_ingestion_jobs SET signal_seq = signal_seq + 1
 WHERE id = @id AND signal_seq = @seq AND state IN ('NOT_STARTED', 'QUEUED')
RETURNING signal_seq`

// Renumber gives a waiting job's signal a new task id, because the task with the old one
// will not be delivered: its worker died before it could claim. The ticket is false
// where the job no longer waits under that number.
func (l *Ledger) Renumber(ctx context.Context, db postgres.Querier, t Ticket) (Ticket, bool, error) {
	err := db.QueryRow(ctx, renumber, pgx.StrictNamedArgs{"id": t.JobID, "seq": t.SignalSeq}).Scan(&t.SignalSeq)
	if errors.Is(err, pgx.ErrNoRows) {
		return t, false, nil
	}
	if err != nil {
		return t, false, fmt.Errorf("renumber the signal of job %d: %w", t.JobID, err)
	}
	return t, true, nil
}
