package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// createUnitsQuery and the statements below create only what is missing. NOT EXISTS
// spares the sequences; ON CONFLICT lets another load create the same at the same
// time: whoever comes second waits for the first to commit and then uses its rows. The
// order is that of every load, so that two cannot wait for each other.
const createUnitsQuery = `
INSERT INTO units (provider, institutional_code, institutional_id, name, level, is_active)
SELECT 'DEFAULT', w.id, w.id, w.id, 4, true
  FROM unnest($1::text[]) AS w (id)
 WHERE NOT EXISTS (SELECT FROM units u WHERE u.institutional_id = w.id)
 ORDER BY w.id
    ON CONFLICT DO NOTHING`

// createUnits creates the units that do not exist. All that is known of them is their
// id, so it is their code and name as well.
func createUnits(ctx context.Context, tx pgx.Tx, ids []string) (created int, err error) {
	tag, err := tx.Exec(ctx, createUnitsQuery, ids)
	if err != nil {
		return 0, fmt.Errorf("create units: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// place is where the entries of a unit go.
type place struct {
	// unit is units.id, module is carbon_report_modules.id.
	unit, module int32
}

const createProjects = `
INSERT INTO carbon_projects (unit_id, carbon_report_type, is_viewable_by_unit_members)
SELECT u.id, 'Calculator', true
  FROM units u
 WHERE u.institutional_id = ANY (@units)
   AND NOT EXISTS (SELECT FROM carbon_projects p WHERE p.unit_id = u.id AND p.carbon_report_type = 'Calculator')
 ORDER BY u.id
    ON CONFLICT DO NOTHING`

const createReports = `
INSERT INTO carbon_reports (year, unit_id, carbon_project_id, overall_status)
SELECT @year::integer, u.id, p.id, 0
  FROM units u
  JOIN carbon_projects p ON p.unit_id = u.id AND p.carbon_report_type = 'Calculator'
 WHERE u.institutional_id = ANY (@units)
   AND NOT EXISTS (SELECT FROM carbon_reports r WHERE r.carbon_project_id = p.id AND r.year = @year)
 ORDER BY p.id
    ON CONFLICT DO NOTHING`

const createModules = `
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
SELECT @module::integer, 0, r.id
  FROM units u
  JOIN carbon_projects p ON p.unit_id = u.id AND p.carbon_report_type = 'Calculator'
  JOIN carbon_reports r ON r.carbon_project_id = p.id AND r.year = @year
 WHERE u.institutional_id = ANY (@units)
   AND NOT EXISTS (SELECT FROM carbon_report_modules m WHERE m.carbon_report_id = r.id AND m.module_type_id = @module)
 ORDER BY r.id
    ON CONFLICT DO NOTHING`

const findPlacesQuery = `
SELECT u.institutional_id, u.id, m.id
  FROM units u
  JOIN carbon_projects p ON p.unit_id = u.id AND p.carbon_report_type = 'Calculator'
  JOIN carbon_reports r ON r.carbon_project_id = p.id AND r.year = @year
  JOIN carbon_report_modules m ON m.carbon_report_id = r.id AND m.module_type_id = @module
 WHERE u.institutional_id = ANY (@units)`

// findPlaces gives each unit the project, report and report module that it lacks, and
// returns the places by institutional id.
func findPlaces(ctx context.Context, tx pgx.Tx, o Options, ids []string) (map[string]place, error) {
	args := pgx.NamedArgs{"units": ids, "year": o.Year, "module": o.DataEntryType.ModuleID}
	for _, create := range []string{createProjects, createReports, createModules} {
		if _, err := tx.Exec(ctx, create, args); err != nil {
			return nil, fmt.Errorf("create report modules: %w", err)
		}
	}
	found, err := tx.Query(ctx, findPlacesQuery, args)
	if err != nil {
		return nil, fmt.Errorf("find report modules: %w", err)
	}
	places := make(map[string]place, len(ids))
	var (
		id string
		at place
	)
	_, err = pgx.ForEachRow(found, []any{&id, &at.unit, &at.module}, func() error {
		places[id] = at
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find report modules: %w", err)
	}
	for _, id := range ids {
		if _, ok := places[id]; !ok {
			return nil, fmt.Errorf("unit %q: no unit has this institutional_id, or one has it as institutional_code only; correct the unit or the file", id)
		}
	}
	return places, nil
}
