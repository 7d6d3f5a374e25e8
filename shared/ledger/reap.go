package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// ForeignLease is how long a running job that another program claimed may go without a
// sign of life. The original renews every 15 minutes and gives up after 60.
const ForeignLease = time.Hour

// expired is the SQL condition under which a running job has lost its worker.
const expired = `(lease_expires_at < clock_timestamp()
       OR lease_expires_at IS NULL AND coalesce(locked_at < clock_timestamp() - @foreign::interval, true))`

const listExpired = `
SELECT id, job_type, module_type_id, coalesce(data_entry_type_id, 0) AS data_entry_type_id, year, coalesce(locked_by, '') AS token
  FROM data_ingestion_jobs
 WHERE state = 'RUNNING' AND job_type = ANY (@types) AND module_type_id IS NOT NULL AND year IS NOT NULL
   AND (job_type <> 'emission_recalc' OR data_entry_type_id IS NOT NULL)
   AND ` + expired + `
 ORDER BY id LIMIT 100`

// Lost is a running job whose worker gave no sign of life for a whole lease.
type Lost struct {
	JobID int64
	Scope job.Scope
	// Token is the claim that lost it.
	Token string
}

// Expired lists running jobs with an expired lease, oldest first, at most a hundred.
func (l *Ledger) Expired(ctx context.Context, db postgres.Querier) ([]Lost, error) {
	rows, err := db.Query(ctx, listExpired, pgx.StrictNamedArgs{"types": jobTypes(), "foreign": ForeignLease})
	if err != nil {
		return nil, fmt.Errorf("list expired leases: %w", err)
	}
	lost, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Lost, error) {
		var r Lost
		err := row.Scan(&r.JobID, &r.Scope.Type, &r.Scope.ModuleType, &r.Scope.DataEntryType, &r.Scope.Year, &r.Token)
		if r.Scope.Type == job.Aggregation {
			r.Scope.DataEntryType = 0
		}
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("list expired leases: %w", err)
	}
	return lost, nil
}

// endSession ends the database session of a claim that has lost its job, if it has one
// still. It asks again whether the lease is expired: the worker may just have renewed it.
const endSession = `
SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity a
 WHERE a.application_name = @token AND a.pid <> pg_backend_pid()
   AND EXISTS (SELECT FROM data_ingestion_jobs WHERE id = @id AND locked_by = @token AND state = 'RUNNING' AND ` + expired + `)`

const recheckStatement = `
SELECT id, attempts, max_attempts, coalesce(locked_by, '') AS host FROM data_ingestion_jobs
 WHERE id = @id AND state = 'RUNNING' AND ` + expired + `
   FOR UPDATE`

// Reap gives a lost job back. The fate is "" where there was nothing to do any more: the
// worker renewed, finished or another reaper was faster. Several reapers may run at once.
func (l *Ledger) Reap(ctx context.Context, db interface {
	postgres.Beginner
	postgres.Querier
}, lost Lost) (Fate, []Ticket, error) {
	fail := func(err error) (Fate, []Ticket, error) {
		return "", nil, fmt.Errorf("reap job %d: %w", lost.JobID, err)
	}
	if err := lost.Scope.Check(); err != nil {
		return fail(err)
	}
	args := pgx.NamedArgs{"id": lost.JobID, "token": lost.Token, "foreign": ForeignLease}
	if strings.HasPrefix(lost.Token, tokenPrefix) {
		// Without the right to end another user's session we go on: its locks may delay the next
		// run, the fence holds all the same.
		var ended int
		if err := db.QueryRow(ctx, endSession, args).Scan(&ended); err != nil && postgres.Code(err) != insufficientPrivilege {
			return fail(err)
		}
	}
	var fate Fate
	var tickets []Ticket
	err := postgres.InTx(ctx, db, txAttempts, func(tx pgx.Tx) error {
		if err := enter(ctx, tx, lost.Scope); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, recheckStatement, args)
		if err != nil {
			return err
		}
		r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[running])
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		fate, tickets, err = l.giveBack(ctx, tx, lost.Scope, r, fmt.Sprintf("worker lost (%s)", r.Host))
		return err
	})
	if err != nil {
		return fail(err)
	}
	return fate, tickets, nil
}

const insufficientPrivilege = "42501"

func jobTypes() []string {
	var types []string
	for _, c := range job.Configs() {
		types = append(types, string(c.JobType))
	}
	return types
}
