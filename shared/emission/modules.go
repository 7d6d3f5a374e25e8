package emission

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// moduleRow is one report module of the aggregated type and year.
type moduleRow struct {
	ID int
	// Entries is how many data_entries it has, with emissions or without.
	Entries int
}

const countModulesQuery = `
SELECT count(*)
  FROM carbon_report_modules m
  JOIN carbon_reports r ON r.id = m.carbon_report_id
 WHERE m.module_type_id = $1 AND r.year = $2`

func countModules(ctx context.Context, tx pgx.Tx, moduleType, year int) (n int, err error) {
	if err = tx.QueryRow(ctx, countModulesQuery, moduleType, year).Scan(&n); err != nil {
		return 0, fmt.Errorf("count report modules: %w", err)
	}
	return n, nil
}

const nextModulesQuery = `
SELECT m.id, (SELECT count(*) FROM data_entries e WHERE e.carbon_report_module_id = m.id) AS entries
  FROM carbon_report_modules m
  JOIN carbon_reports r ON r.id = m.carbon_report_id
 WHERE m.module_type_id = $1 AND r.year = $2 AND m.id > $3
 ORDER BY m.id
 LIMIT $4`

// nextModules returns the report modules after an id, also those without entries.
func nextModules(ctx context.Context, tx pgx.Tx, moduleType, year, after, limit int) ([]moduleRow, error) {
	rows, err := tx.Query(ctx, nextModulesQuery, moduleType, year, after, limit)
	if err != nil {
		return nil, fmt.Errorf("read report modules: %w", err)
	}
	page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[moduleRow])
	if err != nil {
		return nil, fmt.Errorf("read report modules: %w", err)
	}
	return page, nil
}

// sumEmissionsQuery leaves stored roll-up rows out: they repeat what is below them.
const sumEmissionsQuery = `
SELECT e.carbon_report_module_id, x.emission_type_id, x.scope, sum(x.kg_co2eq), sum(x.additional_value)
  FROM data_entries e
  JOIN data_entry_emissions x ON x.data_entry_id = e.id
 WHERE e.carbon_report_module_id = ANY ($1)
   -- The text is searched first: that is cheap, and ->> fails on a NUL character anywhere in meta,
   -- which repeats what people typed.
   AND NOT CASE WHEN x.meta::text LIKE '%is_rollup%'
                THEN coalesce(x.meta ->> 'is_rollup' = 'true', false) ELSE false END
 GROUP BY e.carbon_report_module_id, x.emission_type_id, x.scope
 ORDER BY e.carbon_report_module_id, x.emission_type_id, x.scope`

// sumEmissions adds up the emissions of a page of report modules, by their id.
func sumEmissions(ctx context.Context, tx pgx.Tx, page []moduleRow) (map[int][]sum, error) {
	rows, err := tx.Query(ctx, sumEmissionsQuery, moduleIDs(page))
	if err != nil {
		return nil, fmt.Errorf("add up emissions: %w", err)
	}
	sums := map[int][]sum{}
	defer rows.Close()
	for rows.Next() {
		// Anew for each row: its pointers are kept.
		var (
			id int
			s  sum
		)
		if err := rows.Scan(&id, &s.EmissionType, &s.Scope, &s.Kg, &s.Additional); err != nil {
			return nil, fmt.Errorf("add up emissions: %w", err)
		}
		sums[id] = append(sums[id], s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("add up emissions: %w", err)
	}
	return sums, nil
}

// storeModulesQuery leaves status alone: what a person has validated stays validated.
const storeModulesQuery = `
UPDATE carbon_report_modules m
   SET stats = s.stats::json, last_updated = $3
  FROM unnest($1::integer[], $2::text[]) AS s (id, stats)
 WHERE m.id = s.id`

func storeModules(ctx context.Context, tx pgx.Tx, page []moduleRow, documents []string, now time.Time) error {
	if _, err := tx.Exec(ctx, storeModulesQuery, moduleIDs(page), documents, now.Unix()); err != nil {
		return fmt.Errorf("write carbon_report_modules: %w", err)
	}
	return nil
}

func moduleIDs(page []moduleRow) []int {
	ids := make([]int, len(page))
	for i, m := range page {
		ids[i] = m.ID
	}
	return ids
}
