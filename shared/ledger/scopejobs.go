package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// scopeJobs reads the newest jobs of a module and year, each kind by an index of its own: what
// waits or runs; aggregations; recalculations, of each data entry type there is one of; and the loads
// that set one of these off, or are in force.
const scopeJobs = `
WITH RECURSIVE kind AS ( -- from one to the next in the index
    (SELECT data_entry_type_id FROM data_ingestion_jobs
      WHERE target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed' AND data_entry_type_id IS NOT NULL -- walks ix_data_ingestion_jobs_latest_computed
        AND module_type_id = @module
      ORDER BY data_entry_type_id LIMIT 1)
    UNION ALL
    SELECT next.data_entry_type_id
      FROM kind k
     CROSS JOIN LATERAL (SELECT data_entry_type_id FROM data_ingestion_jobs
                          WHERE target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed' AND data_entry_type_id IS NOT NULL
                            AND module_type_id = @module AND data_entry_type_id > k.data_entry_type_id
                          ORDER BY data_entry_type_id LIMIT 1) AS next
), computed AS (
    (SELECT id FROM data_ingestion_jobs
      WHERE job_type = 'aggregation' AND module_type_id = @module AND year = @year -- walks ix_data_ingestion_jobs_latest_aggregation
      ORDER BY id DESC LIMIT @limit)
     UNION
    SELECT r.id
      FROM kind k
     CROSS JOIN LATERAL (SELECT id FROM data_ingestion_jobs
                          WHERE target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed'
                            AND module_type_id = @module AND data_entry_type_id = k.data_entry_type_id AND year = @year
                          ORDER BY id DESC LIMIT @limit) AS r
     UNION
    SELECT id FROM data_ingestion_jobs
     WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING') AND module_type_id = @module AND year = @year -- reads ix_data_ingestion_jobs_active
), newest AS MATERIALIZED (
    SELECT id FROM computed ORDER BY id DESC LIMIT @limit
), led AS MATERIALIZED (
    SELECT pipeline_id FROM data_ingestion_jobs WHERE id = ANY (ARRAY(SELECT id FROM newest))
     UNION
    SELECT pipeline_id FROM pipeline_joins WHERE job_id = ANY (ARRAY(SELECT id FROM newest))
)
SELECT ` + jobColumns + `
  FROM data_ingestion_jobs j
 WHERE j.id = ANY (ARRAY(
       SELECT id FROM newest
        UNION
       SELECT id FROM data_ingestion_jobs
        WHERE pipeline_id = ANY (ARRAY(SELECT pipeline_id FROM led)) AND ingestion_method = 'csv'
          AND module_type_id = @module AND year = @year
        UNION
       SELECT id FROM data_ingestion_jobs
        WHERE is_current AND ingestion_method = 'csv' AND module_type_id = @module AND year = @year))
 ORDER BY j.id DESC LIMIT @limit`

// ScopeJobs lists the newest jobs that bear on a module and year, newest first: computations, and
// the loads that led to them or are in force.
func (l *Ledger) ScopeJobs(ctx context.Context, db postgres.Querier, module, year, limit int) ([]Job, error) {
	rows, err := db.Query(ctx, scopeJobs, pgx.StrictNamedArgs{"module": module, "year": year, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("list the jobs of module type %d in %d: %w", module, year, err)
	}
	jobs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Job])
	if err != nil {
		return nil, fmt.Errorf("list the jobs of module type %d in %d: %w", module, year, err)
	}
	return jobs, nil
}
