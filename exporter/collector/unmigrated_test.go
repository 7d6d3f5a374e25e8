package collector_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"tidemark/exporter/collector"
	"tidemark/exporter/exportertest"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

// TestMetricsOfTheOriginalsOwnDatabase scrapes a database that Tidemark never touched, then
// the same after `migrate up`: the gauges are the same, but for what only a migrated
// database can know, and that is said.
func TestMetricsOfTheOriginalsOwnDatabase(t *testing.T) {
	t.Parallel()
	url := localtest.EmptyDatabase(t)
	pool := localtest.Connect(t, url)
	original, err := os.ReadFile("../../shared/postgres/testdata/original.sql")
	if err != nil {
		t.Fatal(err)
	}
	const reports = `
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) SELECT y, y, 1, 0 FROM generate_series(2024, 2025) y;
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT m, 0, y FROM generate_series(1, 9) m, generate_series(2024, 2025) y;
INSERT INTO data_ingestion_jobs (id, entity_type, ingestion_method, provider, is_current, job_type, module_type_id, year, state, result, finished_at) VALUES
    (101, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 7, 2024, 'FINISHED', 'SUCCESS', '2025-01-02 03:04:05+00'),
    (102, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 7, 2024, 'FINISHED', 'ERROR', '2025-01-03 03:04:05+00'),
    (103, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 7, 2024, 'NOT_STARTED', NULL, NULL),
    (104, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 8, 2024, 'FINISHED', 'WARNING', now()),
    (105, 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 9, 2024, 'FINISHED', 'ERROR', '2025-01-03 03:04:05+00')`
	for _, sql := range []string{string(original), reports} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	h := serve(collector.Options{Pool: pool, MaxScopeSeries: 100})
	_, before := exportertest.Get(h, "/metrics")
	for _, c := range []string{"stale", "pipelines", "jobs"} {
		if got := sample(before, `tidemark_collector_success{collector="`+c+`"}`); got != "1" {
			t.Errorf("success of %s is %q", c, got)
		}
	}
	// No marks are kept: nobody can say that nothing drifted.
	if strings.Contains(before, "tidemark_drifted_scopes ") {
		t.Error("drift is counted on a database that keeps no marks of changes")
	}
	if got := sample(before, "tidemark_drift_unknown_scopes"); got == "" || got == "0" {
		t.Errorf("tidemark_drift_unknown_scopes is %q", got)
	}
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	_, after := exportertest.Get(h, "/metrics")
	if got := sample(after, "tidemark_drifted_scopes"); got != "0" {
		t.Errorf("migrated: tidemark_drifted_scopes is %q", got)
	}
	// When a waiting job was asked for is known from the migration on.
	differs := regexp.MustCompile(`(?m)^.*(tidemark_drifted_scopes|pending_aggregation_stuck"[^}]*\} \d\.|tidemark_collector_duration|tidemark_snapshot_timestamp).*\n`)
	if b, a := differs.ReplaceAllString(ours(before), ""), differs.ReplaceAllString(ours(after), ""); a != b {
		t.Errorf("before:\n%s\nafter:\n%s", b, a)
	}
}
