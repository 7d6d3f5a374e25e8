package doctor_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/doctor"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

// verdicts reads and examines; it returns the results by id.
func verdicts(t *testing.T, o doctor.Options) map[string]doctor.Result {
	t.Helper()
	o.Timeout = time.Minute
	by := map[string]doctor.Result{}
	for _, r := range doctor.Examine(doctor.Read(t.Context(), o)) {
		by[r.ID] = r
	}
	return by
}

// want fails unless each check is at the level.
func want(t *testing.T, got map[string]doctor.Result, level doctor.Level, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if r := got[id]; r.Level != level {
			t.Errorf("%s: %s %q, want %s", id, r.Level, r.Text, level)
		}
	}
}

func exec(t *testing.T, pool *pgxpool.Pool, sql string) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// TestRead breaks a database and a Redis of its own in the ways that the checks are about.
func TestRead(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	rdb, err := signal.Connect(localtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	o := doctor.Options{Pool: pool, Redis: rdb}
	got := verdicts(t, o)
	want(t, got, doctor.OK, "database.reachable", "database.version", "database.primary", "schema.version", "schema.dedup_indexes", "schema.invalid_indexes",
		"schema.announcing", "schema.kept_triggers", "record.expired_leases", "record.unclaimed", "record.open_pipelines", "record.scopeless",
		"redis.reachable", "redis.primary", "redis.cluster", "redis.eviction", "queues.paused", "fleet.signals", "clock.database", "clock.redis")
	want(t, got, doctor.Failure, "fleet.workers", "fleet.schedulers", "queues.workers")
	want(t, got, doctor.Skipped, "prometheus.reachable", "prometheus.rules")

	// A job without a signal, an orphan on either side, a lost worker, a postponed job, one without a scope.
	record := ledger.New(ledger.DefaultMaxHold)
	err = pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		_, err := record.Start(t.Context(), tx, ledger.NewPipeline{Kind: job.Aggregation, ModuleType: 2, Year: 2025},
			ledger.Origin{Actor: "test", Via: ledger.ViaCLI, RequestID: "test"}, job.AggregationOf(2, 2025))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, pool, `
		UPDATE data_ingestion_jobs SET requested_at = now() - interval '20 minutes';
		UPDATE pipelines SET status = 'SUCCESS';
		INSERT INTO pipelines (id, kind, status, updated_at) VALUES (gen_random_uuid(), 'aggregation', 'RUNNING', now() - interval '1 hour');
		INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, module_type_id, year, state, lease_expires_at, run_after)
		VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 3, 2025, 'RUNNING', now() - interval '1 hour', NULL),
		       ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 4, 2025, 'NOT_STARTED', NULL, now() + interval '1 day'),
		       ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', NULL, 2025, 'NOT_STARTED', NULL, NULL)`)
	got = verdicts(t, o)
	want(t, got, doctor.Failure, "record.unclaimed", "record.expired_leases", "fleet.signals")
	want(t, got, doctor.Warning, "record.open_pipelines", "record.closed_pipelines", "record.postponed", "record.scopeless")
	if !strings.Contains(got["fleet.signals"].Text, "1 of 1 waiting jobs have no signal") {
		t.Error(got["fleet.signals"].Text)
	}
	waiting, err := record.Claimable(t.Context(), pool, job.Aggregation, 0, 0, 10)
	if err != nil || len(waiting) != 1 {
		t.Fatalf("%d jobs could be claimed (%v)", len(waiting), err)
	}
	if err := signal.NewSender(rdb).Send(t.Context(), waiting...); err != nil {
		t.Fatal(err)
	}
	want(t, verdicts(t, o), doctor.OK, "fleet.signals")

	exec(t, pool, `
		ALTER TABLE data_entries DISABLE TRIGGER tidemark_entries_inserted;
		DROP TRIGGER tidemark_announce_settled ON pipelines;
		DROP INDEX uq_aggregation_active`)
	got = verdicts(t, o)
	want(t, got, doctor.Failure, "schema.kept_triggers", "schema.dedup_indexes")
	want(t, got, doctor.Warning, "schema.announcing")
	for id, name := range map[string]string{"schema.kept_triggers": "tidemark_entries_inserted", "schema.dedup_indexes": "uq_aggregation_active", "schema.announcing": "tidemark_announce_settled"} {
		if !strings.HasSuffix(got[id].Text, name) && !strings.Contains(got[id].Text, name+" is missing") {
			t.Errorf("%s: %q does not name %s", id, got[id].Text, name)
		}
	}
}

