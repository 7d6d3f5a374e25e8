package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// Removed is what one step of [Ledger.Retain] did.
type Removed struct {
	Jobs, Pipelines int
	// Last is the id to go on from.
	Last int64
	// More is false when no job after Last is old enough.
	More bool
}

// removeJobs looks at a page of jobs, by id, and removes those that are history.
//
// A job is history when a later one of its kind makes it so: one that failed, by any that has ended; one
// that may have written its data, by one that certainly did and ended no earlier. So the latest of a
// scope stays, and the latest success, whoever asks and in whichever order: freshness goes by id, for
// loads of factors by the time of the end. What is no computation is replaced by what the
// original calls current, for which there is an index, of the same combination. A job that does
// not say when it ended stays, and so does whatever is current.
//
// And it stays while something refers to it: a job that it took over, an entry that it brought in, a
// foreign key, a pipeline with a job that waits or runs.
//
// OFFSET 0 keeps the planner from reading all jobs there are into a hash.
const removeJobs = `
WITH page AS MATERIALIZED (
    SELECT * FROM data_ingestion_jobs WHERE id > @after ORDER BY id LIMIT @limit
), history AS (
    SELECT j.id FROM page j
     WHERE j.state = 'FINISHED' AND j.finished_at < clock_timestamp() - @age::interval AND NOT j.is_current
       AND (j.job_type = 'aggregation' AND EXISTS (
                SELECT FROM data_ingestion_jobs later
                 WHERE later.job_type = 'aggregation' AND later.module_type_id = j.module_type_id AND later.year = j.year
                   AND {outdates} OFFSET 0)
         OR j.job_type = 'emission_recalc' AND EXISTS (
                SELECT FROM data_ingestion_jobs later
                 WHERE later.target_type = 'DATA_ENTRIES' AND later.ingestion_method = 'computed' AND later.job_type = 'emission_recalc'
                   AND later.module_type_id = j.module_type_id AND later.data_entry_type_id = j.data_entry_type_id AND later.year = j.year
                   AND {outdates} OFFSET 0)
         OR j.job_type NOT IN ('aggregation', 'emission_recalc') AND EXISTS (
                SELECT FROM data_ingestion_jobs later
                 WHERE later.is_current AND later.module_type_id = j.module_type_id
                   AND later.data_entry_type_id IS NOT DISTINCT FROM j.data_entry_type_id AND later.year IS NOT DISTINCT FROM j.year
                   AND later.target_type IS NOT DISTINCT FROM j.target_type AND later.ingestion_method = j.ingestion_method
                   AND later.job_type = j.job_type
                   AND {outdates} OFFSET 0))
       AND NOT EXISTS (SELECT FROM data_ingestion_jobs s WHERE s.superseded_by = j.id OFFSET 0)
       AND NOT EXISTS (SELECT FROM data_entries e WHERE e.created_by_id = j.id OFFSET 0)
       AND NOT EXISTS (
           SELECT FROM (SELECT j.pipeline_id AS id
                         UNION ALL
                        SELECT x.pipeline_id FROM pipeline_joins x WHERE x.job_id = j.id) AS p
            WHERE EXISTS (SELECT FROM pipelines r WHERE r.id = p.id AND r.status = 'RUNNING' OFFSET 0)
               OR EXISTS (SELECT FROM data_ingestion_jobs c WHERE c.pipeline_id = p.id AND c.state IS DISTINCT FROM 'FINISHED' OFFSET 0)
               OR EXISTS (SELECT FROM pipeline_joins x JOIN data_ingestion_jobs c ON c.id = x.job_id
                           WHERE x.pipeline_id = p.id AND c.state IS DISTINCT FROM 'FINISHED' OFFSET 0)
           OFFSET 0)
       {unreferenced}
), gone AS (
    DELETE FROM data_ingestion_jobs WHERE id IN (SELECT id FROM history) RETURNING id, pipeline_id
)
SELECT (SELECT count(*) FROM gone) AS jobs,
       ARRAY(SELECT pipeline_id FROM gone WHERE pipeline_id IS NOT NULL
              UNION
             SELECT x.pipeline_id FROM pipeline_joins x JOIN gone g ON g.id = x.job_id) AS pipelines,
       coalesce(max(id), @after) AS last,
       -- Jobs are begun in the order of their ids: after a page of young ones only younger follow.
       count(*) = @limit AND coalesce(bool_or(coalesce(finished_at, started_at, requested_at) < clock_timestamp() - @age::interval), true) AS more
  FROM page`

