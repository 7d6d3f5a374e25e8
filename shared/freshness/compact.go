package freshness

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/postgres"
)

// tryCompacting keeps two foldings, or a folding and a count (00005_freshness.sql), apart. Who
// does not get the lock leaves the work to who has it.
const tryCompacting = `SELECT pg_try_advisory_xact_lock(1953064293, 0)`

// foldDeclared replaces the lines of each scope that has several by one with their sum, or by none.
const foldDeclared = `
WITH gone AS (
    DELETE FROM declared_scopes d
     USING (SELECT module_type_id, year FROM declared_scopes GROUP BY 1, 2 HAVING count(*) > 1) AS several
     WHERE d.module_type_id = several.module_type_id AND d.year = several.year
    RETURNING d.module_type_id, d.year, d.report_modules)
INSERT INTO declared_scopes
SELECT module_type_id, year, sum(report_modules) FROM gone GROUP BY 1, 2 HAVING sum(report_modules) <> 0`

// Compact folds the lines that say how many report modules a scope has, so that a look at the
// scopes does not grow with the number of statements that ever added one. It makes no
// writer wait and changes no answer; it may run at any time, and need not.
func Compact(ctx context.Context, db postgres.Beginner) error {
	err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		var alone bool
		if err := tx.QueryRow(ctx, tryCompacting).Scan(&alone); err != nil || !alone {
			return err
		}
		_, err := tx.Exec(ctx, foldDeclared)
		return err
	})
	if err != nil {
		return fmt.Errorf("fold the count of report modules: %w", err)
	}
	return nil
}
