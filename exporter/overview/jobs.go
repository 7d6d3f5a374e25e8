package overview

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/explain"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// key is a module type and a year.
type key struct{ moduleType, year int }

// jobRow is a job that a badge tells of.
type jobRow struct {
	ModuleType, Year int
	explain.Job
}

// prepareQuery tells whether the database was migrated. For the rest of the transaction nothing is
// compiled: the planner, who cannot know how few recalculations are narrow, would have a
// statement compiled, for longer than it runs.
const prepareQuery = `SELECT to_regclass('pipeline_joins') IS NOT NULL FROM set_config('jit', 'off', true)`

// underWay is what waits or runs in the scopes.
const underWay = `
SELECT id FROM data_ingestion_jobs
 WHERE state IN ('NOT_STARTED', 'QUEUED', 'RUNNING') -- reads ix_data_ingestion_jobs_active
   AND (module_type_id, year) IN (SELECT * FROM unnest(@modules::integer[], @years::integer[]))`

// unrepaired finds what failed and was not repaired since, without reading the history: the last
// aggregation of each scope of which freshness knows that its last one failed; and, of every module,
// data entry type and year that was ever recalculated, the last recalculation. A success of a
// narrower recalculation repairs no wider one, so where the last one was narrow and did not fail,
// those before it are looked at, back to one that left nothing to repair.
//
// What another job took over is covered by that one, and never looked at.
const unrepaired = `
WITH RECURSIVE recalculation AS NOT MATERIALIZED (
    SELECT id, module_type_id, data_entry_type_id, year, state, result, carbon_report_module_ids AS narrow
      FROM data_ingestion_jobs
     WHERE target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed' AND data_entry_type_id IS NOT NULL -- walks ix_data_ingestion_jobs_latest_computed
       AND job_type = 'emission_recalc' AND state = 'FINISHED' AND superseded_by IS NULL
), kind AS ( -- from one to the next in the index
    (SELECT module_type_id, data_entry_type_id FROM data_ingestion_jobs
      WHERE target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed' AND data_entry_type_id IS NOT NULL
      ORDER BY module_type_id, data_entry_type_id LIMIT 1)
    UNION ALL
    SELECT next.module_type_id, next.data_entry_type_id
      FROM kind k
     CROSS JOIN LATERAL (SELECT module_type_id, data_entry_type_id FROM data_ingestion_jobs
                          WHERE target_type = 'DATA_ENTRIES' AND ingestion_method = 'computed' AND data_entry_type_id IS NOT NULL
                            AND (module_type_id, data_entry_type_id) > (k.module_type_id, k.data_entry_type_id)
                          ORDER BY module_type_id, data_entry_type_id LIMIT 1) AS next
), last AS (
    SELECT r.*
      FROM unnest(@modules::integer[], @years::integer[]) AS scope (module_type_id, year)
      JOIN kind k ON k.module_type_id = scope.module_type_id
     CROSS JOIN LATERAL (SELECT * FROM recalculation r
                          WHERE r.module_type_id = scope.module_type_id AND r.data_entry_type_id = k.data_entry_type_id AND r.year = scope.year
                          ORDER BY r.id DESC LIMIT 1) AS r
)
SELECT id FROM last WHERE result = 'ERROR'
 UNION ALL
SELECT f.id
  FROM last
 CROSS JOIN LATERAL (SELECT f.id FROM recalculation f
                      WHERE f.module_type_id = last.module_type_id AND f.data_entry_type_id = last.data_entry_type_id AND f.year = last.year
                        AND f.id < last.id AND f.result = 'ERROR'
                        AND NOT EXISTS (SELECT FROM recalculation s
                                         WHERE s.module_type_id = f.module_type_id AND s.data_entry_type_id = f.data_entry_type_id AND s.year = f.year
                                           AND s.id > f.id AND s.result IS DISTINCT FROM 'ERROR'
                                           AND (s.narrow IS NULL OR s.narrow @> f.narrow))
                      ORDER BY f.id DESC LIMIT 1) AS f
 WHERE last.narrow IS NOT NULL AND last.result IS DISTINCT FROM 'ERROR'
 UNION ALL
SELECT a.id
  FROM unnest(@failed_modules::integer[], @failed_years::integer[]) AS scope (module_type_id, year)
 CROSS JOIN LATERAL (SELECT j.id, j.result FROM data_ingestion_jobs j -- walks ix_data_ingestion_jobs_latest_aggregation
                      WHERE j.job_type = 'aggregation' AND j.module_type_id = scope.module_type_id AND j.year = scope.year
                        AND j.state = 'FINISHED' AND j.superseded_by IS NULL
                      ORDER BY j.id DESC LIMIT 1) AS a
 WHERE a.result = 'ERROR'`

