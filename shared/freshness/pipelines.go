package freshness

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

const activePipelinesQuery = `
SELECT DISTINCT ON (module_type_id) module_type_id, pipeline_id::text
  FROM data_ingestion_jobs
 WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING') -- reads ix_data_ingestion_jobs_active
   AND pipeline_id IS NOT NULL
   -- As bigint, so that an id no column can hold is unknown instead of an error.
   AND year = $1::bigint AND module_type_id = ANY ($2::bigint[])
 ORDER BY module_type_id, id DESC`

// ActivePipelines returns, for each of these module types that has a job waiting
// or running in this year, the uuid of the pipeline that created it. The highest
// job id wins. Modules without one are absent; the map is never nil.
func ActivePipelines(ctx context.Context, q postgres.Querier, year int, modules []int) (map[int]string, error) {
	rows, err := q.Query(ctx, activePipelinesQuery, year, modules)
	if err != nil {
		return nil, fmt.Errorf("read active pipelines of %d: %w", year, err)
	}
	active := map[int]string{}
	var (
		module   int
		pipeline string
	)
	_, err = pgx.ForEachRow(rows, []any{&module, &pipeline}, func() error {
		active[module] = pipeline
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read active pipelines of %d: %w", year, err)
	}
	return active, nil
}

// PipelineCount is how many pipelines of a kind are active.
type PipelineCount struct {
	// Kind is pipelines.kind, "unknown" where it is NULL.
	Kind string
	// Count is at least 1.
	Count int
	// OldestStart is when the oldest of them was set off, in UTC: the moment that its row was
	// written, not that a worker took its first job, since one that nobody takes is under way too.
	OldestStart time.Time
}

const activePipelineKindsQuery = `
SELECT coalesce(kind, 'unknown') AS kind, count(*) AS count, min(created_at) AS oldest_start
  FROM pipelines
 -- What an aborted one left to others is theirs.
 WHERE aborted_at IS NULL
 -- Arrays reach the indexes, also those under the view; a join would read every job there ever was.
   AND id = ANY (ARRAY(
           SELECT pipeline_id FROM pipeline_jobs
            WHERE job_id = ANY (ARRAY(
                      SELECT id FROM data_ingestion_jobs WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING')))))
 GROUP BY 1
 ORDER BY 1`

// originalPipelineKindsQuery is for a database that has no joined jobs.
const originalPipelineKindsQuery = `
SELECT coalesce(kind, 'unknown') AS kind, count(*) AS count, min(created_at) AS oldest_start
  FROM pipelines
 WHERE id = ANY (ARRAY(SELECT pipeline_id FROM data_ingestion_jobs WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING')))
 GROUP BY 1
 ORDER BY 1`

const pipelinesJoinQuery = `SELECT to_regclass('pipeline_joins') IS NOT NULL`

// ActivePipelineKinds counts the pipelines with at least one job, created or
// joined, that waits or runs, and that were not aborted, by kind in that order. Kinds without a pipeline are absent.
func ActivePipelineKinds(ctx context.Context, q postgres.Querier) ([]PipelineCount, error) {
	var join bool
	if err := q.QueryRow(ctx, pipelinesJoinQuery).Scan(&join); err != nil {
		return nil, fmt.Errorf("count active pipelines: %w", err)
	}
	query := originalPipelineKindsQuery
	if join {
		query = activePipelineKindsQuery
	}
	rows, err := q.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("count active pipelines: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByName[PipelineCount])
	if err != nil {
		return nil, fmt.Errorf("count active pipelines: %w", err)
	}
	for i := range counts {
		counts[i].OldestStart = counts[i].OldestStart.UTC()
	}
	return counts, nil
}
