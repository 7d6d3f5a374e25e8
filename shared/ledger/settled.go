package ledger

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// Notice stands for a job, or for the jobs of a pipeline, somewhere outside the record.
type Notice struct {
	// JobID is 0 where the notice is of no job.
	JobID int64
	// Pipeline is uuid.Nil where the notice is of none.
	Pipeline uuid.UUID
}

// listNews finds the notices that people or workers still need, by their place: of a job that waits
// or runs, or of one that failed, and was not aborted, while no later one of its scope has come to an end. Either
// kind of scope has an index that begins with its latest jobs.
const listNews = `
WITH noticed AS (
    SELECT place, job AS id FROM unnest(@jobs::bigint[]) WITH ORDINALITY AS n (job, place)
    UNION ALL
    SELECT place, c.id FROM unnest(@pipelines::uuid[]) WITH ORDINALITY AS n (pipeline, place) JOIN data_ingestion_jobs c ON c.pipeline_id = n.pipeline
    UNION ALL
    SELECT place, x.job_id FROM unnest(@pipelines::uuid[]) WITH ORDINALITY AS n (pipeline, place) JOIN pipeline_joins x ON x.pipeline_id = n.pipeline)
SELECT DISTINCT n.place
  FROM noticed n
  JOIN data_ingestion_jobs j ON j.id = n.id
 WHERE j.state IS DISTINCT FROM 'FINISHED'
    OR j.result = 'ERROR' AND j.superseded_by IS NULL
       AND NOT EXISTS (SELECT FROM pipeline_aborts a WHERE a.job_id = j.id AND a.outcome = 'ended')
       AND NOT (j.job_type = 'aggregation' AND EXISTS (
               SELECT FROM data_ingestion_jobs later
                WHERE later.job_type = 'aggregation' AND later.module_type_id = j.module_type_id AND later.year = j.year
                  AND later.id > j.id AND later.state = 'FINISHED' AND later.superseded_by IS NULL))
       AND NOT (j.job_type = 'emission_recalc' AND EXISTS (
               SELECT FROM data_ingestion_jobs later
                WHERE later.target_type = 'DATA_ENTRIES' AND later.ingestion_method = 'computed' AND later.job_type = 'emission_recalc'
                  AND later.module_type_id = j.module_type_id AND later.data_entry_type_id = j.data_entry_type_id AND later.year = j.year
                  AND later.id > j.id AND later.state = 'FINISHED' AND later.superseded_by IS NULL))`

// Settled reports for each notice whether it is of no use to anybody any more: its jobs ended well,
// were taken over, were aborted, are no longer in the record, or failed before another job of their scope ended.
func (l *Ledger) Settled(ctx context.Context, db postgres.Querier, notices []Notice) ([]bool, error) {
	jobs, pipelines := make([]int64, len(notices)), make([]*uuid.UUID, len(notices))
	settled := make([]bool, len(notices))
	for i, n := range notices {
		jobs[i], pipelines[i], settled[i] = n.JobID, nullable(n.Pipeline), true
	}
	rows, err := db.Query(ctx, listNews, pgx.StrictNamedArgs{"jobs": jobs, "pipelines": pipelines})
	if err != nil {
		return nil, fmt.Errorf("ask about %d notices: %w", len(notices), err)
	}
	var place int
	_, err = pgx.ForEachRow(rows, []any{&place}, func() error {
		settled[place-1] = false
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask about %d notices: %w", len(notices), err)
	}
	return settled, nil
}
