package freshness

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

const declaredYearsQuery = `
SELECT DISTINCT r.year
  FROM carbon_report_modules m
  JOIN carbon_reports r ON r.id = m.carbon_report_id
 WHERE m.module_type_id = @module
 ORDER BY r.year`

// DeclaredYears returns the years for which some report has this module type, ascending. A
// computation of any other year would succeed over nothing.
func DeclaredYears(ctx context.Context, q postgres.Querier, moduleType int) ([]int, error) {
	rows, err := q.Query(ctx, declaredYearsQuery, pgx.StrictNamedArgs{"module": moduleType})
	if err != nil {
		return nil, fmt.Errorf("look for reports with module type %d: %w", moduleType, err)
	}
	years, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, fmt.Errorf("look for reports with module type %d: %w", moduleType, err)
	}
	return years, nil
}
