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

// TakeSnapshot reads every declared scope in one query, so that the answer is
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
	found, err := readFindings(rows)
	if err != nil {
		return Snapshot{}, fmt.Errorf("read scopes and their aggregations: %w", err)
	}
	s.At = found.at
	if s.Scopes, err = found.scopes(); err != nil {
		return Snapshot{}, fmt.Errorf("read scopes and their aggregations: %w", err)
	}
	return s, nil
}

// snapshotQuery reads what the triggers keep, a row for each thing found, told apart by what the
// rows have: the time; a declared scope; by ix_data_ingestion_jobs_standing an aggregation
// that counts, which has an id; a mark, which has an xid.
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
)
SELECT NULL::integer AS module_type_id, NULL::integer AS year, now() AS at, NULL::integer AS id, NULL::ingestion_state_enum AS state,
       NULL::ingestion_result_enum AS result, NULL::timestamptz AS requested_at, NULL::timestamptz AS started_at,
       NULL::pg_snapshot AS read_snapshot, NULL::xid8 AS xid
UNION ALL
SELECT module_type_id, year, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM declared_scopes
 GROUP BY module_type_id, year HAVING sum(report_modules) > 0
UNION ALL
SELECT module_type_id, year, finished_at, id, state, result, requested_at, started_at, read_snapshot, NULL
  FROM data_ingestion_jobs
 WHERE job_type = 'aggregation' AND (standing OR state IS DISTINCT FROM 'FINISHED')
   AND module_type_id IS NOT NULL AND year IS NOT NULL
UNION ALL
SELECT module_type_id, year, changed_at, NULL, NULL, NULL, NULL, NULL, NULL, xid
  FROM scope_changes
 WHERE NOT (SELECT large FROM size)
UNION ALL
SELECT module_type_id, year, changed_at, NULL, NULL, NULL, NULL, NULL, NULL, xid
  FROM first`

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
SELECT NULL::integer AS module_type_id, NULL::integer AS year, now() AS at, NULL::integer AS id, NULL::ingestion_state_enum AS state,
       NULL::ingestion_result_enum AS result, NULL::timestamptz AS requested_at, NULL::timestamptz AS started_at,
       NULL::pg_snapshot AS read_snapshot, NULL::xid8 AS xid
UNION ALL
SELECT m.module_type_id, r.year, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
 GROUP BY m.module_type_id, r.year
UNION ALL
SELECT module_type_id, year, finished_at, id, state, result, NULL, started_at, NULL, NULL
  FROM data_ingestion_jobs
 WHERE id IN (SELECT newest FROM counting UNION SELECT ended FROM counting UNION SELECT wrote FROM counting)`
