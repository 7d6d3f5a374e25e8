package scheduler

import (
	"testing"
	"time"
)

func TestRetention(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.exec(`INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, year, finished_at)
		SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 'FINISHED', 'SUCCESS', 2, 2025, now() - interval '100 days' + n * interval '1 second' FROM generate_series(1, 1200) n`)
	f.exec(`INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, result, module_type_id, year, finished_at)
		SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 'FINISHED', 'SUCCESS', 2, 2025, now() FROM generate_series(1, 600) n`)
	jobs := func() (n int) {
		f.must(f.pool.QueryRow(f.ctx, `SELECT count(*) FROM data_ingestion_jobs`).Scan(&n))
		return n
	}
	r := &retention{opts: f.opts, db: f.pool, metrics: f.metrics}
	f.must(r.tick(f.ctx))
	if n := jobs(); n != 1800 {
		t.Fatalf("without a setting %d of 1800 jobs are left", n)
	}
	r.opts.Retention = 90 * 24 * time.Hour
	f.must(r.tick(f.ctx))
	if n := jobs(); n != 600 {
		t.Errorf("%d jobs are left, want the 600 young ones", n)
	}
	f.wantCount(1200, f.metrics.removed.WithLabelValues(removedJobs))
	if r.rests.IsZero() || r.after != 0 {
		t.Errorf("it has been through and does not rest: %s, %d", r.rests, r.after)
	}
}