// jobsQuery reads the jobs that badges tell of. Their ids are an array, which reaches the
// primary key whatever the planner believes of their number.
const jobsQuery = `
SELECT j.module_type_id AS module_type, j.year, j.id, coalesce(j.job_type, '') AS type, coalesce(j.data_entry_type_id, 0) AS data_entry_type,
       j.state::text AS state, coalesce(j.result::text, '') AS result, left(coalesce(j.status_message, ''), @message) AS message,
       j.started_at, j.finished_at AS ended_at, j.run_after, coalesce(j.locked_by, '') AS locked_by, j.attempts, j.max_attempts, j.pipeline_id AS pipeline,
       '' AS actor, '' AS via, '' AS reason, `

const keptJobsQuery = jobsQuery + `
       j.requested_at, j.state = 'RUNNING' AND coalesce(j.lease_expires_at < clock_timestamp(), false) AS expired,
       j.progress_done AS done, j.progress_total AS total
  FROM data_ingestion_jobs j
 WHERE j.id = ANY (ARRAY(` + underWay + `) || ARRAY(` + unrepaired + `))
 ORDER BY j.id`

// originalJobsQuery finds the same on a database that was not migrated. It reads the whole history.
const originalJobsQuery = jobsQuery + `
       NULL::timestamptz AS requested_at, false AS expired, NULL::bigint AS done, NULL::bigint AS total
  FROM data_ingestion_jobs j
 WHERE j.id = ANY (ARRAY(` + underWay + `))
    OR j.result = 'ERROR' AND j.id = ANY (ARRAY(
       SELECT max(id) FROM data_ingestion_jobs
        WHERE job_type IN ('aggregation', 'emission_recalc') AND state = 'FINISHED' AND module_type_id IS NOT NULL AND year IS NOT NULL
        GROUP BY job_type, module_type_id, data_entry_type_id, year))
 ORDER BY j.id`

// maxMessage bounds what is read of a job's message, in characters: there may be thousands.
const maxMessage = 500

// readJobs reads what is under way, and what failed and was not repaired since, by scope and ascending id.
func readJobs(ctx context.Context, db postgres.Querier, scopes []freshness.Scope) (map[key][]jobRow, error) {
	var migrated bool
	if err := db.QueryRow(ctx, prepareQuery).Scan(&migrated); err != nil {
		return nil, err
	}
	var modules, years, failedModules, failedYears []int
	for _, s := range scopes {
		modules, years = append(modules, s.ModuleType), append(years, s.Year)
		if s.LastResult != nil && *s.LastResult == job.Error {
			failedModules, failedYears = append(failedModules, s.ModuleType), append(failedYears, s.Year)
		}
	}
	query, args := originalJobsQuery, pgx.NamedArgs{"message": maxMessage, "modules": modules, "years": years}
	if migrated {
		query, args["failed_modules"], args["failed_years"] = keptJobsQuery, failedModules, failedYears
	}
	rows, err := db.Query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[jobRow])
	if err != nil {
		return nil, err
	}
	jobs := map[key][]jobRow{}
	for _, j := range found {
		for _, t := range []**time.Time{&j.RequestedAt, &j.StartedAt, &j.EndedAt, &j.RunAfter} {
			if *t != nil {
				*t = new((*t).UTC())
			}
		}
		k := key{j.ModuleType, j.Year}
		jobs[k] = append(jobs[k], j)
	}
	return jobs, nil
}
