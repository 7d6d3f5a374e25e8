package overview

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/local/localtest"
)

// TestCostDoesNotGrowWithHistory looks at the plan on a long history: no part of it may read the
// jobs as a whole.
func TestCostDoesNotGrowWithHistory(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	if _, err := pool.Exec(ctx, `
INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, data_entry_type_id, year, finished_at)
SELECT 'MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', false, CASE n % 2 WHEN 0 THEN 'aggregation' ELSE 'emission_recalc' END, 'FINISHED', 'SUCCESS',
       1 + n / 2 % 8, CASE n % 2 WHEN 1 THEN 20 END, 2020 + n / 16 % 6, now()
  FROM generate_series(1, 30000) n;
ANALYZE`); err != nil {
		t.Fatal(err)
	}
	var modules, years []int
	for m := range 8 {
		for y := range 6 {
			modules, years = append(modules, 1+m), append(years, 2020+y)
		}
	}
	rows, _ := pool.Query(ctx, "EXPLAIN "+keptJobsQuery, pgx.StrictNamedArgs{"message": maxMessage, "modules": modules, "years": years, "failed_modules": modules, "failed_years": years})
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	if strings.Contains(plan, "Seq Scan on data_ingestion_jobs") {
		t.Errorf("it reads all jobs:\n%s", plan)
	}
	for _, index := range []string{"ix_data_ingestion_jobs_active", "ix_data_ingestion_jobs_latest_computed", "ix_data_ingestion_jobs_latest_aggregation"} {
		if !strings.Contains(plan, index) {
			t.Errorf("it does not use %s:\n%s", index, plan)
		}
	}
}
