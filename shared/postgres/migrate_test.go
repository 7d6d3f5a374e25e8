package postgres_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
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

// TestDataEntryTypesAreTheCatalogues: the triggers on factors know the module of each type.
func TestDataEntryTypesAreTheCatalogues(t *testing.T) {
	t.Parallel()
	rows, err := localtest.Pool(t).Query(t.Context(), `SELECT data_entry_type_id, module_type_id FROM data_entry_types`)
	if err != nil {
		t.Fatal(err)
	}
	kept, want := map[int]int{}, map[int]int{}
	var id, module int
	if _, err := pgx.ForEachRow(rows, []any{&id, &module}, func() error { kept[id] = module; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, c := range catalog.DataEntryTypes() {
		want[c.ID] = c.ModuleID
		if c.NeedsAirports() && c.ModuleID != 2 {
			t.Errorf("%s needs airports: tidemark_locations_changed must mark module %d", c.Name, c.ModuleID)
		}
	}
	if !maps.Equal(kept, want) {
		t.Errorf("the database has %v, the catalogue %v: a new type needs a migration", kept, want)
	}
}

// TestWritersNeedNoRightsOnOurTables: the original's role owns nothing of Tidemark's, and its
// writes must not fail for that.
func TestWritersNeedNoRightsOnOurTables(t *testing.T) {
	t.Parallel()
	ctx, pool := t.Context(), localtest.Pool(t)
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	if _, err := tx.Exec(ctx, `
CREATE ROLE original;
GRANT ALL ON units, carbon_projects, carbon_reports, carbon_report_modules, data_entries, data_entry_emissions, factors, locations, data_ingestion_jobs, pipelines TO original;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO original;
SET ROLE original;
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) VALUES (1, 2025, 1, 0);
INSERT INTO carbon_report_modules (id, module_type_id, status, carbon_report_id) VALUES (1, 2, 0, 1);
INSERT INTO data_entries (id, data_entry_type_id, carbon_report_module_id, data, created_at, updated_at) VALUES (1, 20, 1, '{}', now(), now());
UPDATE data_entries SET data = '{"a": 1}';
INSERT INTO factors (id, emission_type_id, data_entry_type_id, classification, "values", year) VALUES (1, 50101, 20, '{}', '{}', 2025);
INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, primary_factor_id, kg_co2eq, computed_at) VALUES (1, 50101, 1, 1, now());
INSERT INTO data_ingestion_jobs (id, entity_type, ingestion_method, provider, is_current, job_type, state, module_type_id, year)
VALUES (1, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 'RUNNING', 2, 2025);
UPDATE data_ingestion_jobs SET state = 'FINISHED', result = 'SUCCESS', finished_at = now();
DELETE FROM data_ingestion_jobs;
DELETE FROM factors;
DELETE FROM data_entries;
DELETE FROM carbon_report_modules;
RESET ROLE`); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `SET ROLE original; SELECT tidemark_count_scopes()`); postgres.Code(err) != "42501" {
		t.Errorf("the role may count scopes: %v", err)
	}
}
