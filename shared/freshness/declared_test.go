package freshness_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/freshness"
	"tidemark/shared/local/localtest"
)

// scopes spells the declared scopes of a snapshot.
func scopes(s freshness.Snapshot) (text string) {
	for _, scope := range s.Scopes {
		text += fmt.Sprintf("%d:%d ", scope.ModuleType, scope.Year)
	}
	return text
}

// declared says which scopes there are in plain SQL.
func declared(t testing.TB, pool *pgxpool.Pool) (text string) {
	t.Helper()
	err := pool.QueryRow(t.Context(), `
SELECT coalesce(string_agg(s, '' ORDER BY m, y), '')
  FROM (SELECT DISTINCT m.module_type_id AS m, r.year AS y, m.module_type_id || ':' || r.year || ' ' AS s
          FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id) d`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestDeclaredScopesFollowEveryChange changes reports in every way there is, beside writers
// that are rolled back and foldings that run all the time.
func TestDeclaredScopesFollowEveryChange(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	exec(t, pool, `
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) SELECT y, y, 1, 0 FROM generate_series(2020, 2029) y;
INSERT INTO carbon_report_modules (id, module_type_id, status, carbon_report_id) SELECT 1000 + 10 * y + m, m, 0, 2020 + y FROM generate_series(0, 9) y, generate_series(1, 3) m`)
	for _, change := range []string{
		`SELECT 1`,
		`DELETE FROM carbon_report_modules WHERE carbon_report_id = 2020`,
		`DELETE FROM carbon_report_modules WHERE id = 1011`,
		`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (1, 0, 2021), (7, 0, 2021)`,
		`UPDATE carbon_report_modules SET module_type_id = 8 WHERE id = 1021`,
		`UPDATE carbon_report_modules SET carbon_report_id = 2020 WHERE id IN (1031, 1032, 1033)`,
		`UPDATE carbon_reports SET year = 2040 WHERE id = 2024`,
		`UPDATE carbon_reports SET year = 2041 WHERE id IN (2024, 2025)`,
		`WITH gone AS (DELETE FROM carbon_report_modules WHERE carbon_report_id = 2026) DELETE FROM carbon_reports WHERE id = 2026`,
		`BEGIN; DELETE FROM carbon_report_modules; ROLLBACK`,
		`BEGIN; INSERT INTO carbon_reports (id, year, unit_id, overall_status) VALUES (9, 2050, 1, 0); INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (4, 0, 9); COMMIT`,
		`SELECT tidemark_count_scopes()`,
		`TRUNCATE carbon_report_modules CASCADE`,
		`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (5, 0, 2021)`,
		`DELETE FROM carbon_report_modules`,
	} {
		exec(t, pool, change)
		want := declared(t, pool)
		if got := scopes(snapshot(t, pool)); got != want {
			t.Errorf("%s: %s, want %s", change, got, want)
		}
		if err := freshness.Compact(t.Context(), pool); err != nil {
			t.Fatal(err)
		}
		if got := scopes(snapshot(t, pool)); got != want {
			t.Errorf("%s, folded: %s, want %s", change, got, want)
		}
	}
	var lines int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM declared_scopes`).Scan(&lines); err != nil || lines != 0 {
		t.Errorf("%d lines (%v) are left of nothing", lines, err)
	}
}

// TestDeclaredScopesBesideFolding lets writers, foldings and counts run at once; in the end
// the lines say exactly what there is.
func TestDeclaredScopesBesideFolding(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	declare(t, pool, 2025)
	var writers, folders sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 40 {
				sql := fmt.Sprintf(`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (%d, 0, 1)`, 100*w+i)
				if i%3 == 2 {
					sql = fmt.Sprintf(`DELETE FROM carbon_report_modules WHERE module_type_id = %d`, 100*w+i-1)
				}
				if _, err := pool.Exec(ctx, sql); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	for f := range 3 {
		folders.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				err := freshness.Compact(ctx, pool)
				if f == 0 {
					_, err = pool.Exec(ctx, `SELECT tidemark_count_scopes()`)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	folders.Wait()
	if got, want := scopes(snapshot(t, pool)), declared(t, pool); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var wrong int
	err := pool.QueryRow(ctx, `
SELECT count(*) FROM (SELECT module_type_id, year, sum(report_modules) AS n FROM declared_scopes GROUP BY 1, 2) d
  FULL JOIN (SELECT m.module_type_id, r.year, count(*) AS n FROM carbon_report_modules m JOIN carbon_reports r ON r.id = m.carbon_report_id GROUP BY 1, 2) c
       USING (module_type_id, year)
 WHERE d.n IS DISTINCT FROM c.n AND coalesce(d.n, 0) <> coalesce(c.n, 0)`).Scan(&wrong)
	if err != nil || wrong != 0 {
		t.Errorf("%d scopes with a wrong count (%v)", wrong, err)
	}
}
