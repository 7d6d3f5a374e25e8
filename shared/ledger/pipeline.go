package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

// Status is pipelines.status.
type Status string

const (
	// StatusRunning means a job of the pipeline waits or runs.
	StatusRunning Status = "RUNNING"
	// StatusSuccess means every job is finished, none in [job.Error].
	StatusSuccess Status = "SUCCESS"
	// StatusFailed means the root ended in [job.Error].
	StatusFailed Status = "FAILED"
	// StatusPartial means the root stands, a later job ended in [job.Error].
	StatusPartial Status = "PARTIAL"
)

// Done reports whether nothing of the pipeline waits or runs any more.
func (s Status) Done() bool { return s == StatusSuccess || s == StatusFailed || s == StatusPartial }

// NewPipeline describes the cause that a pipeline is opened for.
type NewPipeline struct {
	// ID is minted by the caller; uuid.Nil lets OpenPipeline mint one.
	ID uuid.UUID
	// Kind is the job type of the root; every job of that type in the pipeline is a root.
	Kind job.Type
	// ModuleType and Year say what the pipeline is about; 0 where it spans several.
	ModuleType, Year int
}

// The integer forms of the enums that the pipelines table stores.
const (
	entityModulePerYear = 1
	methodCSV           = 1
	methodComputed      = 3
)

const openPipeline = `
INSERT INTO pipelines (id, kind, status, entity_type, ingestion_method, module_type_id, year)
VALUES (@id, @kind, 'RUNNING', @entity, @method, nullif(@module::integer, 0), nullif(@year::integer, 0))
    ON CONFLICT (id) DO NOTHING`

// OpenPipeline records a pipeline before its first job. Opening one that exists already
// changes nothing and says so, which makes a request with a fixed id idempotent.
func (l *Ledger) OpenPipeline(ctx context.Context, tx pgx.Tx, p NewPipeline) (id uuid.UUID, opened bool, err error) {
	if p.ID == uuid.Nil {
		p.ID = uuid.New()
	}
	method := methodComputed
	if p.Kind == job.CSVIngest || p.Kind == job.FactorIngest || p.Kind == job.ReferenceIngest {
		method = methodCSV
	}
	tag, err := tx.Exec(ctx, openPipeline, pgx.StrictNamedArgs{"id": p.ID, "kind": p.Kind,
		"entity": entityModulePerYear, "method": method, "module": p.ModuleType, "year": p.Year})
	if err != nil {
		return uuid.Nil, false, fmt.Errorf("open pipeline %s: %w", p.ID, err)
	}
	return p.ID, tag.RowsAffected() == 1, nil
}

// joinPipeline makes a pipeline a member of jobs that another one created.
const joinPipeline = `
INSERT INTO pipeline_joins (pipeline_id, job_id)
SELECT @pipeline, j.id FROM data_ingestion_jobs j
 WHERE j.id = ANY (@jobs) AND j.pipeline_id IS DISTINCT FROM @pipeline
    ON CONFLICT DO NOTHING`

// reopen says that a pipeline which looked done (a load is, before its requests) is not. It
// locks the row in any case: a job of the pipeline that ends meanwhile does not see this
// request, so it may settle the status only after the commit.
const reopen = `UPDATE pipelines SET status = 'RUNNING', finished_at = NULL WHERE id = @pipeline`

// join makes the pipeline a member of the jobs that cover its requests. A finish does not
// reopen: its own job keeps the pipeline open, and settle takes the locks in order.
func join(ctx context.Context, tx pgx.Tx, pipeline uuid.UUID, tickets []Ticket, reopens bool) error {
	var joined []int64
	for _, t := range tickets {
		if !t.Created {
			joined = append(joined, t.JobID)
		}
	}
	if pipeline == uuid.Nil {
		return nil
	}
	batch := &pgx.Batch{}
	if reopens {
		batch.Queue(reopen, pgx.StrictNamedArgs{"pipeline": pipeline})
	}
	if len(joined) > 0 {
		batch.Queue(joinPipeline, pgx.StrictNamedArgs{"pipeline": pipeline, "jobs": joined})
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("join pipeline %s to its jobs: %w", pipeline, err)
	}
	return nil
}