// outdates is the condition under which a later job makes j history.
const outdates = `later.id > j.id AND later.state = 'FINISHED'
                   AND (j.result = 'ERROR' OR later.result IN ('SUCCESS', 'WARNING') AND later.finished_at >= j.finished_at)`

// removePipelines removes those of some pipelines that have no job left.
const removePipelines = `
DELETE FROM pipelines j
 WHERE j.id = ANY (@pipelines) AND j.status <> 'RUNNING'
   AND NOT EXISTS (SELECT FROM data_ingestion_jobs c WHERE c.pipeline_id = j.id OFFSET 0)
   AND NOT EXISTS (SELECT FROM pipeline_joins x WHERE x.pipeline_id = j.id OFFSET 0)
   {unreferenced}`

// listReferences writes, for every foreign key to a table that is not the record's own, the condition
// that nothing refers to row j by it: tables of the original, or of the operator.
const listReferences = `
SELECT coalesce(string_agg(format('AND NOT EXISTS (SELECT FROM %s r WHERE r.%I = j.id OFFSET 0)', k.conrelid::regclass, a.attname), ' '), '')
  FROM pg_constraint k
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
 WHERE k.contype = 'f' AND k.confrelid = to_regclass(@table) AND cardinality(k.conkey) = 1
   AND k.conrelid NOT IN ('data_ingestion_jobs'::regclass, 'pipeline_joins'::regclass)`

// Retain removes finished jobs that ended longer than age ago and that nothing and nobody needs, and
// pipelines that have no job left. It looks at limit jobs after an id. Removing twice removes
// nothing else, and several may do it at once. Who asked for a job stays in job_requests.
func (l *Ledger) Retain(ctx context.Context, db postgres.Beginner, age time.Duration, after int64, limit int) (Removed, error) {
	removed := Removed{Last: after}
	err := postgres.InTx(ctx, db, txAttempts, func(tx pgx.Tx) error {
		jobs, err := unreferenced(ctx, tx, removeJobs, "data_ingestion_jobs")
		if err != nil {
			return err
		}
		pipelines, err := unreferenced(ctx, tx, removePipelines, "pipelines")
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, limitWaits, waits); err != nil {
			return err
		}
		var emptied []uuid.UUID
		err = tx.QueryRow(ctx, jobs, pgx.NamedArgs{"after": after, "limit": limit, "age": age}).Scan(&removed.Jobs, &emptied, &removed.Last, &removed.More)
		if err != nil || len(emptied) == 0 {
			return err
		}
		tag, err := tx.Exec(ctx, pipelines, pgx.NamedArgs{"pipelines": emptied})
		removed.Pipelines = int(tag.RowsAffected())
		return err
	})
	if err != nil {
		return Removed{}, fmt.Errorf("remove old jobs after %d: %w", after, err)
	}
	return removed, nil
}

// unreferenced completes a statement by the foreign keys that there are.
func unreferenced(ctx context.Context, tx pgx.Tx, statement, table string) (string, error) {
	var conditions string
	if err := tx.QueryRow(ctx, listReferences, pgx.StrictNamedArgs{"table": table}).Scan(&conditions); err != nil {
		return "", err
	}
	return strings.NewReplacer("{outdates}", outdates, "{unreferenced}", conditions).Replace(statement), nil
}
