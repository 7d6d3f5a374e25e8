package freshness

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/local/localtest"
)

// TestCostDoesNotGrowWithHistory looks at the plans on a long history: no query may read
// the jobs or the reports as a whole, at 30,000 rows as little as at ten.
func TestCostDoesNotGrowWithHistory(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	if _, err := pool.Exec(ctx, `
INSERT INTO pipelines (id, kind) SELECT gen_random_uuid(), 'csv_ingest' FROM generate_series(1, 3000);
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) SELECT y, y, 1, 0 FROM generate_series(2020, 2025) y;
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
SELECT m, 0, y FROM generate_series(1, 8) m, generate_series(2020, 2025) y;
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, year, finished_at, pipeline_id)
SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 'FINISHED', 'SUCCESS', 1 + n % 8, 2020 + n / 8 % 6, now(), p.id
  FROM (SELECT id, row_number() OVER () AS k FROM pipelines) p, generate_series(1, 10) n;
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, module_type_id, year, pipeline_id)
SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 'NOT_STARTED', m, 2025, (SELECT id FROM pipelines LIMIT 1) FROM generate_series(1, 8) m;
INSERT INTO pipeline_joins (pipeline_id, job_id) SELECT pipeline_id, id FROM data_ingestion_jobs WHERE state = 'FINISHED';
ANALYZE`); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		query string
		args  []any
		// index is read this many times in the plan.
		index string
		times int
	}{
		"snapshot":         {snapshotQuery, nil, "ix_data_ingestion_jobs_standing", 1},
		"active pipelines": {activePipelinesQuery, []any{2025, []int{1, 2, 3}}, "ix_data_ingestion_jobs_active", 1},
		"pipeline kinds":   {activePipelineKindsQuery, nil, "ix_data_ingestion_jobs_active", 1},
		"active jobs":      {activeJobsQuery, nil, "ix_data_ingestion_jobs_active", 1},
	} {
		rows, _ := pool.Query(ctx, "EXPLAIN "+c.query, c.args...)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		if n := strings.Count(plan, c.index); n != c.times {
			t.Errorf("%s: uses %s %d times, want %d:\n%s", name, c.index, n, c.times, plan)
		}
		for _, table := range []string{"data_ingestion_jobs", "pipeline_joins", "pipelines", "carbon_report_modules", "carbon_reports"} {
			if strings.Contains(plan, "Seq Scan on "+table) {
				t.Errorf("%s: reads the whole of %s:\n%s", name, table, plan)
			}
		}
	}
}
