package ingest

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// manyRows is from how many rows on a load refreshes the planner's statistics: with fewer, a
// plan made for a smaller table does no harm.
const manyRows = 10_000

const analyzeEntries = `ANALYZE units, carbon_reports, carbon_report_modules, data_entries`

// refreshStatistics tells the planner of a large load. The recalculation that it requested
// begins at once, minutes before the server would look by itself, and with a plan for an
// empty table half a million entries take twice as long. After the commit, so that loads
// need not wait for each other's lock, and before the signal. Its failure is not the
// load's: a role that does not own the tables may not do it.
func refreshStatistics(ctx context.Context, db Database, r Report) {
	if r.Inserted+r.Deleted < manyRows {
		return
	}
	_ = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, analyzeEntries)
		return err
	})
}
