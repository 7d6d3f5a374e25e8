package freshness

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// Recalculation says whether the emissions of a data entry type and year were computed with
// the factors that are there now. There is one where factors were loaded, for the type, for
// its module as a whole or for all modules. All times are UTC.
type Recalculation struct {
	// ModuleType is a module_type_id.
	ModuleType int
	// DataEntryType is a data_entry_type_id.
	DataEntryType int
	// Year is a calendar year.
	Year int
	// Factors is the last load of factors that wrote something, in force or replaced since.
	Factors Run
	// Last is the last recalculation that ended, well or not; nil when there never was one.
	Last *Run
	// PendingID is a recalculation that waits or runs; nil when there is none.
	PendingID *int64
}

// Run is a job that ended.
type Run struct {
	ID int64
	// Result is nil where the row has none.
	Result *job.Result
	// StartedAt and FinishedAt are nil where the row does not say.
	StartedAt, FinishedAt *time.Time
}

// Needed reports whether the factors have to be, or are yet to be, reckoned in: there was no
// recalculation, it failed, it began before the factors were there, or one is still to end.
//
// It is a matter of times, not of the order of ids: a job that was created before a load may
// read after it, and the reverse. Ids decide only where rows of other programs bear no times.
func (r Recalculation) Needed() bool {
	switch {
	case r.PendingID != nil, r.Last == nil:
		return true
	case r.Last.Result != nil && *r.Last.Result == job.Error:
		return true
	case r.Last.StartedAt == nil || r.Factors.FinishedAt == nil:
		return r.Factors.ID > r.Last.ID
	default:
		return r.Last.StartedAt.Before(*r.Factors.FinishedAt)
	}
}

const recalculationsQuery = `
WITH factor_load AS MATERIALIZED (
    SELECT id, module_type_id, data_entry_type_id, result, started_at, finished_at
      FROM data_ingestion_jobs
     WHERE target_type = 'FACTORS' AND year = @year::bigint -- reads ix_data_ingestion_jobs_factors
       AND state = 'FINISHED'
       -- One without a result has not said that it wrote anything.
       AND result <> 'ERROR'
), type AS (
    SELECT * FROM unnest(@modules::integer[], @types::integer[]) AS known (module_type_id, data_entry_type_id)
     UNION
    SELECT module_type_id, data_entry_type_id FROM factor_load
     WHERE module_type_id IS NOT NULL AND data_entry_type_id IS NOT NULL
)
SELECT type.module_type_id, type.data_entry_type_id,
       f.id AS factors_id, f.result AS factors_result, f.started_at AS factors_started_at, f.finished_at AS factors_finished_at,
       r.id AS last_id, r.result AS last_result, r.started_at AS last_started_at, r.finished_at AS last_finished_at,
       p.id AS pending_id
  FROM type
 CROSS JOIN LATERAL (SELECT l.* FROM factor_load l
                      -- NULL is a load for all types of the module, or for all modules.
                      WHERE coalesce(l.module_type_id, type.module_type_id) = type.module_type_id
                        AND coalesce(l.data_entry_type_id, type.data_entry_type_id) = type.data_entry_type_id
                      ORDER BY l.finished_at DESC NULLS LAST, l.id DESC
                      LIMIT 1) AS f
  -- Each of the two walks ix_data_ingestion_jobs_latest_computed from the newest row.
  LEFT JOIN LATERAL (SELECT j.id, j.result, j.started_at, j.finished_at
                       FROM data_ingestion_jobs j
                      WHERE j.target_type = 'DATA_ENTRIES' AND j.ingestion_method = 'computed' AND j.data_entry_type_id IS NOT NULL
                        AND (j.module_type_id, j.data_entry_type_id, j.year) >= (type.module_type_id, type.data_entry_type_id, @year::bigint)
                        AND (j.module_type_id, j.data_entry_type_id, j.year) <= (type.module_type_id, type.data_entry_type_id, @year::bigint)
                        AND j.state = 'FINISHED'
                      ORDER BY j.module_type_id, j.data_entry_type_id, j.year, j.id DESC
                      LIMIT 1) AS r ON true
  LEFT JOIN LATERAL (SELECT j.id
                       FROM data_ingestion_jobs j
                      WHERE j.state IN ('NOT_STARTED', 'QUEUED', 'RUNNING')
                        AND j.target_type = 'DATA_ENTRIES' AND j.ingestion_method = 'computed'
                        AND j.module_type_id = type.module_type_id AND j.data_entry_type_id = type.data_entry_type_id
                        AND j.year = @year::bigint
                      ORDER BY j.id DESC
                      LIMIT 1) AS p ON true
 ORDER BY type.module_type_id, type.data_entry_type_id`

// Recalculations reads, for one year, every data entry type that factors were loaded for, in
// order of module type, then data entry type.
func Recalculations(ctx context.Context, q postgres.Querier, year int) ([]Recalculation, error) {
	var modules, types []int
	for _, t := range catalog.DataEntryTypes() {
		modules, types = append(modules, t.ModuleID), append(types, t.ID)
	}
	rows, err := q.Query(ctx, recalculationsQuery, pgx.StrictNamedArgs{"year": year, "modules": modules, "types": types})
	if err != nil {
		return nil, fmt.Errorf("read the recalculations of %d: %w", year, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[recalculationRow])
	if err != nil {
		return nil, fmt.Errorf("read the recalculations of %d: %w", year, err)
	}
	var all []Recalculation
	for _, row := range found {
		all = append(all, row.recalculation(year))
	}
	return all, nil
}

// recalculationRow is a row of recalculationsQuery.
type recalculationRow struct {
	ModuleTypeID, DataEntryTypeID       int
	FactorsID                           int64
	FactorsResult                       *job.Result
	FactorsStartedAt, FactorsFinishedAt *time.Time
	LastID                              *int64
	LastResult                          *job.Result
	LastStartedAt, LastFinishedAt       *time.Time
	PendingID                           *int64
}

func (r recalculationRow) recalculation(year int) Recalculation {
	result := Recalculation{
		ModuleType: r.ModuleTypeID, DataEntryType: r.DataEntryTypeID, Year: year, PendingID: r.PendingID,
		Factors: Run{ID: r.FactorsID, Result: r.FactorsResult, StartedAt: utc(r.FactorsStartedAt), FinishedAt: utc(r.FactorsFinishedAt)},
	}
	if r.LastID != nil {
		result.Last = &Run{ID: *r.LastID, Result: r.LastResult, StartedAt: utc(r.LastStartedAt), FinishedAt: utc(r.LastFinishedAt)}
	}
	return result
}

// utc takes a time out of the zone of this machine, which means nothing to the reader.
func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}
