package emission

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// entry is one row of the slice.
type entry struct {
	ID   int32
	Data []byte
	// BaseKg is what the matching entry of the base year emitted, where the entry asks
	// for a share of it and there is one.
	BaseKg *float64
}

const countEntriesQuery = `
SELECT count(*)
  FROM data_entries e
  JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
  JOIN carbon_reports r ON r.id = m.carbon_report_id
 WHERE e.data_entry_type_id = $1 AND m.module_type_id = $2 AND r.year = $3
   AND ($4::int[] IS NULL OR m.id = ANY ($4))`

// countEntries is for the progress only: entries may come and go while the slice is computed.
func countEntries(ctx context.Context, tx pgx.Tx, s slice) (n int, err error) {
	if err = tx.QueryRow(ctx, countEntriesQuery, s.args()...).Scan(&n); err != nil {
		return 0, fmt.Errorf("count entries: %w", err)
	}
	return n, nil
}

// openEntriesQuery reads the slice through a cursor, so that its size does not
// matter here. data_entries.year is not asked: only bulk loads fill it.
const openEntriesQuery = `
DECLARE recalculated_entries NO SCROLL CURSOR FOR
SELECT e.id, e.data, base.kg
  FROM data_entries e
  JOIN carbon_report_modules m ON m.id = e.carbon_report_module_id
  JOIN carbon_reports r ON r.id = m.carbon_report_id
  -- The matching entry of the base year: the same person, else the same name, else the first.
  LEFT JOIN LATERAL (
       SELECT (SELECT sum(x.kg_co2eq)
                 FROM data_entry_emissions x
                WHERE x.data_entry_id = b.id
                  AND x.meta ->> 'is_rollup' IS DISTINCT FROM 'true') AS kg
         FROM carbon_reports br
         JOIN carbon_projects p ON p.id = br.carbon_project_id AND p.carbon_report_type = 'Calculator'
         JOIN carbon_report_modules bm ON bm.carbon_report_id = br.id AND bm.module_type_id = m.module_type_id
         JOIN data_entries b ON b.carbon_report_module_id = bm.id AND b.data_entry_type_id = e.data_entry_type_id
        WHERE br.unit_id = r.unit_id
          AND br.year = coalesce(r.reference_year, r.year - 1)
          -- Only simulated entries have the key. This does not read the table, so it is decided before
          -- the rest is looked up. The text is searched first: that is cheap, and ->> fails on a NUL
          -- character anywhere in the data.
          AND CASE WHEN e.data::text LIKE '%percentage_of_last_year%'
                   THEN e.data ->> 'percentage_of_last_year' IS NOT NULL ELSE false END
        ORDER BY (b.data ->> 'user_institutional_id' = e.data ->> 'user_institutional_id') IS TRUE DESC,
                 (b.data ->> 'name' = e.data ->> 'name') IS TRUE DESC,
                 b.id
        LIMIT 1) base ON true
 WHERE e.data_entry_type_id = $1 AND m.module_type_id = $2 AND r.year = $3
   AND ($4::int[] IS NULL OR m.id = ANY ($4))
 ORDER BY e.id
   -- An entry that is deleted between FETCH and COPY would fail the job by the foreign key of its
   -- emissions. With this lock, taken as rows are fetched, a deletion waits for the end of the
   -- transaction, and a row that is deleted already is passed over. Editing goes on beside it: such
   -- a row is read as it was when the cursor was opened, and computed again by the run that was
   -- requested with the edit.
   FOR KEY SHARE OF e`

func openEntries(ctx context.Context, tx pgx.Tx, s slice) error {
	// The planner thinks that a cursor is left after a tenth of its rows; ours reads all of them.
	if _, err := tx.Exec(ctx, `SET LOCAL cursor_tuple_fraction = 1`); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, openEntriesQuery, s.args()...); err != nil {
		return fmt.Errorf("read entries: %w", err)
	}
	// The cursor is planned. What follows goes by id, page after page, while this transaction fills
	// the table: a plan from when it was empty would read all of it for every page.
	_, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = off`)
	return err
}

func (s slice) args() []any { return []any{s.entryType.ID, s.entryType.ModuleID, s.year, s.modules} }

// fetchEntries returns the next rows by ascending id, none at the end.
func fetchEntries(ctx context.Context, tx pgx.Tx, pageSize int) ([]entry, error) {
	// Described anew each time: a statement prepared for one cursor must not serve the next.
	rows, err := tx.Query(ctx, fmt.Sprintf("FETCH FORWARD %d FROM recalculated_entries", pageSize), pgx.QueryExecModeDescribeExec)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	page, err := pgx.CollectRows(rows, pgx.RowToStructByPos[entry])
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return page, nil
}

func closeEntries(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, "CLOSE recalculated_entries")
	return err
}
