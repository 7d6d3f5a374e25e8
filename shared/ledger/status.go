package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Status is pipelines.status.
type Status string

const (
	// StatusRunning means a job of the pipeline waits or runs.
	StatusRunning Status = "RUNNING"
	// StatusSuccess means every job is finished, none in [job.Error].
	StatusSuccess Status = "SUCCESS"
	// StatusFailed means the root ended in [job.Error], or the pipeline was aborted before it ended.
	StatusFailed Status = "FAILED"
	// StatusPartial means the root stands, a later job ended in [job.Error], or was active when the
	// pipeline was aborted.
	StatusPartial Status = "PARTIAL"
)

// Done reports whether nothing of the pipeline waits or runs any more.
func (s Status) Done() bool { return s == StatusSuccess || s == StatusFailed || s == StatusPartial }

// lockPipelines locks every pipeline of a job, in one order. Whoever finishes a job
// takes this lock before counting, until it commits: of two jobs that finish
// at the same moment the second one counts the first, so the last one always settles
// the status. The mode lets foreign key checks of new members pass.
const lockPipelines = `
SELECT p.id FROM pipelines p
 WHERE p.id IN (SELECT pipeline_id FROM pipeline_jobs WHERE job_id = @job)
 ORDER BY p.id
   FOR NO KEY UPDATE`

// tallyPipelines counts the jobs of the locked pipelines. A job that was taken over by
// another is history, not a member. An aborted pipeline is left out: its jobs are others'. The members are asked for by themselves: from the
// pipelines alone the planner does not find its way into the view, and joins all jobs there ever were.
const tallyPipelines = `
SELECT p.id,
       count(*) AS jobs,
       count(*) FILTER (WHERE j.state IS DISTINCT FROM 'FINISHED') AS active,
       count(*) FILTER (WHERE j.state = 'FINISHED' AND j.result = 'ERROR') AS errors,
       count(*) FILTER (WHERE root) AS roots,
       count(*) FILTER (WHERE root AND j.state IS DISTINCT FROM 'FINISHED') AS active_roots,
       count(*) FILTER (WHERE root AND j.state = 'FINISHED' AND j.result = 'ERROR') AS root_errors,
       count(*) FILTER (WHERE j.job_type = 'emission_recalc') AS recalcs,
       min(j.started_at) AS started_at,
       max(j.finished_at) AS finished_at,
       (array_agg(j.status_message ORDER BY j.id) FILTER (WHERE j.state = 'FINISHED' AND j.result = 'ERROR'))[1] AS last_error
  FROM pipelines p
  JOIN pipeline_jobs m ON m.pipeline_id = p.id
  JOIN data_ingestion_jobs j ON j.id = m.job_id AND j.superseded_by IS NULL
 CROSS JOIN LATERAL (SELECT coalesce(j.job_type = p.kind, false) AS root) r
 WHERE p.id = ANY (@pipelines) AND m.pipeline_id = ANY (@pipelines) AND p.aborted_at IS NULL
 GROUP BY p.id`

// tally is what the status of a pipeline depends on.
type tally struct {
	ID                             uuid.UUID
	Jobs, Active, Errors           int
	Roots, ActiveRoots, RootErrors int
	Recalcs                        int
	StartedAt                      *time.Time
	FinishedAt                     *time.Time
	LastError                      *string
}

// aborted counts what is active as failed.
func (t tally) aborted() tally {
	t.Errors, t.Active = t.Errors+t.Active, 0
	t.RootErrors, t.ActiveRoots = t.RootErrors+t.ActiveRoots, 0
	return t
}

// statusOf decides the status from the counts. With several roots, FAILED means that
// none of them stands.
func statusOf(t tally) Status {
	switch {
	case t.Active > 0:
		return StatusRunning
	case t.Errors == 0:
		return StatusSuccess
	case t.Roots > 0 && t.RootErrors == t.Roots:
		return StatusFailed
	default:
		return StatusPartial
	}
}

const settlePipeline = `
UPDATE pipelines
   SET status = @status, job_count = @jobs, error_count = @errors, expected_recalc = @recalcs,
       started_at = @started_at, finished_at = @finished_at, last_error = @last_error, updated_at = clock_timestamp()
 WHERE id = @id`

func settleArgs(t tally) pgx.StrictNamedArgs {
	return pgx.StrictNamedArgs{"id": t.ID, "status": statusOf(t), "jobs": t.Jobs, "errors": t.Errors,
		"recalcs": t.Recalcs, "started_at": t.StartedAt, "finished_at": t.FinishedAt, "last_error": t.LastError}
}

// lockPipelinesOf locks the pipelines of a job, and returns them.
func lockPipelinesOf(ctx context.Context, tx pgx.Tx, jobID int64) ([]uuid.UUID, error) {
	rows, err := tx.Query(ctx, lockPipelines, pgx.StrictNamedArgs{"job": jobID})
	var ids []uuid.UUID
	if err == nil {
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	}
	if err != nil {
		return nil, fmt.Errorf("lock the pipelines of job %d: %w", jobID, err)
	}
	return ids, nil
}

// lockAndSettle is settle for who has not locked the job's pipelines yet.
func lockAndSettle(ctx context.Context, tx pgx.Tx, jobID int64) error {
	ids, err := lockPipelinesOf(ctx, tx, jobID)
	if err != nil {
		return err
	}
	return settle(ctx, tx, jobID, ids)
}

// settle brings the status of every pipeline of the job up to date, in the
// transaction that changed the job. ids are those pipelines, locked.
func settle(ctx context.Context, tx pgx.Tx, jobID int64, ids []uuid.UUID) error {
	fail := func(err error) error { return fmt.Errorf("settle the pipelines of job %d: %w", jobID, err) }
	if len(ids) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, tallyPipelines, pgx.StrictNamedArgs{"pipelines": ids})
	if err != nil {
		return fail(err)
	}
	tallies, err := pgx.CollectRows(rows, pgx.RowToStructByName[tally])
	if err != nil {
		return fail(err)
	}
	batch := &pgx.Batch{}
	for _, t := range tallies {
		if !statusOf(t).Done() {
			t.FinishedAt = nil
		}
		batch.Queue(settlePipeline, settleArgs(t))
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fail(err)
	}
	return nil
}
