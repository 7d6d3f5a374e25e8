package freshness_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tidemark/shared/freshness"
)

// db is what fixtures write through: a pool, a connection or a transaction.
type db interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// exec runs SQL, several statements at once when there are no arguments.
func exec(t testing.TB, db db, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

// declare makes one report of the year with these modules.
func declare(t testing.TB, db db, year int, modules ...int) {
	t.Helper()
	exec(t, db, `
WITH unit AS (
    INSERT INTO units (provider, institutional_code, name, level, is_active)
    SELECT 'DEFAULT', 'u' || count(*), 'unit', 4, true FROM units RETURNING id
), report AS (
    INSERT INTO carbon_reports (year, unit_id, overall_status) SELECT $1, id, 0 FROM unit RETURNING id
)
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
SELECT m, 0, report.id FROM report, unnest($2::int[]) AS m`, year, modules)
}

// row is a job. Texts are SQL literals without quotes, "" is NULL; finished is
// the age in whole seconds, nil is NULL.
type row struct {
	jobType, state, result string
	module, year           int
	finished               *int
	pipeline               string
}

// insert writes a job and returns its id.
func insert(t testing.TB, db db, r row) (id int64) {
	t.Helper()
	err := db.QueryRow(t.Context(), `
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, result,
                                 module_type_id, year, finished_at, pipeline_id)
VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, nullif($1::text, ''), nullif($2::text, '')::ingestion_state_enum,
        nullif($3::text, '')::ingestion_result_enum, $4, $5, now() - make_interval(secs => $6), nullif($7::text, '')::uuid)
RETURNING id`, r.jobType, r.state, r.result, r.module, r.year, r.finished, r.pipeline).Scan(&id)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// pipeline writes a pipeline with this last digit and returns its uuid.
func pipeline(t testing.TB, db db, digit, kind string) string {
	t.Helper()
	id := "00000000-0000-4000-8000-00000000000" + digit
	exec(t, db, `INSERT INTO pipelines (id, kind) VALUES ($1, nullif($2::text, ''))`, id, kind)
	return id
}

// snapshot takes one or ends the test.
func snapshot(t testing.TB, db db) freshness.Snapshot {
	t.Helper()
	s, err := freshness.TakeSnapshot(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
