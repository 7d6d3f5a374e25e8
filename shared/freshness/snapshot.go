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
}

const snapshotQuery = `
SELECT now() AS at, scope.module_type_id, scope.year,
       latest.id, latest.state, latest.result, latest.requested_at, latest.started_at, latest.finished_at,
       success.finished_at AS last_success_at, ended.result AS last_result
  -- The clock comes first: without any scope there is still one row, with the time.
  FROM (VALUES (true)) AS clock
  LEFT JOIN (SELECT DISTINCT m.module_type_id, r.year
               FROM carbon_report_modules m
               JOIN carbon_reports r ON r.id = m.carbon_report_id) AS scope ON true
  -- Each of the three walks ix_data_ingestion_jobs_latest_aggregation from the newest row of
  -- its scope and stops at the first that fits. The scope is a range of one value on purpose:
  -- with = the planner may walk the primary key backwards instead, and that reads the whole
  -- history for a scope that was never aggregated.
  LEFT JOIN LATERAL (SELECT j.id, j.state, j.result, j.requested_at, j.started_at, j.finished_at
                       FROM data_ingestion_jobs j
                      WHERE j.job_type = 'aggregation'
                        AND (j.module_type_id, j.year) >= (scope.module_type_id, scope.year)
                        AND (j.module_type_id, j.year) <= (scope.module_type_id, scope.year)
                      ORDER BY j.module_type_id, j.year, j.id DESC
                      LIMIT 1) AS latest ON true
  LEFT JOIN LATERAL (SELECT j.result
                       FROM data_ingestion_jobs j
                      WHERE j.job_type = 'aggregation'
                        AND (j.module_type_id, j.year) >= (scope.module_type_id, scope.year)
                        AND (j.module_type_id, j.year) <= (scope.module_type_id, scope.year)
                        AND j.state = 'FINISHED'
                      ORDER BY j.module_type_id, j.year, j.id DESC
                      LIMIT 1) AS ended ON true
  LEFT JOIN LATERAL (SELECT j.finished_at
                       FROM data_ingestion_jobs j
                      WHERE j.job_type = 'aggregation'
                        AND (j.module_type_id, j.year) >= (scope.module_type_id, scope.year)
                        AND (j.module_type_id, j.year) <= (scope.module_type_id, scope.year)
                        AND j.state = 'FINISHED' AND j.result IS DISTINCT FROM 'ERROR' AND j.finished_at IS NOT NULL
                      ORDER BY j.module_type_id, j.year, j.id DESC
                      LIMIT 1) AS success ON true
 ORDER BY scope.module_type_id, scope.year`

// TakeSnapshot reads every declared scope in one query, so that the answer is
// consistent also outside a transaction.
func TakeSnapshot(ctx context.Context, q postgres.Querier) (Snapshot, error) {
	rows, err := q.Query(ctx, snapshotQuery)
	if err != nil {
		return Snapshot{}, fmt.Errorf("read scopes and their latest aggregations: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[snapshotRow])
	if err != nil {
		return Snapshot{}, fmt.Errorf("read scopes and their latest aggregations: %w", err)
	}
	s := Snapshot{At: found[0].At.UTC()}
	for _, row := range found {
		if row.ModuleTypeID != nil {
			s.Scopes = append(s.Scopes, row.scope())
		}
	}
	return s, nil
}

// snapshotRow is a row of snapshotQuery. Without any scope there is one, with nothing but the time.
type snapshotRow struct {
	At            time.Time
	ModuleTypeID  *int
	Year          *int
	ID            *int64
	State         *job.State
	Result        *job.Result
	RequestedAt   *time.Time
	StartedAt     *time.Time
	FinishedAt    *time.Time
	LastSuccessAt *time.Time
	LastResult    *job.Result
}

func (r snapshotRow) scope() Scope {
	s := Scope{ModuleType: *r.ModuleTypeID, Year: *r.Year, LastSuccessAt: utc(r.LastSuccessAt), LastResult: r.LastResult}
	if r.ID != nil {
		s.Latest = &Aggregation{
			ID: *r.ID, State: r.State, Result: r.Result,
			RequestedAt: utc(r.RequestedAt), StartedAt: utc(r.StartedAt), FinishedAt: utc(r.FinishedAt),
		}
	}
	return s
}

// utc takes a time out of the zone of this machine, which means nothing to the reader.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}
