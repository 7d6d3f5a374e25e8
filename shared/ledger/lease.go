package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// ErrLost means that the job is no longer this claim's: it was reaped, aborted or taken
// over. Nothing of the run may be kept.
var ErrLost = errors.New("the job is no longer held by this claim")

const renewStatement = `
UPDATE data_ingestion_jobs
   SET locked_at = clock_timestamp(), lease_expires_at = clock_timestamp() + @lease::interval,
       progress_done = coalesce(@done, progress_done), progress_total = coalesce(@total, progress_total),
       status_message = coalesce(@message, status_message)
 WHERE id = @id AND locked_by = @token AND state = 'RUNNING'`

// Renew extends the lease by its full length and publishes how far the run is
// (total of 0: not known). It returns [ErrLost] when there is nothing to extend.
func (l *Ledger) Renew(ctx context.Context, db postgres.Execer, c *Claim, done, total int) error {
	args := pgx.StrictNamedArgs{"id": c.JobID, "token": c.Token, "lease": c.Lease, "done": nil, "total": nil, "message": nil}
	if total > 0 {
		args["done"], args["total"], args["message"] = done, total, fmt.Sprintf("%d of %d", done, total)
	}
	tag, err := db.Exec(ctx, l.sql[c.Scope.Type].renew, args)
	if err != nil {
		return fmt.Errorf("renew the lease of job %d: %w", c.JobID, err)
	}
	if tag.RowsAffected() == 0 {
		return ErrLost
	}
	return nil
}

const beginRun = `SELECT set_config('application_name', @token, true), pg_current_snapshot()::text`

// Begin is the first statement of the transaction in which the run reads and writes. It notes
// with which snapshot that begins to read: what commits later may or may not be in its result.
// Until it ends, the session bears the claim's name: the reaper ends the session of a lost claim. A
// worker that is stopped or cut off in the middle of its transaction would otherwise block
// the next run on its row locks.
func (l *Ledger) Begin(ctx context.Context, tx pgx.Tx, c *Claim) error {
	var name string
	if err := tx.QueryRow(ctx, l.sql[c.Scope.Type].begin, pgx.StrictNamedArgs{"token": c.Token}).Scan(&name, &c.readSnapshot); err != nil {
		return fmt.Errorf("begin job %d: %w", c.JobID, err)
	}
	return nil
}
