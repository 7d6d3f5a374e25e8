package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

// Airports loads the places that flights begin and end at into locations. A known
// airport, by its IATA code, gets what the file says; none is deleted.
//
// The file gives a country by code or by name. A code of two letters goes into
// country_code, a name into keywords, where a search finds it. What locations holds in
// either column already is not cleared, and keywords are not replaced.
func Airports(ctx context.Context, db Database, o Options) (Report, error) {
	f, err := open(o)
	if err != nil {
		return Report{}, err
	}
	defer f.close()
	// The load is of no type and year, whatever the caller filled in.
	o.DataEntryType, o.Year = catalog.DataEntryType{}, 0
	v, err := judge(ctx, f, airportFormat, false, referenceNextStep, func(*rows[airport], airport) {})
	if err != nil {
		return Report{}, err
	}
	var r Report
	err = postgres.InTx(ctx, db, attempts, func(tx pgx.Tx) error {
		r = Report{Rows: v.good, Result: job.Success}
		if err := lock(ctx, tx, airportLock); err != nil {
			return err
		}
		if err := stageAirports(ctx, tx, f, v); err != nil {
			return err
		}
		if err := mergeAirports(ctx, tx, &r); err != nil {
			return err
		}
		r.Message = fmt.Sprintf("%s: %d new, %d changed, %d unchanged", counted(r.Rows, "airport", "airports"), r.Inserted, r.Updated, r.Unchanged)
		if r.Inserted+r.Updated == 0 {
			return nil
		}
		if err := record(ctx, tx, o, job.ReferenceIngest, &r); err != nil {
			return err
		}
		scopes, err := flightScopes(ctx, tx)
		if err != nil {
			return err
		}
		return request(ctx, tx, o, &r, scopes...)
	})
	if err != nil {
		return Report{}, err
	}
	return r, nil
}

const flightYears = `
SELECT DISTINCT r.year
  FROM data_entries e
  JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
  JOIN carbon_reports r ON r.id = m.carbon_report_id
 WHERE e.data_entry_type_id = $1 AND m.module_type_id = $2`

// flightScopes returns every scope whose emissions hang on where airports are.
func flightScopes(ctx context.Context, tx pgx.Tx) (scopes []job.Scope, err error) {
	for _, t := range catalog.CalculatedTypes() {
		if !t.NeedsAirports() {
			continue
		}
		found, err := tx.Query(ctx, flightYears, t.ID, t.ModuleID)
		if err != nil {
			return nil, fmt.Errorf("find years with flights: %w", err)
		}
		years, err := pgx.CollectRows(found, pgx.RowTo[int])
		if err != nil {
			return nil, fmt.Errorf("find years with flights: %w", err)
		}
		for _, year := range years {
			scopes = append(scopes, job.RecalcOf(t.ModuleID, t.ID, year))
		}
	}
	return scopes, nil
}
