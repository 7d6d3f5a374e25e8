package freshness

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/local/localtest"
)

// TestRecalculationsReadNoHistory looks at the plan on a long history.
func TestRecalculationsReadNoHistory(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	if _, err := pool.Exec(ctx, `
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, target_type, provider, is_current, job_type, state, result, module_type_id, data_entry_type_id, year)
SELECT 'MODULE_PER_YEAR', 'computed', 'DATA_ENTRIES', 'DEFAULT', false, 'emission_recalc', 'FINISHED', 'SUCCESS', 1 + n % 8, 10 + n % 50, 2020 + n % 6 FROM generate_series(1, 30000) n;
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, target_type, provider, is_current, job_type, state, result, module_type_id, data_entry_type_id, year)
SELECT 'MODULE_PER_YEAR', 'csv', 'FACTORS', 'DEFAULT', false, 'factor_ingest', 'FINISHED', 'SUCCESS', 2, 20, 2020 + n % 6 FROM generate_series(1, 60) n;
ANALYZE`); err != nil {
		t.Fatal(err)
	}
	rows, _ := pool.Query(ctx, "EXPLAIN "+recalculationsQuery, pgx.StrictNamedArgs{"year": 2025, "modules": []int{2}, "types": []int{20}})
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	for _, index := range []string{"ix_data_ingestion_jobs_factors", "ix_data_ingestion_jobs_latest_computed", "ix_data_ingestion_jobs_active"} {
		if !strings.Contains(plan, index) {
			t.Errorf("does not use %s:\n%s", index, plan)
		}
	}
	if strings.Contains(plan, "Seq Scan on data_ingestion_jobs") {
		t.Errorf("reads the whole of the jobs:\n%s", plan)
	}
}
