package freshness_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/local/localtest"
)

// TestEditAfterBulkStatements: a session keeps the plans of the triggers' statements. Those of
// bulk statements must not make a later edit of a single row read whole tables.
func TestEditAfterBulkStatements(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	exec(t, pool, `
INSERT INTO units (id, provider, institutional_code, name, level, is_active) SELECT u, 'DEFAULT', u, u, 4, true FROM generate_series(1, 400) u;
INSERT INTO carbon_reports (year, unit_id, overall_status) SELECT y, u, 0 FROM generate_series(2001, 2025) y, generate_series(1, 400) u;
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT 2, 0, id FROM carbon_reports;
INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, data, created_at, updated_at)
SELECT 20, m.id, '{}', now(), now() FROM carbon_report_modules m;
INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, kg_co2eq, computed_at) SELECT id, 50200, 1, now() FROM data_entries`)
	exec(t, pool, `VACUUM ANALYZE`)
	conn, err := pool.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, w := range []struct{ bulk, single string }{
		{`UPDATE data_entries SET updated_at = now()`, `UPDATE data_entries SET updated_at = now() WHERE id = 7`},
		{`UPDATE data_entry_emissions SET kg_co2eq = 2`, `UPDATE data_entry_emissions SET kg_co2eq = 3 WHERE id = 7`},
		{`DELETE FROM data_entry_emissions WHERE id > 5000`, `DELETE FROM data_entry_emissions WHERE id = 8`},
		{`INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, kg_co2eq, computed_at) SELECT id, 50200, 1, now() FROM data_entries`,
			`INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, kg_co2eq, computed_at) VALUES (9, 50200, 1, now())`},
		{`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT 3, 0, id FROM carbon_reports`,
			`INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) VALUES (4, 0, 1)`},
		{`DELETE FROM carbon_report_modules WHERE module_type_id = 3`, `DELETE FROM carbon_report_modules WHERE module_type_id = 4`},
	} {
		exec(t, conn, w.bulk)
		if n := scansOf(t, conn, w.single); n > 0 {
			t.Errorf("%s, after %s: reads tables as a whole, %d times", w.single, w.bulk, n)
		}
	}
}

// scansOf counts how often a statement, with its triggers, reads one of the large tables as a whole.
func scansOf(t *testing.T, conn *pgxpool.Conn, statement string) int {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	scans := func() (n int) {
		const count = `SELECT coalesce(sum(seq_scan), 0) FROM pg_stat_xact_user_tables
			WHERE relname IN ('carbon_reports', 'carbon_report_modules', 'data_entries', 'data_entry_emissions')`
		if err := tx.QueryRow(t.Context(), count).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := scans()
	exec(t, tx, statement)
	return scans() - before
}
