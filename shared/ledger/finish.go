package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tidemark/shared/job"
)

// finishStatement is the fence: without the token of the claim that runs now, no row.
// locked_by stays, it says who ran the job.
const finishStatement = `
UPDATE data_ingestion_jobs
   SET state = 'FINISHED', result = @result::ingestion_result_enum, finished_at = clock_timestamp(), status_message = @message,
       lease_expires_at = NULL, read_snapshot = coalesce(@snapshot::text::pg_snapshot, read_snapshot),
       -- The original writes JSON null where it has nothing to say.
       meta = (CASE jsonb_typeof(meta::jsonb) WHEN 'object' THEN meta::jsonb ELSE '{}' END || @meta::jsonb)::json
 WHERE id = @id AND locked_by = @token AND state = 'RUNNING'`

// readOwn says for whom the job was made.
const readOwn = `SELECT pipeline_id, provider FROM data_ingestion_jobs WHERE id = @id`

// demoteTemplate makes room for the job as the current one of its combination, which the
// original's views read; promoteTemplate gives it that place. Rows that run, another program's,
// are left alone, and keep the place if they have it.
const demoteTemplate = `
UPDATE data_ingestion_jobs SET is_current = false
 WHERE is_current AND id <> @id AND state <> 'RUNNING'
   AND target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed' AND {combination}`

const promoteTemplate = `
UPDATE data_ingestion_jobs SET is_current = true
 WHERE id = @id AND NOT EXISTS (
       SELECT FROM data_ingestion_jobs
        WHERE is_current AND id <> @id AND target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed' AND {combination})`

// waitingScopeTemplate finds the job that waits in a scope.
const waitingScopeTemplate = `
SELECT j.id, j.signal_seq FROM data_ingestion_jobs j
 WHERE j.job_type = '{type}' AND j.state IN ('NOT_STARTED', 'QUEUED') AND {j.scope}`

// Finish ends the job in the transaction that wrote its data: data, result, follow-up
// request and pipeline status are committed together or not at all. [ErrLost] means that
// the job is no longer ours: roll back.
//
// A recalculation that did not end in [job.Error] requests the aggregation of its module
// and year on behalf of all its pipelines; one that did at least wakes an aggregation that
// is held. The tickets are to be signalled after the commit.
//
// A calculation that failed is finished in a transaction of its own, with
// [job.Error], after its data was rolled back.
func (l *Ledger) Finish(ctx context.Context, tx pgx.Tx, c *Claim, o job.Outcome) ([]Ticket, error) {
	return l.FinishRenewed(ctx, tx, c, o, func() {})
}

// FinishRenewed is [Ledger.Finish] beside renewals of the lease. It may have to wait for others: for
// a requester that has inserted the follow-up and not committed, for as long as the server
// lets it; for another finish of the same pipelines. All that comes first, while the lease can
// still be renewed. Then it calls pause, after which there must be no renewal before the
// transaction ends: it would wait for the job's row, which is written last.
func (l *Ledger) FinishRenewed(ctx context.Context, tx pgx.Tx, c *Claim, o job.Outcome, pause func()) ([]Ticket, error) {
	fail := func(err error) ([]Ticket, error) { return nil, fmt.Errorf("finish job %d: %w", c.JobID, err) }
	st, err := l.statementsFor(c.Scope)
	if err != nil {
		return fail(err)
	}
	meta, err := finishMeta(c.Scope.Type, o)
	if err != nil {
		return fail(err)
	}
	var tickets []Ticket
	follows := c.Scope.Type == job.EmissionRecalc && o.Result != job.Error
	if follows {
		if tickets, err = l.followUp(ctx, tx, c); err != nil {
			return fail(err)
		}
	}
	pipelines, err := lockPipelinesOf(ctx, tx, c.JobID)
	if err != nil {
		return fail(err)
	}
	if follows {
		if err := followPipelines(ctx, tx, c.JobID, tickets[0].JobID); err != nil {
			return fail(err)
		}
	}
	current := currentArgs(c.Scope, c.JobID)
	if _, err := tx.Exec(ctx, st.demote, current); err != nil {
		return fail(err)
	}
	pause()
	batch := &pgx.Batch{}
	batch.Queue(st.finish, pgx.NamedArgs{"id": c.JobID, "token": c.Token, "result": o.Result,
		"message": storable(o.Message), "meta": meta, "snapshot": c.readSnapshot}).Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return ErrLost
		}
		return nil
	})
	batch.Queue(st.promote, current)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fail(err)
	}
	if c.Scope.Type == job.EmissionRecalc && !follows {
		if tickets, err = l.waiting(ctx, tx, c.Scope.Aggregation()); err != nil {
			return fail(err)
		}
	}
	return tickets, settle(ctx, tx, c.JobID, pipelines)
}

// storable replaces what a text column cannot hold. A failure that could not be recorded
// would look like a lost worker, and be tried again.
func storable(message string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(message, "\x00", "\uFFFD"), "\uFFFD")
}

// finishMeta is what a finished job adds to its meta.
func finishMeta(t job.Type, o job.Outcome) ([]byte, error) {
	meta := map[string]json.RawMessage{}
	if o.Detail != nil {
		key := "recalculation"
		if t == job.Aggregation {
			key = "aggregation"
		}
		meta[key] = o.Detail
	}
	return json.Marshal(meta)
}

// currentArgs are those of demote and promote.
func currentArgs(s job.Scope, jobID int64) pgx.NamedArgs {
	args := scopeArgs(s)
	args["id"] = jobID
	return args
}

// followUp requests the aggregation that a recalculation makes necessary. Its pipelines follow later.
func (l *Ledger) followUp(ctx context.Context, tx pgx.Tx, c *Claim) ([]Ticket, error) {
	up := c.Scope.Aggregation()
	var b Batch
	var pipeline *uuid.UUID
	err := tx.QueryRow(ctx, readOwn, pgx.StrictNamedArgs{"id": c.JobID}).Scan(&pipeline, &b.Provider)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, ErrLost
	}
	if err != nil {
		return nil, err
	}
	if pipeline != nil {
		b.Pipeline = *pipeline
	}
	aggregation, err := job.ConfigOf(up.Type)
	if err != nil {
		return nil, err
	}
	return l.requestType(ctx, tx, aggregation, b, []Request{{Scope: up}})
}

// waiting returns a ticket for the job that waits in a scope, if one does.
func (l *Ledger) waiting(ctx context.Context, tx pgx.Tx, s job.Scope) ([]Ticket, error) {
	rows, err := tx.Query(ctx, l.sql[s.Type].waitingScope, scopeArgs(s))
	if err != nil {
		return nil, err
	}
	return collectTickets(rows, s)
}

// collectTickets reads id and signal_seq of jobs of one scope.
func collectTickets(rows pgx.Rows, s job.Scope) ([]Ticket, error) {
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Ticket, error) {
		t := Ticket{Scope: s}
		return t, row.Scan(&t.JobID, &t.SignalSeq)
	})
}
