package ledger

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/local/localtest"
)

// TestFinishDoesNotReadTheHistory looks at the plans on a long history: what settles the
// pipelines of a job, at the end of every run, and what shows them must not read the jobs as a whole.
func TestFinishDoesNotReadTheHistory(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	if _, err := pool.Exec(ctx, `
INSERT INTO pipelines (id, kind, status) SELECT gen_random_uuid(), 'csv_ingest', 'SUCCESS' FROM generate_series(1, 3000);
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, year, pipeline_id)
SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'emission_recalc', 'FINISHED', 'SUCCESS', 1 + n % 8, 2025, p.id
  FROM (SELECT id FROM pipelines) p, generate_series(1, 10) n;
INSERT INTO pipeline_joins (pipeline_id, job_id) SELECT id, 7 FROM pipelines ON CONFLICT DO NOTHING;
ANALYZE`); err != nil {
		t.Fatal(err)
	}
	var some []uuid.UUID
	if err := pool.QueryRow(ctx, `SELECT ARRAY(SELECT id FROM pipelines LIMIT 20)`).Scan(&some); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		query string
		args  pgx.StrictNamedArgs
	}{
		"lock":    {lockPipelines, pgx.StrictNamedArgs{"job": 12}},
		"tally":   {tallyPipelines, pgx.StrictNamedArgs{"pipelines": some}},
		"members": {membersOf, pgx.StrictNamedArgs{"pipelines": some}},
	} {
		rows, _ := pool.Query(ctx, "EXPLAIN "+c.query, c.args)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if plan := strings.Join(lines, "\n"); strings.Contains(plan, "Seq Scan on data_ingestion_jobs") {
			t.Errorf("%s: reads the whole of the jobs:\n%s", name, plan)
		}
	}
}
