package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
)

const createStagedFactors = `
CREATE TEMPORARY TABLE staged_factors (
    emission_type_id integer NOT NULL,
    classification   jsonb   NOT NULL,
    "values"         json    NOT NULL
) ON COMMIT DROP`

// stageFactors copies the file into a table of the transaction's own.
func stageFactors(ctx context.Context, tx pgx.Tx, f *file, format format[catalog.FactorRow], v verdict) error {
	if _, err := tx.Exec(ctx, createStagedFactors); err != nil {
		return fmt.Errorf("stage factors: %w", err)
	}
	return copyRows(ctx, tx, f, format, v, "staged_factors", []string{"emission_type_id", "classification", "values"},
		func(row catalog.FactorRow) ([]any, error) {
			return []any{row.EmissionTypeID, row.Classification, row.Values}, nil
		})
}

// compareFactorsQuery compares values as jsonb: the order of the keys and the spelling
// of the numbers do not matter. A full join is one that the planner cannot turn into a
// loop over both sides, which it likes for a table that it has no statistics on.
const compareFactorsQuery = `
SELECT count(*) FILTER (WHERE f.id IS NULL) AS inserted,
       count(*) FILTER (WHERE f.id IS NOT NULL AND s.classification IS NOT NULL AND f.content IS DISTINCT FROM s."values"::jsonb) AS updated,
       count(*) FILTER (WHERE f.content = s."values"::jsonb) AS unchanged,
       count(*) FILTER (WHERE s.classification IS NULL) AS absent
  FROM staged_factors s
  FULL JOIN (SELECT id, emission_type_id, classification::text AS key, "values"::jsonb AS content
               FROM factors
              WHERE data_entry_type_id = @type AND year = @year) f
         ON f.emission_type_id = s.emission_type_id AND f.key = s.classification::text`

// compareFactors counts what the file would change.
func compareFactors(ctx context.Context, tx pgx.Tx, o Options, r *Report) error {
	err := tx.QueryRow(ctx, compareFactorsQuery, pgx.StrictNamedArgs{"type": o.DataEntryType.ID, "year": o.Year}).
		Scan(&r.Inserted, &r.Updated, &r.Unchanged, &r.Absent)
	if err != nil {
		return fmt.Errorf("compare factors: %w", err)
	}
	return nil
}

// mergeFactorsQuery writes unchanged factors too: they carry the job that has seen them
// last, which is how the original tells the ones that a file no longer has.
const mergeFactorsQuery = `
INSERT INTO factors (data_entry_type_id, year, emission_type_id, classification, "values", last_seen_job_id)
SELECT @type::integer, @year::integer, s.emission_type_id, s.classification, s."values", @job::integer
  FROM staged_factors s
 ORDER BY s.emission_type_id, s.classification::text
    ON CONFLICT (data_entry_type_id, year, emission_type_id, (classification::text)) WHERE year IS NOT NULL
    DO UPDATE SET "values" = excluded."values", last_seen_job_id = excluded.last_seen_job_id`

// mergeFactors writes the file into factors.
func mergeFactors(ctx context.Context, tx pgx.Tx, o Options, jobID int64) error {
	_, err := tx.Exec(ctx, mergeFactorsQuery, pgx.StrictNamedArgs{"type": o.DataEntryType.ID, "year": o.Year, "job": jobID})
	if err != nil {
		return fmt.Errorf("write factors: %w", err)
	}
	return nil
}
