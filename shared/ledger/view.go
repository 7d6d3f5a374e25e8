package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// ErrNotFound means that the record has no such job or pipeline.
var ErrNotFound = errors.New("not in the record")

// Job is a row of data_ingestion_jobs as people look at it.
type Job struct {
	ID            int64      `json:"job_id"`
	Type          string     `json:"job_type"`
	ModuleType    *int       `json:"module_type_id"`
	DataEntryType *int       `json:"data_entry_type_id"`
	Year          *int       `json:"year"`
	State         string     `json:"state"`
	Result        *string    `json:"result"`
	Message       *string    `json:"status_message"`
	Done          *int64     `json:"progress_done"`
	Total         *int64     `json:"progress_total"`
	Attempts      int        `json:"attempts"`
	LockedBy      *string    `json:"locked_by"`
	RequestedAt   *time.Time `json:"requested_at"`
	StartedAt     *time.Time `json:"started_at"`
	FinishedAt    *time.Time `json:"finished_at"`
	Pipeline      *uuid.UUID `json:"pipeline_id"`
	SupersededBy  *int64     `json:"superseded_by"`
	// Aborted: it ended because its pipeline was aborted.
	Aborted bool `json:"aborted"`
}

// Finished reports whether the job has come to its end, well or not.
func (j Job) Finished() bool { return j.State == string(job.Finished) }

// Failed reports whether the job ended in [job.Error].
func (j Job) Failed() bool { return j.Result != nil && *j.Result == string(job.Error) }

const jobColumns = `j.id, coalesce(j.job_type, '') AS type, j.module_type_id AS module_type, j.data_entry_type_id AS data_entry_type,
       j.year, coalesce(j.state::text, '') AS state, j.result::text AS result, j.status_message AS message,
       j.progress_done AS done, j.progress_total AS total, j.attempts, j.locked_by, j.requested_at, j.started_at,
       j.finished_at, j.pipeline_id AS pipeline, j.superseded_by,
       EXISTS (SELECT FROM pipeline_aborts a WHERE a.job_id = j.id AND a.outcome = 'ended') AS aborted`

const getJob = `SELECT ` + jobColumns + ` FROM data_ingestion_jobs j WHERE j.id = @id`

// Job returns one job, or [ErrNotFound].
func (l *Ledger) Job(ctx context.Context, db postgres.Querier, id int64) (Job, error) {
	rows, err := db.Query(ctx, getJob, pgx.StrictNamedArgs{"id": id})
	if err != nil {
		return Job{}, fmt.Errorf("job %d: %w", id, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Job])
	if errors.Is(err, pgx.ErrNoRows) {
		return Job{}, fmt.Errorf("job %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return Job{}, fmt.Errorf("job %d: %w", id, err)
	}
	return found, nil
}

// JobFilter narrows [Ledger.Jobs]; zero values do not.
type JobFilter struct {
	Type                            job.Type
	ModuleType, DataEntryType, Year int
	// Active leaves out what is finished.
	Active bool
	// Failed keeps only what ended in [job.Error].
	Failed bool
	// Pipeline keeps the jobs that a pipeline created or joined.
	Pipeline uuid.UUID
	// Limit bounds the answer; 0 means 50.
	Limit int
}

const listJobs = `
SELECT ` + jobColumns + `
  FROM data_ingestion_jobs j
 WHERE (@type = '' OR j.job_type = @type)
   AND (@module::integer = 0 OR j.module_type_id = @module)
   AND (@data_entry_type::integer = 0 OR j.data_entry_type_id = @data_entry_type)
   AND (@year::integer = 0 OR j.year = @year)
   AND (NOT @active OR j.state IN ('NOT_STARTED', 'QUEUED', 'RUNNING'))
   AND (NOT @failed OR j.state = 'FINISHED' AND j.result = 'ERROR')
   AND (@pipeline::uuid IS NULL OR j.id IN (SELECT job_id FROM pipeline_jobs WHERE pipeline_id = @pipeline))
 ORDER BY j.id DESC LIMIT @limit`

// Jobs lists jobs, newest first.
func (l *Ledger) Jobs(ctx context.Context, db postgres.Querier, f JobFilter) ([]Job, error) {
	if f.Limit == 0 {
		f.Limit = 50
	}
	rows, err := db.Query(ctx, listJobs, pgx.StrictNamedArgs{"type": f.Type, "module": f.ModuleType, "data_entry_type": f.DataEntryType,
		"year": f.Year, "active": f.Active, "failed": f.Failed, "pipeline": nullable(f.Pipeline), "limit": f.Limit})
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	jobs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Job])
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return jobs, nil
}

// PipelineState is a pipeline with its jobs, oldest first.
type PipelineState struct {
	ID     uuid.UUID
	Kind   string
	Status Status
	Jobs   []Job
}

const getPipeline = `SELECT coalesce(kind, ''), status FROM pipelines WHERE id = @id`

const pipelineMembers = `
SELECT ` + jobColumns + `
  FROM data_ingestion_jobs j
 WHERE j.id IN (SELECT job_id FROM pipeline_jobs WHERE pipeline_id = @id)
 ORDER BY j.id`

// Pipeline returns a pipeline with everything it created or joined, or [ErrNotFound].
func (l *Ledger) Pipeline(ctx context.Context, db postgres.Querier, id uuid.UUID) (PipelineState, error) {
	p := PipelineState{ID: id}
	err := db.QueryRow(ctx, getPipeline, pgx.StrictNamedArgs{"id": id}).Scan(&p.Kind, &p.Status)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, fmt.Errorf("pipeline %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return p, fmt.Errorf("pipeline %s: %w", id, err)
	}
	rows, err := db.Query(ctx, pipelineMembers, pgx.StrictNamedArgs{"id": id})
	if err != nil {
		return p, fmt.Errorf("pipeline %s: %w", id, err)
	}
	if p.Jobs, err = pgx.CollectRows(rows, pgx.RowToStructByName[Job]); err != nil {
		return p, fmt.Errorf("pipeline %s: %w", id, err)
	}
	return p, nil
}
