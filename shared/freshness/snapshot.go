package freshness

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
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
	if err := s.read(rows); err != nil {
		return Snapshot{}, fmt.Errorf("read scopes and their aggregations: %w", err)
	}
	return s, nil
}

// snapshotQuery reads what the triggers keep: the lines that count report modules, and, by
// ix_data_ingestion_jobs_standing, the few aggregations of each scope that count.
const snapshotQuery = `
WITH RECURSIVE declared AS (
    SELECT module_type_id, year FROM declared_scopes GROUP BY 1, 2 HAVING sum(report_modules) > 0
), marked AS ( -- each scope with a mark, from one to the next in the index: most have none
    (SELECT module_type_id, year FROM scope_changes ORDER BY 1, 2 LIMIT 1)
    UNION ALL
    SELECT next.module_type_id, next.year
      FROM marked m
     CROSS JOIN LATERAL (SELECT c.module_type_id, c.year FROM scope_changes c
                          WHERE (c.module_type_id, c.year) > (m.module_type_id, m.year)
                          ORDER BY 1, 2 LIMIT 1) AS next
)
SELECT now(), d.module_type_id, d.year, j.id, j.state::text, j.result::text, j.requested_at, j.started_at, j.finished_at,
       j.read_snapshot IS NOT NULL, unseen.changed_at
  -- The clock comes first: without any scope there is still one row, with the time.
  FROM (VALUES (true)) AS clock
  LEFT JOIN declared d ON true
  LEFT JOIN data_ingestion_jobs j
    ON j.job_type = 'aggregation' AND (j.standing OR j.state IS DISTINCT FROM 'FINISHED')
   AND j.module_type_id = d.module_type_id AND j.year = d.year
  LEFT JOIN marked m ON m.module_type_id = d.module_type_id AND m.year = d.year
  -- The first change that the run did not see. Marks it did see went as it finished.
  LEFT JOIN LATERAL (SELECT c.changed_at FROM scope_changes c
                      WHERE m.module_type_id IS NOT NULL
                        AND c.module_type_id = d.module_type_id AND c.year = d.year
                        AND (coalesce(NOT pg_visible_in_snapshot(c.xid, j.read_snapshot), true)
                             OR c.changed_at > j.finished_at) -- a snapshot of another server may see too much
                      ORDER BY c.xid LIMIT 1) AS unseen
    ON j.state = 'FINISHED' AND j.result IS DISTINCT FROM 'ERROR' AND j.finished_at IS NOT NULL
 ORDER BY d.module_type_id, d.year, j.id DESC`

// originalQuery gives the same answer on a database where nothing is kept, but for drift. It
// reads all report modules and the whole history.
const originalQuery = `
WITH declared AS (
    SELECT DISTINCT m.module_type_id, r.year FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id
), counting AS (
    SELECT module_type_id, year, max(id) AS newest,
           max(id) FILTER (WHERE state = 'FINISHED') AS ended,
           max(id) FILTER (WHERE state = 'FINISHED' AND result IS DISTINCT FROM 'ERROR' AND finished_at IS NOT NULL) AS wrote
      FROM data_ingestion_jobs WHERE job_type = 'aggregation'
     GROUP BY 1, 2
)
SELECT now(), d.module_type_id, d.year, j.id, j.state::text, j.result::text, NULL::timestamptz, j.started_at, j.finished_at,
       false, NULL::timestamptz
  FROM (VALUES (true)) AS clock
  LEFT JOIN declared d ON true
  LEFT JOIN counting c ON c.module_type_id = d.module_type_id AND c.year = d.year
  LEFT JOIN LATERAL (SELECT DISTINCT id FROM unnest(ARRAY[c.newest, c.ended, c.wrote]) AS id WHERE id IS NOT NULL) AS pick ON true
  LEFT JOIN data_ingestion_jobs j ON j.id = pick.id
 ORDER BY d.module_type_id, d.year, j.id DESC`

// read folds the rows, the newest aggregation of each scope first.
func (s *Snapshot) read(rows pgx.Rows) error {
	defer rows.Close()
	for rows.Next() {
		var (
			module, year              *int
			id                        *int64
			state, result             *string
			requested, started, ended *time.Time
			saysWhatItRead            bool
			changed                   *time.Time
		)
		if err := rows.Scan(&s.At, &module, &year, &id, &state, &result, &requested, &started, &ended, &saysWhatItRead, &changed); err != nil {
			return err
		}
		if module == nil {
			continue
		}
		if n := len(s.Scopes); n == 0 || s.Scopes[n-1].ModuleType != *module || s.Scopes[n-1].Year != *year {
			s.Scopes = append(s.Scopes, Scope{ModuleType: *module, Year: *year})
		}
		if id == nil {
			continue
		}
		a := Aggregation{ID: *id, State: (*job.State)(state), Result: (*job.Result)(result),
			RequestedAt: utc(requested), StartedAt: utc(started), FinishedAt: utc(ended)}
		s.Scopes[len(s.Scopes)-1].add(a, driftOf(saysWhatItRead, changed), utc(changed))
	}
	s.At = s.At.UTC()
	return rows.Err()
}

// utc takes a time out of the zone of this machine, which means nothing to the reader.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
