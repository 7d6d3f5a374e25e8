package ledger

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/local/localtest"
)

// TestListReadsTheNewestJobsOnly looks at the plan on a long history: the first window must
// not read the jobs table as a whole.
func TestListReadsTheNewestJobsOnly(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	if _, err := pool.Exec(ctx, `
INSERT INTO pipelines (id, kind, status) SELECT gen_random_uuid(), 'csv_ingest', 'SUCCESS' FROM generate_series(1, 5000);
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, year, pipeline_id)
SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'emission_recalc', 'FINISHED', 'SUCCESS', 1 + n % 8, 2025, p.id
  FROM (SELECT id FROM pipelines) p, generate_series(1, 10) n;
ANALYZE`); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]PipelineFilter{"all": {}, "filtered": {Type: "emission_recalc", Year: new(2025), Text: "x"}, "of some modules": {Modules: []int{1}}} {
		f.Limit = 50
		rows, _ := pool.Query(ctx, "EXPLAIN "+keptTables+listPipelines, pgx.QueryExecModeDescribeExec, listArgs(f, 50_000-firstWindow, countTo+1))
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if plan := strings.Join(lines, "\n"); strings.Contains(plan, "Seq Scan on data_ingestion_jobs") || !strings.Contains(plan, "data_ingestion_jobs_pkey") {
			t.Errorf("%s: reads the whole of the jobs:\n%s", name, plan)
		}
	}
}
