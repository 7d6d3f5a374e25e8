package ledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
)

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

// reopen says that a pipeline which looked done (a load is, before its requests) is not, nor
// aborted: whoever requests wants something. It
// locks the row in any case: a job of the pipeline that ends meanwhile does not see this
// request, so it may settle the status only after the commit.
const reopen = `UPDATE pipelines SET status = 'RUNNING', finished_at = NULL, aborted_at = NULL WHERE id = @pipeline`

// join makes the pipeline a member of the jobs that cover its requests, and records who asked.
func join(ctx context.Context, tx pgx.Tx, b Batch, tickets []Ticket) error {
	var joined []int64
	for _, t := range tickets {
		if !t.Created {
			joined = append(joined, t.JobID)
		}
	}
	batch := &pgx.Batch{}
	if b.Pipeline != uuid.Nil {
		batch.Queue(reopen, pgx.StrictNamedArgs{"pipeline": b.Pipeline})
	}
	if b.Pipeline != uuid.Nil && len(joined) > 0 {
		batch.Queue(joinPipeline, pgx.StrictNamedArgs{"pipeline": b.Pipeline, "jobs": joined})
	}
	batch.Queue(recordRequests, recordArgs(b, tickets))
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("join pipeline %s to its jobs: %w", b.Pipeline, err)
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
