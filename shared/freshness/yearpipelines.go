package freshness

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

const activeYearPipelinesQuery = `
SELECT pipeline_id
  FROM data_ingestion_jobs
 WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING') -- reads ix_data_ingestion_jobs_active
   AND pipeline_id IS NOT NULL
   AND entity_type = 'GLOBAL_PER_YEAR'
   AND year = $1::bigint
 GROUP BY pipeline_id
 ORDER BY max(id) DESC`

// ActiveYearPipelines returns the pipelines of jobs that wait or run for a year as a whole,
// such as a synchronisation of units: newest job first, each once, never nil.
func ActiveYearPipelines(ctx context.Context, q postgres.Querier, year int) ([]uuid.UUID, error) {
	rows, err := q.Query(ctx, activeYearPipelinesQuery, year)
	if err != nil {
		return nil, fmt.Errorf("read active pipelines of the year %d: %w", year, err)
	}
	active, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("read active pipelines of the year %d: %w", year, err)
	}
	if active == nil {
		active = []uuid.UUID{}
	}
	return active, nil
}
