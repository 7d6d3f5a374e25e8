package explain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// ErrUndeclared means that no report has the module in the year: it is nobody's number.
var ErrUndeclared = errors.New("no report has this module in this year")

// Read collects the facts of a module and year, or returns [ErrUndeclared].
func Read(ctx context.Context, db postgres.TxBeginner, module, year int, limits Limits) (f Facts, err error) {
	f.Limits = limits
	err = postgres.InSnapshot(ctx, db, func(tx pgx.Tx) error {
		snapshot, err := freshness.TakeSnapshot(ctx, tx)
		if err != nil {
			return err
		}
		f.At, f.Kept = snapshot.At, snapshot.Kept
		declared := false
		for _, s := range snapshot.Scopes {
			if s.ModuleType == module && s.Year == year {
				f.Scope, declared = s, true
			}
		}
		if !declared {
			return ErrUndeclared
		}
		if f.Jobs, err = readJobs(ctx, tx, f.Scope); err != nil {
			return err
		}
		if f.Outdated, err = readOutdated(ctx, tx, module, year); err != nil {
			return err
		}
		return tx.QueryRow(ctx, countChanges, pgx.StrictNamedArgs{"module": module, "year": year}).Scan(&f.Changes)
	})
	if err != nil {
		return Facts{}, fmt.Errorf("explain module type %d in %d: %w", module, year, err)
	}
	return f, nil
}

// countChanges counts the marks that finished aggregations have left, which is those that they did not see.
const countChanges = `SELECT count(*) FROM scope_changes WHERE module_type_id = @module AND year = @year`

// jobsQuery reads each job that bears on the scope by an index of its own.
const jobsQuery = `
WITH wanted AS (
    SELECT id FROM data_ingestion_jobs
     WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING') -- reads ix_data_ingestion_jobs_active
       AND job_type IN ('aggregation', 'emission_recalc') AND module_type_id = @module AND year = @year
     UNION
    SELECT @latest::bigint
     UNION
    (SELECT id FROM data_ingestion_jobs -- what a pending one hides
      WHERE job_type = 'aggregation' AND module_type_id = @module AND year = @year AND state = 'FINISHED' AND superseded_by IS NULL
      ORDER BY id DESC LIMIT 1)
     UNION
    (SELECT id FROM data_ingestion_jobs
      WHERE job_type = 'aggregation' AND module_type_id = @module AND year = @year
        AND state = 'FINISHED' AND result IS DISTINCT FROM 'ERROR' AND finished_at IS NOT NULL
      ORDER BY id DESC LIMIT 1)
     UNION
    SELECT r.id
      FROM unnest(@types::integer[]) AS type (id)
     CROSS JOIN LATERAL (SELECT j.id FROM data_ingestion_jobs j -- walks ix_data_ingestion_jobs_latest_computed
                          WHERE j.target_type = 'DATA_ENTRIES' AND j.ingestion_method = 'computed'
                            AND j.module_type_id = @module AND j.data_entry_type_id = type.id AND j.year = @year
                            AND j.job_type = 'emission_recalc' AND j.state = 'FINISHED' AND j.superseded_by IS NULL
                          ORDER BY j.id DESC LIMIT 1) AS r
     UNION
    SELECT id FROM data_ingestion_jobs
     WHERE is_current AND ingestion_method = 'csv' AND job_type IN ('csv_ingest', 'factor_ingest') AND state = 'FINISHED'
       AND module_type_id = @module AND data_entry_type_id = ANY (@types::integer[]) AND year = @year
)
SELECT j.id, coalesce(j.job_type, '') AS type, coalesce(j.data_entry_type_id, 0) AS data_entry_type,
       coalesce(j.state::text, '') AS state, coalesce(j.result::text, '') AS result, coalesce(j.status_message, '') AS message,
       j.requested_at, j.started_at, j.finished_at AS ended_at, j.run_after, coalesce(j.locked_by, '') AS locked_by,
       j.state = 'RUNNING' AND coalesce(j.lease_expires_at < clock_timestamp(), false) AS expired,
       j.progress_done AS done, j.progress_total AS total, j.attempts, j.max_attempts, j.pipeline_id AS pipeline,
       coalesce(asked.actor, '') AS actor, coalesce(asked.via, '') AS via, coalesce(asked.reason, '') AS reason,
       root.id AS root_id, root.job_type AS root_type, root.finished_at AS root_ended_at, root.status_message AS root_message
  FROM wanted
  JOIN data_ingestion_jobs j ON j.id = wanted.id
  LEFT JOIN LATERAL (SELECT r.actor, r.via, r.reason FROM job_requests r WHERE r.job_id = j.id ORDER BY r.id LIMIT 1) AS asked ON true
  LEFT JOIN LATERAL (SELECT r.id, r.job_type, r.finished_at, r.status_message
                       FROM pipelines p JOIN data_ingestion_jobs r ON r.pipeline_id = p.id AND r.job_type = p.kind
                      WHERE p.id = j.pipeline_id AND r.id <> j.id AND r.job_type <> j.job_type
                      ORDER BY r.id LIMIT 1) AS root ON true
 ORDER BY j.id`

// jobRow is a row of jobsQuery.
type jobRow struct {
	Job
	RootID      *int64
	RootType    *job.Type
	RootEndedAt *time.Time
	RootMessage *string
}

func readJobs(ctx context.Context, tx pgx.Tx, s freshness.Scope) ([]Job, error) {
	var latest *int64
	if s.Latest != nil {
		latest = &s.Latest.ID
	}
	types := []int{}
	if m, ok := catalog.ModuleByID(s.ModuleType); ok {
		for _, t := range m.DataEntryTypes {
			types = append(types, t.ID)
		}
	}
	rows, err := tx.Query(ctx, jobsQuery, pgx.StrictNamedArgs{"module": s.ModuleType, "year": s.Year, "latest": latest, "types": types})
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[jobRow])
	if err != nil {
		return nil, err
	}
	jobs := make([]Job, len(found))
	for i, r := range found {
		jobs[i] = r.job()
	}
	return jobs, nil
}

func (r jobRow) job() Job {
	j := r.Job
	for _, t := range []**time.Time{&j.RequestedAt, &j.StartedAt, &j.EndedAt, &j.RunAfter} {
		*t = utc(*t)
	}
	if r.RootID != nil {
		j.Root = &Root{ID: *r.RootID, Type: *r.RootType, EndedAt: utc(r.RootEndedAt)}
		if r.RootMessage != nil {
			j.Root.Message = *r.RootMessage
		}
	}
	return j
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}

func readOutdated(ctx context.Context, q postgres.Querier, module, year int) ([]freshness.Recalculation, error) {
	all, err := freshness.Recalculations(ctx, q, year)
	if err != nil {
		return nil, err
	}
	var outdated []freshness.Recalculation
	for _, r := range all {
		if r.ModuleType == module && r.Needed() {
			outdated = append(outdated, r)
		}
	}
	return outdated, nil
}
