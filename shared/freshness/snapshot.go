package freshness

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// Snapshot is every declared scope at one moment.
type Snapshot struct {
	// At is the moment by the database's clock, in UTC: the start of the
	// transaction that read it.
	At time.Time
	// Scopes are in order of module type, then year.
	Scopes []Scope
	// Kept is false where the database does not keep what `tidemark migrate up` makes it keep
	// (it is the original's own, or a trigger is missing): the answer took longer, and no
	// drift is known.
	Kept bool
}

// keptTriggers are those of 00005_freshness.sql. Without any one of them what they keep may be
// wrong, so it is not looked at.
var keptTriggers = []string{
	"tidemark_report_modules_added", "tidemark_report_modules_removed", "tidemark_report_modules_truncated",
	"tidemark_report_module_moved", "tidemark_report_moved",
	"tidemark_entries_inserted", "tidemark_entries_deleted", "tidemark_entries_updated", "tidemark_entries_truncated",
	"tidemark_emissions_inserted", "tidemark_emissions_deleted", "tidemark_emissions_updated", "tidemark_emissions_truncated",
	"tidemark_factors_inserted", "tidemark_factors_deleted", "tidemark_factor_deleted", "tidemark_factors_updated", "tidemark_factors_truncated",
	"tidemark_locations_changed",
	"tidemark_aggregation_inserting", "tidemark_aggregation_updating", "tidemark_aggregation_inserted",
	"tidemark_aggregation_updated", "tidemark_aggregation_deleted",
}

const keptQuery = `
SELECT count(DISTINCT tgname) = cardinality(@names::text[])
  FROM pg_trigger
 WHERE tgname = ANY (@names) AND tgenabled IN ('O', 'A')
   AND tgrelid IN (to_regclass('data_ingestion_jobs'), to_regclass('carbon_reports'), to_regclass('carbon_report_modules'), to_regclass('data_entries'),
                   to_regclass('data_entry_emissions'), to_regclass('factors'), to_regclass('locations'))`

const missingQuery = `
SELECT name FROM unnest(@names::text[]) AS name
 WHERE NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = name AND tgenabled IN ('O', 'A') AND pg_table_is_visible(tgrelid))
 ORDER BY name`

// MissingTriggers returns which of the triggers that keep what freshness is read from are missing
// or disabled; see [Snapshot.Kept].
func MissingTriggers(ctx context.Context, q postgres.Querier) ([]string, error) {
	rows, err := q.Query(ctx, missingQuery, pgx.StrictNamedArgs{"names": keptTriggers})
	if err != nil {
		return nil, fmt.Errorf("see what the database keeps: %w", err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("see what the database keeps: %w", err)
	}
	return missing, nil
}

// TakeSnapshot reads every declared scope in one statement, so that the answer is
// consistent also outside a transaction.
func TakeSnapshot(ctx context.Context, q postgres.Querier) (Snapshot, error) {
	var s Snapshot
	if err := q.QueryRow(ctx, keptQuery, pgx.StrictNamedArgs{"names": keptTriggers}).Scan(&s.Kept); err != nil {
		return Snapshot{}, fmt.Errorf("see what the database keeps: %w", err)
	}
	query := originalQuery
	if s.Kept {
		query = snapshotQuery
	}
	rows, err := q.Query(ctx, query)
	if err != nil {
		return Snapshot{}, fmt.Errorf("read scopes and their aggregations: %w", err)
	}
	if s.At, s.Scopes, err = readFindings(rows); err != nil {
		return Snapshot{}, fmt.Errorf("read scopes and their aggregations: %w", err)
	}
	return s, nil
}

// snapshotQuery reads what the triggers keep: the lines of declared scopes; by
// ix_data_ingestion_jobs_standing the aggregations that count; the marks. Each comes as arrays, a
// column each, with a place for every row: ten thousand rows of their own would cost server and
// exporter more than all the rest.
//
// They are one statement, for one moment, and deliberately not joined in it: each table is read
// once, from one end to the other, whatever the planner believes of its size. A connection keeps
// its plan, also one that was made when there was nothing to join.
//
// Marks pile up where scopes are edited for long and never aggregated. From 20,000 on, only
// the first of each scope is read, from one scope to the next in the index: a finished run takes
// those that it saw away, so the first that is left is one that it did not see.
const snapshotQuery = `
WITH RECURSIVE size AS (
    SELECT count(*) >= 20000 AS large FROM (SELECT FROM scope_changes LIMIT 20000) AS marks
), first AS (
    (SELECT module_type_id, year, xid, changed_at FROM scope_changes
      WHERE (SELECT large FROM size)
      ORDER BY module_type_id, year, xid LIMIT 1)
    UNION ALL
    SELECT next.module_type_id, next.year, next.xid, next.changed_at
      FROM first f
     CROSS JOIN LATERAL (SELECT c.module_type_id, c.year, c.xid, c.changed_at FROM scope_changes c
                          WHERE (c.module_type_id, c.year) > (f.module_type_id, f.year)
                          ORDER BY c.module_type_id, c.year, c.xid LIMIT 1) AS next
), marks AS (
    SELECT module_type_id, year, xid, changed_at FROM scope_changes WHERE NOT (SELECT large FROM size)
    UNION ALL
    SELECT module_type_id, year, xid, changed_at FROM first
)
SELECT now(), declared.*, aggregations.*, changes.*
  FROM (SELECT array_agg(module_type_id), array_agg(year), array_agg(report_modules) FROM declared_scopes) AS declared,
       (SELECT array_agg(module_type_id), array_agg(year), array_agg(id), array_agg(state::text), array_agg(result::text),
               array_agg(requested_at), array_agg(started_at), array_agg(finished_at), array_agg(read_snapshot::text)
          FROM data_ingestion_jobs
         WHERE job_type = 'aggregation' AND (standing OR state IS DISTINCT FROM 'FINISHED')
           AND module_type_id IS NOT NULL AND year IS NOT NULL) AS aggregations,
       (SELECT array_agg(module_type_id), array_agg(year), array_agg(xid), array_agg(changed_at) FROM marks) AS changes`

// originalQuery finds the same, but for marks, on a database where nothing is kept. It
// reads all report modules and the whole history.
const originalQuery = `
WITH counting AS (
    SELECT max(id) AS newest,
           max(id) FILTER (WHERE state = 'FINISHED') AS ended,
           max(id) FILTER (WHERE state = 'FINISHED' AND result IS DISTINCT FROM 'ERROR' AND finished_at IS NOT NULL) AS wrote
      FROM data_ingestion_jobs
     WHERE job_type = 'aggregation' AND module_type_id IS NOT NULL AND year IS NOT NULL
     GROUP BY module_type_id, year
)
SELECT now(), declared.*, aggregations.*, NULL::integer[], NULL::integer[], NULL::xid8[], NULL::timestamptz[]
  FROM (SELECT array_agg(module_type_id), array_agg(year), array_agg(report_modules)
          FROM (SELECT m.module_type_id, r.year, count(*)::integer AS report_modules
                  FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
                 GROUP BY m.module_type_id, r.year) AS counted) AS declared,
       (SELECT array_agg(module_type_id), array_agg(year), array_agg(id), array_agg(state::text), array_agg(result::text),
               array_agg(NULL::timestamptz), array_agg(started_at), array_agg(finished_at), array_agg(NULL::text)
          FROM data_ingestion_jobs
         WHERE id IN (SELECT newest FROM counting UNION SELECT ended FROM counting UNION SELECT wrote FROM counting)) AS aggregations`