// TestReadKnowsHowLongTheFleetHolds: an aggregation that is held for a recalculation is nobody's
// mistake, for as long as the fleet holds it.
func TestReadKnowsHowLongTheFleetHolds(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	exec(t, pool, `
		INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, module_type_id, data_entry_type_id, year, state, requested_at, lease_expires_at)
		VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 4, NULL, 2025, 'NOT_STARTED', now() - interval '20 minutes', NULL),
		       ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'emission_recalc', 4, 10, 2025, 'RUNNING', now() - interval '20 minutes', now() + interval '1 hour')`)
	want(t, verdicts(t, doctor.Options{Pool: pool, MaxHold: 25 * time.Minute}), doctor.OK, "record.unclaimed")
	want(t, verdicts(t, doctor.Options{Pool: pool, MaxHold: 10 * time.Minute}), doctor.Failure, "record.unclaimed")
}

// TestReadOfWhatIsNotMigrated: the checks that need our tables are skipped, one says why.
func TestReadOfWhatIsNotMigrated(t *testing.T) {
	t.Parallel()
	got := verdicts(t, doctor.Options{Pool: localtest.Connect(t, localtest.EmptyDatabase(t))})
	want(t, got, doctor.Failure, "schema.version")
	want(t, got, doctor.Skipped, "schema.kept_triggers", "record.marks", "redis.reachable", "queues.age", "clock.redis_database")
}

func TestReadOfServersThatAreAway(t *testing.T) {
	t.Parallel()
	pool, err := postgres.Connect(context.Background(), postgres.Options{URL: "postgres:///tidemark?host=" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rdb, err := signal.Connect("redis-socket://" + t.TempDir() + "/none.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	results := doctor.Examine(doctor.Read(t.Context(), doctor.Options{Pool: pool, Redis: rdb, PrometheusURL: "http://127.0.0.1:1", Timeout: time.Second}))
	for _, r := range results {
		reach := slices.Contains([]string{"database.reachable", "redis.reachable", "prometheus.reachable"}, r.ID)
		if r.Level == doctor.OK || reach != (r.Level == doctor.Failure) {
			t.Errorf("%s: %s %q", r.ID, r.Level, r.Text)
		}
	}
}

// TestReadPrometheus answers as Prometheus's API does.
func TestReadPrometheus(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"tidemark_collector_success": `{"resultType":"vector","result":[{"metric":{"collector":"stale","instance":"e:9877"},"value":[1,"0"]}]}`,
		"tidemark_build_info": `{"resultType":"vector","result":[{"metric":{"version":"1.0","instance":"e"},"value":[1,"1"]},
			{"metric":{"version":"1.1","instance":"w"},"value":[1,"1"]},{"metric":{"version":"1.0","instance":"s"},"value":[1,"1"]}]}`,
		"up ==": `{"resultType":"vector","result":[{"metric":{"job":"tidemark-fleet","instance":"w2"},"value":[1,"0"]}]}`,
		"/api/v1/rules": `{"groups":[{"rules":[{"name":"Other","query":"up == 0","health":"err"},{"name":"Stale","query":"tidemark_stale_scopes > 0","health":"ok"},
			{"name":"Sick","query":"rate(tidemark_scopes[5m])","health":"err"}]}]}`,
		"/api/v1/alertmanagers": `{"activeAlertmanagers":[],"droppedAlertmanagers":[{"url":"x"}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for key, data := range answers {
			if strings.HasPrefix(r.URL.Query().Get("query"), key) || strings.HasSuffix(r.URL.Path, key) {
				_, _ = w.Write([]byte(`{"status":"success","data":` + data + `}`))
				return
			}
		}
		http.Error(w, "not found", http.StatusNotFound)
	}))
	defer server.Close()
	pool := localtest.Pool(t)
	got := verdicts(t, doctor.Options{Pool: pool, PrometheusURL: server.URL + "/prefix/"})
	want(t, got, doctor.OK, "prometheus.reachable", "prometheus.exporters", "prometheus.fleet")
	want(t, got, doctor.Failure, "prometheus.collectors", "prometheus.targets", "prometheus.rules")
	want(t, got, doctor.Warning, "prometheus.versions", "prometheus.alertmanagers")
	if text := got["prometheus.rules"].Text; !strings.Contains(text, "Sick") || strings.Contains(text, "Other") {
		t.Errorf("prometheus.rules: %q", text)
	}
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	if r := verdicts(t, doctor.Options{Pool: pool, PrometheusURL: other.URL})["prometheus.reachable"]; r.Level != doctor.Failure || !strings.Contains(r.Text, "is not Prometheus's") {
		t.Errorf("another server: %s %q", r.Level, r.Text)
	}
}
