package emission

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
)

// entryPage is how many entries are computed, deleted and copied in one go: large
// enough that round trips do not count, small enough that a page fits in memory.
const entryPage = 5000

// Recalculate computes the emissions of one data entry type and year inside tx and
// replaces the stored ones. A nil filter takes every report module. progress counts
// entries. An entry that cannot be computed loses its emissions and is named in the
// outcome; if that is true of all entries, an error is returned.
func Recalculate(ctx context.Context, tx pgx.Tx, scope job.Scope, filter job.Filter, progress job.Progress) (job.Outcome, error) {
	outcome, err := recalculate(ctx, tx, scope, filter, progress, entryPage)
	if err != nil {
		return job.Outcome{}, fmt.Errorf("recalculate %s: %w", scope, err)
	}
	return outcome, nil
}

func recalculate(ctx context.Context, tx pgx.Tx, scope job.Scope, filter job.Filter, progress job.Progress, pageSize int) (job.Outcome, error) {
	slice, err := newSlice(scope, filter)
	if err != nil {
		return job.Outcome{}, err
	}
	calculator, err := loadCalculator(ctx, tx, slice)
	if err != nil {
		return job.Outcome{}, err
	}
	now, err := databaseNow(ctx, tx)
	if err != nil {
		return job.Outcome{}, err
	}
	total, err := countEntries(ctx, tx, slice)
	if err != nil {
		return job.Outcome{}, err
	}
	if err := openEntries(ctx, tx, slice); err != nil {
		return job.Outcome{}, err
	}
	var t tally
	for {
		page, err := fetchEntries(ctx, tx, pageSize)
		if err != nil {
			return job.Outcome{}, err
		}
		if len(page) == 0 {
			break
		}
		if err := replaceEmissions(ctx, tx, page, calculator, now, &t); err != nil {
			return job.Outcome{}, err
		}
		progress(t.entries(), max(total, t.entries()))
	}
	if err := closeEntries(ctx, tx); err != nil {
		return job.Outcome{}, err
	}
	return t.outcome()
}

// slice is what one recalculation works on.
type slice struct {
	entryType catalog.DataEntryType
	year      int
	// modules are the carbon_report_modules ids it is narrowed to; nil is all.
	modules []int32
}

func newSlice(scope job.Scope, filter job.Filter) (slice, error) {
	if scope.Type != job.EmissionRecalc {
		return slice{}, fmt.Errorf("job type %q is no recalculation", scope.Type)
	}
	t, ok := catalog.DataEntryTypeByID(scope.DataEntryType)
	if !ok {
		return slice{}, fmt.Errorf("data entry type %d is unknown", scope.DataEntryType)
	}
	if t.ModuleID != scope.ModuleType {
		return slice{}, fmt.Errorf("data entry type %s (%d) belongs to module type %d, not to %d", t.Name, t.ID, t.ModuleID, scope.ModuleType)
	}
	if err := t.CheckCalculated(); err != nil {
		return slice{}, err
	}
	return slice{entryType: t, year: scope.Year, modules: filter}, nil
}

// databaseNow is the one clock of the rows that a job writes.
func databaseNow(ctx context.Context, tx pgx.Tx) (now time.Time, err error) {
	err = tx.QueryRow(ctx, `SELECT now()`).Scan(&now)
	return now, err
}
