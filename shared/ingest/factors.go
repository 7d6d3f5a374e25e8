package ingest

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

const referenceNextStep = "correct them and load the file again"

// Factors loads the emission factors of one type and year. A factor is known by its
// emission type and classification: known ones get the values of the file, others are
// added, and none is ever deleted.
func Factors(ctx context.Context, db Database, o Options) (Report, error) {
	if err := o.checkScope(); err != nil {
		return Report{}, err
	}
	f, err := open(o)
	if err != nil {
		return Report{}, err
	}
	defer f.close()
	format := factorFormat(o.DataEntryType)
	v, err := judge(ctx, f, format, false, referenceNextStep, func(*rows[catalog.FactorRow], catalog.FactorRow) {})
	if err != nil {
		return Report{}, err
	}
	var r Report
	err = postgres.InTx(ctx, db, attempts, func(tx pgx.Tx) error {
		r = Report{Rows: v.good, Result: job.Success}
		if err := lock(ctx, tx, lockName(job.FactorIngest, o)); err != nil {
			return err
		}
		if err := stageFactors(ctx, tx, f, format, v); err != nil {
			return err
		}
		if err := compareFactors(ctx, tx, o, &r); err != nil {
			return err
		}
		r.Message = factorMessage(r, o.Year)
		if r.Inserted+r.Updated == 0 {
			return nil
		}
		if err := record(ctx, tx, o, job.FactorIngest, &r); err != nil {
			return err
		}
		if err := mergeFactors(ctx, tx, o, r.JobID); err != nil {
			return err
		}
		return request(ctx, tx, o, &r, o.scope())
	})
	if err != nil {
		return Report{}, err
	}
	return r, nil
}

func factorMessage(r Report, year int) string {
	s := fmt.Sprintf("%s: %d new, %d changed, %d unchanged", counted(r.Rows, "factor", "factors"), r.Inserted, r.Updated, r.Unchanged)
	if r.Absent > 0 {
		s += fmt.Sprintf("; %d more of %d not in the file, still usable", r.Absent, year)
	}
	return s
}

// factorFormat is the factor file of a data entry type.
func factorFormat(t catalog.DataEntryType) format[catalog.FactorRow] {
	return func(r *reader) (parser[catalog.FactorRow], error) {
		p, err := t.FactorParser(r.header)
		if err != nil {
			return nil, err
		}
		// The catalog writes equal classifications as equal texts.
		type identity struct {
			emissionType   int
			classification string
		}
		lines := map[identity]int{}
		return func(cells []string) (catalog.FactorRow, []catalog.FieldError) {
			row, wrong := p.ParseRow(cells)
			if len(wrong) > 0 {
				return row, wrong
			}
			id := identity{row.EmissionTypeID, string(row.Classification)}
			if first, ok := lines[id]; ok {
				return row, []catalog.FieldError{{Reason: fmt.Sprintf("line %d has a factor with the same classification %s", first, row.Classification)}}
			}
			lines[id] = r.last
			return row, nil
		}, nil
	}
}