// follow makes every pipeline of one job a member of another as well.
const follow = `
INSERT INTO pipeline_joins (pipeline_id, job_id)
SELECT p.pipeline_id, j.id
  FROM pipeline_jobs p, data_ingestion_jobs j
 WHERE p.job_id = @from AND j.id = @to AND j.pipeline_id IS DISTINCT FROM p.pipeline_id
 ORDER BY p.pipeline_id
    ON CONFLICT DO NOTHING`

func followPipelines(ctx context.Context, tx pgx.Tx, from, to int64) error {
	_, err := tx.Exec(ctx, follow, pgx.StrictNamedArgs{"from": from, "to": to})
	if err != nil {
		return fmt.Errorf("take the pipelines of job %d along to job %d: %w", from, to, err)
	}
	return nil
}

// lockPipelines locks every pipeline of a job, in one order. Whoever finishes a job
// takes this lock after writing the job and before counting: of two jobs that finish
// at the same moment the second one counts the first, so the last one always settles
// the status. The mode lets foreign key checks of new members pass.
const lockPipelines = `
SELECT p.id FROM pipelines p
 WHERE p.id IN (SELECT pipeline_id FROM pipeline_jobs WHERE job_id = @job)
 ORDER BY p.id
   FOR NO KEY UPDATE`

// tallyPipelines counts the jobs of the locked pipelines. A job that was taken over by
// another is history, not a member.
const tallyPipelines = `
SELECT p.id,
       count(*) AS jobs,
       count(*) FILTER (WHERE j.state IS DISTINCT FROM 'FINISHED') AS active,
       count(*) FILTER (WHERE j.state = 'FINISHED' AND j.result = 'ERROR') AS errors,
       count(*) FILTER (WHERE root) AS roots,
       count(*) FILTER (WHERE root AND j.state = 'FINISHED' AND j.result = 'ERROR') AS root_errors,
       count(*) FILTER (WHERE j.job_type = 'emission_recalc') AS recalcs,
       min(j.started_at) AS started_at,
       max(j.finished_at) AS finished_at,
       (array_agg(j.status_message ORDER BY j.id) FILTER (WHERE j.state = 'FINISHED' AND j.result = 'ERROR'))[1] AS last_error
  FROM pipelines p
  JOIN pipeline_jobs m ON m.pipeline_id = p.id
  JOIN data_ingestion_jobs j ON j.id = m.job_id AND j.superseded_by IS NULL
 CROSS JOIN LATERAL (SELECT coalesce(j.job_type = p.kind, false) AS root) r
 WHERE p.id = ANY (@pipelines)
 GROUP BY p.id`

// tally is what the status of a pipeline depends on.
type tally struct {
	ID                uuid.UUID
	Jobs, Active      int
	Errors            int
	Roots, RootErrors int
	Recalcs           int
	StartedAt         *time.Time
	FinishedAt        *time.Time
	LastError         *string
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

// settle brings the status of every pipeline of the job up to date, in the
// transaction that changed the job.
func settle(ctx context.Context, tx pgx.Tx, jobID int64) error {
	fail := func(err error) error { return fmt.Errorf("settle the pipelines of job %d: %w", jobID, err) }
	rows, err := tx.Query(ctx, lockPipelines, pgx.StrictNamedArgs{"job": jobID})
	if err != nil {
		return fail(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fail(err)
	}
	if len(ids) == 0 {
		return nil
	}
	rows, err = tx.Query(ctx, tallyPipelines, pgx.StrictNamedArgs{"pipelines": ids})
	if err != nil {
		return fail(err)
	}
	tallies, err := pgx.CollectRows(rows, pgx.RowToStructByName[tally])
	if err != nil {
		return fail(err)
	}
	batch := &pgx.Batch{}
	for _, t := range tallies {
		status := statusOf(t)
		if !status.Done() {
			t.FinishedAt = nil
		}
		batch.Queue(settlePipeline, pgx.StrictNamedArgs{"id": t.ID, "status": status, "jobs": t.Jobs, "errors": t.Errors,
			"recalcs": t.Recalcs, "started_at": t.StartedAt, "finished_at": t.FinishedAt, "last_error": t.LastError})
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fail(err)
	}
	return nil
}
