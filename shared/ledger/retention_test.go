package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
)

// month is an age that the tests' old jobs exceed.
const month = 30 * 24 * time.Hour

// retain removes all that can go, in steps of two jobs.
func (b *bundle) retain() (jobs, pipelines int) {
	b.t.Helper()
	return b.retainBy(2)
}

func (b *bundle) retainBy(limit int) (jobs, pipelines int) {
	b.t.Helper()
	for after := int64(0); ; {
		r, err := b.Retain(b.ctx, b.pool, month, after, limit)
		b.must(err)
		jobs, pipelines = jobs+r.Jobs, pipelines+r.Pipelines
		if !r.More {
			return jobs, pipelines
		}
		after = r.Last
	}
}

// makeOld makes every job and pipeline there is older than a month.
func (b *bundle) makeOld() {
	b.t.Helper()
	b.exec(`UPDATE data_ingestion_jobs SET finished_at = finished_at - interval '40 days', started_at = started_at - interval '40 days', requested_at = requested_at - interval '40 days'`)
}

func (b *bundle) wantJobs(when string, want ...int64) {
	b.t.Helper()
	got := value[[]int64](b, `SELECT coalesce(array_agg(id::bigint ORDER BY id), '{}') FROM data_ingestion_jobs`)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("%s: jobs %v, want %v", when, got, want)
	}
}

func TestRetainKeepsTheLatestAndTheLatestSuccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, result := range []job.Result{job.Success, job.Error, job.Warning, job.Error, job.Error} {
		b.request(b.open(job.Aggregation), travel)
		b.finish(b.claim(travel), result)
	}
	b.retain()
	b.wantJobs("all is young", 1, 2, 3, 4, 5)
	b.makeOld()
	if jobs, pipelines := b.retain(); jobs != 3 || pipelines != 3 {
		t.Errorf("removed %d jobs and %d pipelines", jobs, pipelines)
	}
	b.wantJobs("old", 3, 5)
	if jobs, _ := b.retain(); jobs != 0 {
		t.Errorf("removed %d more", jobs)
	}
	if n := value[int](b, `SELECT count(*) FROM job_requests`); n != 5 {
		t.Errorf("%d of 5 requests are still on record", n)
	}
}

func TestRetainKeepsWhatSomethingRefersTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := func() {
		b.request(b.open(job.Aggregation), travel)
		b.finish(b.claim(travel), job.Success)
	}
	for range 6 {
		run()
	}
	b.exec(`
INSERT INTO factors (id, emission_type_id, data_entry_type_id, last_seen_job_id) VALUES (1, 50101, 20, 1);
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) VALUES (1, 2025, 1, 0);
INSERT INTO carbon_report_modules (id, module_type_id, status, carbon_report_id) VALUES (1, 2, 0, 1);
INSERT INTO data_entries (data_entry_type_id, carbon_report_module_id, created_by_id, created_at, updated_at) VALUES (20, 1, 2, now(), now());
CREATE TABLE "Audit" (job integer REFERENCES data_ingestion_jobs (id), pipeline uuid REFERENCES pipelines (id));
INSERT INTO "Audit" SELECT 3, pipeline_id FROM data_ingestion_jobs WHERE id = 4`)
	b.makeOld()
	// A pipeline of which a job still waits keeps its others.
	tx := b.begin()
	b.requestIn(tx, value[[16]byte](b, `SELECT pipeline_id FROM data_ingestion_jobs WHERE id = 5`), heating)
	b.commit(tx)
	if jobs, pipelines := b.retain(); jobs != 1 || pipelines != 0 {
		t.Errorf("removed %d jobs and %d pipelines", jobs, pipelines)
	}
	b.wantJobs("referred to", 1, 2, 3, 5, 6, 7)
	b.exec(`DELETE FROM factors; DELETE FROM data_entries; DELETE FROM "Audit"`)
	b.finish(b.claim(heating), job.Success)
	b.finish(b.claim(heating.Aggregation()), job.Success)
	b.retain()
	b.wantJobs("no longer", 6, 7, 8)
}

func TestRetainKeepsWhatTookOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.request(b.open(job.Aggregation), travel)
	lost := b.claim(travel)
	b.request(b.open(job.Aggregation), travel)
	b.expire(lost.JobID)
	b.reap()
	b.finish(b.claim(travel), job.Success)
	b.request(b.open(job.Aggregation), travel)
	b.finish(b.claim(travel), job.Success)
	b.makeOld()
	b.exec(`UPDATE data_ingestion_jobs SET finished_at = clock_timestamp() WHERE id = 1`)
	b.retain()
	b.wantJobs("while the lost one is young", 1, 2, 3)
	b.makeOld()
	b.retain()
	b.retain() // One goes with the next look.
	b.wantJobs("old", 3)
}

