package postgres_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

func TestMigrateEmptyDatabaseTwice(t *testing.T) {
	t.Parallel()
	ctx, url := context.Background(), localtest.EmptyDatabase(t)
	pool := localtest.Connect(t, url)

	var wrong *postgres.SchemaError
	if err := postgres.CheckSchema(ctx, pool); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "tidemark migrate up") {
		t.Fatalf("an empty database passes: %v", err)
	}
	files, err := filepath.Glob("migration/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	first, err := postgres.Migrate(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Applied) != len(files) || len(first.BuiltIndexes) != 2 {
		t.Fatalf("first run did %+v", first)
	}
	if err := postgres.CheckSchema(ctx, pool); err != nil {
		t.Fatal(err)
	}
	second, err := postgres.Migrate(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	if len(second.Applied) != 0 || len(second.BuiltIndexes) != 0 {
		t.Fatalf("second run did %+v", second)
	}
	steps, err := postgres.Migrations(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		if s.AppliedAt.IsZero() {
			t.Errorf("%s is pending", s.Name)
		}
	}
}

func TestMigrateStartedByManyAtOnce(t *testing.T) {
	t.Parallel()
	url := localtest.EmptyDatabase(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := postgres.Migrate(context.Background(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := postgres.CheckSchema(context.Background(), localtest.Connect(t, url)); err != nil {
		t.Error(err)
	}
}

// TestUpgradeOriginal migrates a database as the original application made it
// (testdata/original.sql), with rows of every kind.
func TestUpgradeOriginal(t *testing.T) {
	t.Parallel()
	ctx, url := context.Background(), localtest.EmptyDatabase(t)
	pool := localtest.Connect(t, url)
	ddl, err := os.ReadFile("testdata/original.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, string(ddl)); err != nil {
		t.Fatal(err)
	}
	// The original's columns of every row, before and after.
	const columns = `SELECT string_agg(j::text, E'\n' ORDER BY id) FROM (
		SELECT entity_type, entity_id, module_type_id, data_entry_type_id, year, target_type, ingestion_method, provider,
		       state, result, status_message, meta, id, is_current, locked_by, locked_at, started_at, finished_at,
		       attempts, max_attempts, run_after, pipeline_id, job_type FROM data_ingestion_jobs) j`
	var before, after string
	if err := pool.QueryRow(ctx, columns).Scan(&before); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := postgres.Migrate(ctx, url); err != nil {
			t.Fatal(err)
		}
	}
	if err := pool.QueryRow(ctx, columns).Scan(&after); err != nil {
		t.Fatal(err)
	}
	if before != after {
		t.Errorf("rows changed:\n%s\nwas\n%s", after, before)
	}
	if err := postgres.CheckSchema(ctx, pool); err != nil {
		t.Error(err)
	}
	var dated, undated int
	if err := pool.QueryRow(ctx, `SELECT count(*) FILTER (WHERE requested_at IS NOT NULL AND state = 'NOT_STARTED'),
		count(*) FILTER (WHERE requested_at IS NULL AND state = 'FINISHED') FROM data_ingestion_jobs`).Scan(&dated, &undated); err != nil {
		t.Fatal(err)
	}
	if dated != 1 || undated != 3 {
		t.Errorf("requested_at: %d waiting rows dated (want 1), %d finished rows undated (want 3)", dated, undated)
	}
	// The original's own insert, which names none of our columns, still works.
	if _, err := pool.Exec(ctx, `INSERT INTO data_ingestion_jobs
		(entity_type, ingestion_method, provider, is_current, state, job_type, module_type_id, year)
		VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'NOT_STARTED', 'aggregation', 6, 2025)`); err != nil {
		t.Error(err)
	}
}

func TestMigrateReportsRowsThatBreakTheIndex(t *testing.T) {
	t.Parallel()
	ctx, url := context.Background(), localtest.EmptyDatabase(t)
	pool := localtest.Connect(t, url)
	ddl, err := os.ReadFile("testdata/original.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, string(ddl)+`
		DROP INDEX uq_aggregation_active;
		INSERT INTO data_ingestion_jobs (id, entity_type, ingestion_method, provider, is_current, state, job_type, module_type_id, year)
		VALUES (901, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'NOT_STARTED', 'aggregation', 7, 2025),
		       (902, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'QUEUED', 'aggregation', 7, 2025)`); err != nil {
		t.Fatal(err)
	}
	_, err = postgres.Migrate(ctx, url)
	var conflict *postgres.ConflictError
	if !errors.As(err, &conflict) || len(conflict.Conflicts) != 1 {
		t.Fatalf("got %v", err)
	}
	want := postgres.Conflict{Index: "uq_aggregation_active", Scope: "module_type_id=7, year=2025", State: "waiting", Jobs: "901, 902"}
	if conflict.Conflicts[0] != want {
		t.Errorf("got %+v, want %+v", conflict.Conflicts[0], want)
	}
	var rows int
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM data_ingestion_jobs WHERE id IN (901, 902) AND state <> 'FINISHED'`).Scan(&rows); err != nil || rows != 2 {
		t.Errorf("the reported rows were touched: %d left, %v", rows, err)
	}
}

func TestCheckSchemaRefusesWrongIndex(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ change, want string }{
		"missing":         {`DROP INDEX uq_aggregation_active`, "uq_aggregation_active is missing"},
		"not unique":      {`DROP INDEX uq_aggregation_active; CREATE INDEX uq_aggregation_active ON data_ingestion_jobs (module_type_id)`, "not a valid unique index"},
		"the original's":  {`DROP INDEX uq_aggregation_active; CREATE UNIQUE INDEX uq_aggregation_active ON data_ingestion_jobs (module_type_id, year) WHERE job_type = 'aggregation' AND state IN ('NOT_STARTED','QUEUED','RUNNING')`, "is on (module_type_id, year)"},
		"wider predicate": {`DROP INDEX uq_emission_recalc_active; CREATE UNIQUE INDEX uq_emission_recalc_active ON data_ingestion_jobs (module_type_id, data_entry_type_id, year, (state = 'RUNNING')) WHERE job_type = 'emission_recalc'`, "holds where"},
		"old version":     {`DELETE FROM tidemark_schema_version WHERE version_id >= 3`, "the schema is at version 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, url := context.Background(), localtest.Database(t)
			pool := localtest.Connect(t, url)
			if _, err := pool.Exec(ctx, c.change); err != nil {
				t.Fatal(err)
			}
			err := postgres.CheckSchema(ctx, pool)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "tidemark migrate up") {
				t.Fatalf("got %v, want %q and the command", err, c.want)
			}
			if _, err := postgres.Migrate(ctx, url); err != nil {
				t.Fatalf("the command it names does not repair it: %v", err)
			}
			if err := postgres.CheckSchema(ctx, pool); err != nil {
				t.Errorf("after the repair: %v", err)
			}
		})
	}
}

func TestConnectNamesTheSetting(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "postgres://u:secret@host:notaport/db"} {
		_, err := postgres.Connect(context.Background(), postgres.Options{URL: url})
		if err == nil || !strings.Contains(err.Error(), "TIDEMARK_DATABASE_URL") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
}
