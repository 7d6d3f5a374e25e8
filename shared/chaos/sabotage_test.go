package chaos

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/shared/chaos/verdict"
)

// sabotage does to the record what a broken component would. Each is tried until it has hit
// something; the verdict must tell each by itself.
var sabotage = []struct {
	bug, statement string
	kind           verdict.Kind
	what           string
}{
	{"new emissions are added to the old ones", `
CREATE FUNCTION observer.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep BEFORE DELETE ON data_entry_emissions FOR EACH ROW EXECUTE FUNCTION observer.keep()`,
		verdict.Doubled, "emissions"},
	{"a worker that lost its job writes all the same", `
SET application_name = 'tidemark-lost-1-0123456789abcdef';
INSERT INTO data_entry_emissions (data_entry_id, emission_type_id, kg_co2eq, computed_at)
SELECT id, 70200, 1, now() FROM data_entries WHERE data_entry_type_id = 50 LIMIT 1`,
		verdict.StaleWrite, "which holds no job of that scope"},
	{"nothing wakes a worker for a job any more", `
CREATE FUNCTION observer.postpone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.run_after := ''2100-01-01''; RETURN NEW; END';
CREATE TRIGGER postpone BEFORE INSERT ON data_ingestion_jobs FOR EACH ROW WHEN (NEW.module_type_id = 4 AND NEW.year = 2025) EXECUTE FUNCTION observer.postpone()`,
		verdict.Lost, "it never ran"},
	// The lock keeps requests out, or what was the latest need no longer be when it is deleted.
	{"retention drops the latest", `
LOCK TABLE data_ingestion_jobs IN SHARE ROW EXCLUSIVE MODE;
DELETE FROM data_ingestion_jobs j WHERE id IN (SELECT max(id) FROM data_ingestion_jobs WHERE job_type = 'aggregation' GROUP BY module_type_id, year) AND state = 'FINISHED'`,
		verdict.Lost, "the latest of aggregation"},
	{"a failed or finished job is run again", `
UPDATE data_ingestion_jobs j SET state = 'NOT_STARTED', result = NULL
 WHERE id = (SELECT min(id) FROM data_ingestion_jobs WHERE job_type = 'emission_recalc' AND module_type_id = 8 AND state = 'FINISHED')
   AND NOT EXISTS (SELECT FROM data_ingestion_jobs o WHERE o.job_type = j.job_type AND o.module_type_id = 8 AND o.state IN ('NOT_STARTED', 'QUEUED'))`,
		verdict.Unexpected, "nothing that has ended runs again"},
	{"a scheduler requests what nobody asked for", `
INSERT INTO data_ingestion_jobs (entity_type, target_type, ingestion_method, provider, state, is_current, job_type, module_type_id, year)
SELECT 'MODULE_PER_YEAR', 'DATA_ENTRIES', 'computed', 'DEFAULT', 'NOT_STARTED', false, 'aggregation', 4, y FROM generate_series(2024, 2025) AS y
    ON CONFLICT DO NOTHING`,
		verdict.Unexpected, "nobody asked for it"},
	{"a redelivered task makes a second request", `
INSERT INTO job_requests (actor, via, reason, request_id, job_id, created, job_type, module_type_id, data_entry_type_id, year)
SELECT actor, via, reason, request_id, job_id, false, job_type, module_type_id, data_entry_type_id, year FROM job_requests ORDER BY id DESC LIMIT 1`,
		verdict.Doubled, "was recorded twice"},
	{"the exporter's database is an old copy", `
CREATE SCHEMA stale;
CREATE TABLE stale.data_ingestion_jobs AS TABLE data_ingestion_jobs;
ALTER ROLE exporter SET search_path = stale, public;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'exporter'`,
		verdict.UntrueScrape, "is shown as"},
}

// TestSaboteursAreFound: the observer and the verdict see on a running deployment, without any
// fault, what such bugs would leave.
func TestSaboteursAreFound(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(ctx, t, t.TempDir())
	h := w.observe(ctx, t, time.Minute, 4*time.Second, 1, func(ctx context.Context) {
		pause(ctx, 4*time.Second)
		for _, s := range sabotage {
			w.sabotage(ctx, t, s.bug, s.statement)
		}
	})
	report, err := verdict.Judge(h)
	must(t, err)
	for _, s := range sabotage {
		found := slices.ContainsFunc(report.Violations, func(v verdict.Violation) bool { return v.Kind == s.kind && strings.Contains(v.What, s.what) })
		if !found {
			t.Errorf("%s: not found among %d violations: %v", s.bug, len(report.Violations), report.Violations)
		}
	}
}

// sabotage runs a statement until it changes something.
func (w *world) sabotage(ctx context.Context, t testing.TB, bug, statement string) {
	t.Helper()
	for {
		conn, err := w.pool.Acquire(ctx)
		if err != nil {
			t.Fatalf("%s: %v", bug, err)
		}
		result, err := conn.Conn().PgConn().Exec(ctx, statement).ReadAll()
		_ = conn.Conn().Close(ctx) // It may bear another name now.
		conn.Release()
		if err != nil {
			t.Fatalf("%s: %v", bug, err)
		}
		if tag := result[len(result)-1].CommandTag; tag.RowsAffected() > 0 || !tag.Insert() && !tag.Update() && !tag.Delete() {
			return
		}
		if !pause(ctx, 20*time.Millisecond) {
			t.Fatalf("%s: there was nothing to sabotage", bug)
		}
	}
}
