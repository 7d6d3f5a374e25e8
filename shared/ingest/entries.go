package ingest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

const entryNextStep = "correct them, or leave them out with --skip-bad-rows"

// Entries loads activity data of one type and year. The report modules that the
// units need for it are created where they are missing.
func Entries(ctx context.Context, db Database, o Options) (Report, error) {
	if err := o.checkScope(); err != nil {
		return Report{}, err
	}
	f, err := open(o)
	if err != nil {
		return Report{}, err
	}
	defer f.close()
	known, err := loadKnown(ctx, db, o)
	if err != nil {
		return Report{}, err
	}
	l := entryLoad{Options: o, file: f, format: entryFormat(o.DataEntryType, known), units: map[string]bool{}}
	if err := l.judge(ctx); err != nil {
		return Report{}, err
	}
	var report Report
	err = postgres.InTx(ctx, db, attempts, func(tx pgx.Tx) (err error) {
		report, err = l.write(ctx, tx)
		return err
	})
	if err != nil {
		return Report{}, err
	}
	refreshStatistics(ctx, db, report)
	return report, nil
}

// entryLoad is a load of entries between its two passes.
type entryLoad struct {
	Options
	file   *file
	format format[entryRow]

	verdict verdict
	// units are those of the good rows.
	units map[string]bool
	// doubts are good rows that cannot be computed yet; doubtful counts them.
	doubts   findings
	doubtful int
}

func (l *entryLoad) judge(ctx context.Context) (err error) {
	l.verdict, err = judge(ctx, l.file, l.format, l.SkipBadRows, entryNextStep, func(r *rows[entryRow], row entryRow) {
		l.units[row.UnitInstitutionalID] = true
		if len(row.doubts) > 0 {
			l.doubtful++
		}
		for _, d := range row.doubts {
			l.doubts.add(r.locate(d, r.cells))
		}
	})
	return err
}

// write is the transaction.
func (l *entryLoad) write(ctx context.Context, tx pgx.Tx) (Report, error) {
	r := Report{Rows: l.verdict.good + l.verdict.bad, Inserted: l.verdict.good, Skipped: l.verdict.bad,
		SkippedRows: l.verdict.problems.rows, Warnings: l.doubts.rows, WarningCount: l.doubts.total}
	if err := lock(ctx, tx, lockName(job.CSVIngest, l.Options)); err != nil {
		return r, err
	}
	if l.DataEntryType.NeedsAirports() {
		if err := share(ctx, tx, airportLock); err != nil {
			return r, err
		}
	}
	places, err := l.places(ctx, tx, &r)
	if err != nil {
		return r, err
	}
	if l.Replace {
		if r.Deleted, err = deleteLoaded(ctx, tx, l.Options); err != nil {
			return r, err
		}
	}
	r.Message = l.message(r)
	if err := record(ctx, tx, l.Options, job.CSVIngest, &r); err != nil {
		return r, err
	}
	if err := l.copyEntries(ctx, tx, r.JobID, places); err != nil {
		return r, err
	}
	return r, request(ctx, tx, l.Options, &r, l.scope())
}

func (l *entryLoad) places(ctx context.Context, tx pgx.Tx, r *Report) (_ map[string]place, err error) {
	ids := slices.Sorted(maps.Keys(l.units))
	if l.CreateUnits {
		if r.UnitsCreated, err = createUnits(ctx, tx, ids); err != nil {
			return nil, err
		}
	}
	return findPlaces(ctx, tx, l.Options, ids)
}

func (l *entryLoad) message(r Report) string {
	s := fmt.Sprintf("%s of %s loaded", counted(r.Inserted, "entry", "entries"), counted(len(l.units), "unit", "units"))
	if l.Replace {
		s += fmt.Sprintf(", %d replaced", r.Deleted)
	}
	first := ""
	if r.Skipped > 0 {
		s += fmt.Sprintf(", %s skipped", counted(r.Skipped, "row", "rows"))
		first = describe(r.SkippedRows[0])
	}
	if l.doubtful > 0 {
		s += fmt.Sprintf(", %s cannot be computed yet", counted(l.doubtful, "entry", "entries"))
		if first == "" {
			first = describe(r.Warnings[0])
		}
	}
	if first != "" {
		s += "; first: " + first
	}
	return s
}

func describe(e RowError) string { return fmt.Sprintf("line %d: %s", e.Line, e.finding()) }

var entryColumns = []string{"data_entry_type_id", "carbon_report_module_id", "data", "status", "year", "unit_id", "source", "created_by_id", "created_at", "updated_at"}

// sourceCSV marks what a file per year brought in, in data_entries.source.
const sourceCSV = 1

// copyEntries streams the good rows into data_entries.
func (l *entryLoad) copyEntries(ctx context.Context, tx pgx.Tx, jobID int64, places map[string]place) error {
	// COPY is binary, for which pgx has to be told of an enum.
	status, err := tx.Conn().LoadType(ctx, "dataentrystatusenum")
	if err != nil {
		return fmt.Errorf("load entries: %w", err)
	}
	tx.Conn().TypeMap().RegisterType(status)
	var now time.Time // The columns hold UTC without saying so.
	if err := tx.QueryRow(ctx, `SELECT now() AT TIME ZONE 'UTC'`).Scan(&now); err != nil {
		return fmt.Errorf("load entries: %w", err)
	}
	return copyRows(ctx, tx, l.file, l.format, l.verdict, "data_entries", entryColumns, func(row entryRow) ([]any, error) {
		to, ok := places[row.UnitInstitutionalID]
		if !ok {
			return nil, l.file.changed()
		}
		return []any{l.DataEntryType.ID, to.module, row.Data, "PENDING", l.Year, to.unit, sourceCSV, jobID, now, now}, nil
	})
}