// TestRetainChangesNoAnswer writes random histories, of the original's kinds as well, and asks about
// every scope before and after.
func TestRetainChangesNoAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(`
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', 'u', 'u', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) SELECT y, 2000 + y, 1, 0 FROM generate_series(1, 4) y;
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT m, 0, y FROM generate_series(1, 8) m, generate_series(1, 4) y;
SELECT setseed(0.42)`)
	answers := func() string {
		s, err := freshness.TakeSnapshot(b.ctx, b.pool)
		b.must(err)
		text := fmt.Sprintf("%t", s.Kept)
		for _, scope := range s.Scopes {
			text += fmt.Sprintf("\n%d %d %s %v", scope.ModuleType, scope.Year, scope.Drift, scope.DriftedSince)
			if scope.Latest != nil {
				text += fmt.Sprintf(" latest %d", scope.Latest.ID)
			}
			if scope.LastSuccessAt != nil {
				text += " success " + scope.LastSuccessAt.String()
			}
			if scope.LastResult != nil {
				text += " " + string(*scope.LastResult)
			}
			text += " " + string(freshness.Classify(scope.Latest, time.Now().Add(-45*24*time.Hour)))
		}
		for year := 2001; year <= 2004; year++ {
			all, err := freshness.Recalculations(b.ctx, b.pool, year)
			b.must(err)
			for _, r := range all {
				text += fmt.Sprintf("\n%d %d %d needed %t, factors %d", r.ModuleType, r.DataEntryType, r.Year, r.Needed(), r.Factors.ID)
				if r.Last != nil {
					text += fmt.Sprintf(", last %d", r.Last.ID)
				}
			}
		}
		return text
	}
	removed := 0
	for range 3 {
		b.exec(randomHistory)
		before := answers()
		jobs, _ := b.retainBy(10_000)
		removed += jobs
		if after := answers(); after != before {
			t.Fatalf("before:\n%s\nafter:\n%s", before, after)
		}
		// Whoever searches the history, as where a trigger is missing, finds the same.
		b.exec(`ALTER TABLE locations DISABLE TRIGGER tidemark_locations_changed`)
		before = answers()
		b.exec(`ALTER TABLE locations ENABLE TRIGGER tidemark_locations_changed`)
		jobs, _ = b.retainBy(10_000)
		removed += jobs
		b.exec(`ALTER TABLE locations DISABLE TRIGGER tidemark_locations_changed`)
		if after := answers(); after != before {
			t.Fatalf("from the history, before:\n%s\nafter:\n%s", before, after)
		}
		b.exec(`ALTER TABLE locations ENABLE TRIGGER tidemark_locations_changed`)
	}
	if left := value[int](b, `SELECT count(*) FROM data_ingestion_jobs`); removed < 1000 {
		t.Errorf("only %d removed, %d left: the histories are not what they should be", removed, left)
	}
}

// randomHistory adds jobs of every kind, with ends that are not in the order of their ids, and changes of data.
const randomHistory = `
INSERT INTO data_ingestion_jobs (entity_type, provider, is_current, job_type, target_type, ingestion_method, state, result, module_type_id, data_entry_type_id, year, finished_at, started_at)
SELECT 'MODULE_PER_YEAR', 'DEFAULT', false, k.job_type, k.target_type::target_type_enum, k.method::ingestion_method_enum,
       (ARRAY['FINISHED', 'FINISHED', 'FINISHED', 'FINISHED', 'FINISHED', 'FINISHED', 'NOT_STARTED', 'RUNNING', NULL])[ceil(random() * 9)]::ingestion_state_enum,
       (ARRAY['SUCCESS', 'WARNING', 'ERROR', NULL])[ceil(random() * 4)]::ingestion_result_enum,
       nullif(1 + floor(random() * 8.2), 9), CASE WHEN k.job_type = 'aggregation' THEN NULL ELSE (ARRAY[20, 21, 10, NULL])[ceil(random() * 4)] END,
       2001 + floor(random() * 4), f.at, f.at - interval '1 minute'
  FROM generate_series(1, 2000) n
 CROSS JOIN LATERAL (SELECT now() - interval '1 day' * (80 - n / 25 + floor(random() * 5)) AS at, ceil(random() * 6 + n * 0) AS kind) f
 CROSS JOIN LATERAL (SELECT (ARRAY['aggregation', 'aggregation', 'emission_recalc', 'emission_recalc', 'factor_ingest', 'csv_ingest'])[f.kind::integer] AS job_type,
                            (ARRAY['DATA_ENTRIES', 'DATA_ENTRIES', 'DATA_ENTRIES', 'DATA_ENTRIES', 'FACTORS', 'DATA_ENTRIES'])[f.kind::integer] AS target_type,
                            (ARRAY['computed', 'computed', 'computed', 'computed', 'csv', 'csv'])[f.kind::integer] AS method) k
    ON CONFLICT DO NOTHING;
UPDATE data_ingestion_jobs SET finished_at = NULL WHERE random() < 0.05;
UPDATE data_ingestion_jobs j SET is_current = true
 WHERE random() < 0.3 AND id = (SELECT max(id) FROM data_ingestion_jobs o WHERE (o.module_type_id, o.data_entry_type_id, o.target_type, o.ingestion_method, o.year)
       = (j.module_type_id, j.data_entry_type_id, j.target_type, j.ingestion_method, j.year))
   AND NOT EXISTS (SELECT FROM data_ingestion_jobs o WHERE o.is_current AND (o.module_type_id, o.data_entry_type_id, o.target_type, o.ingestion_method, o.year)
       = (j.module_type_id, j.data_entry_type_id, j.target_type, j.ingestion_method, j.year));
INSERT INTO factors (emission_type_id, data_entry_type_id, year, last_seen_job_id)
SELECT 50101, 20, 2001 + n % 4, (SELECT id FROM data_ingestion_jobs WHERE job_type = 'factor_ingest' AND finished_at < now() - interval '60 days' ORDER BY random() + n * 0 LIMIT 1) FROM generate_series(1, 10) n`
