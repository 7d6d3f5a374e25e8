package freshness

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// JobCount is how many jobs of a type are in an active state.
type JobCount struct {
	// Type is the job_type, "unknown" where the row has none.
	Type job.Type
	// State is [job.NotStarted], [job.Queued] or [job.Running].
	State job.State
	// Count is at least 1.
	Count int
}

const activeJobsQuery = `
SELECT coalesce(job_type, 'unknown') AS type, state, count(*) AS count
  FROM data_ingestion_jobs
 WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING') -- reads ix_data_ingestion_jobs_active
 GROUP BY 1, 2
 ORDER BY 1, 2`

// ActiveJobs counts the jobs that wait or run, by type and state in that order.
// Finished jobs are not counted: that would read the whole history each time.
func ActiveJobs(ctx context.Context, q postgres.Querier) ([]JobCount, error) {
	rows, err := q.Query(ctx, activeJobsQuery)
	if err != nil {
		return nil, fmt.Errorf("count active jobs: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByName[JobCount])
	if err != nil {
		return nil, fmt.Errorf("count active jobs: %w", err)
	}
	return counts, nil
}
