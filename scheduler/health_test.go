package scheduler

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func TestHealthSaysWhenTheQueueIsOverItsLimit(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var log bytes.Buffer
	f.opts.Logger = slog.New(slog.NewTextHandler(&log, nil))
	f.opts.BacklogLimit = ledger.BacklogLimit{Jobs: 1, Age: time.Hour}
	h := &health{opts: f.opts, db: f.pool, metrics: f.metrics, exceeded: map[job.Type]bool{}}
	over := f.metrics.backlogOver.WithLabelValues("emission_recalc")
	f.request(planes, travel) // The aggregation is held, so it does not wait for a worker.
	f.must(h.tick(f.ctx))
	f.wantCount(0, over)
	f.wantCount(0, f.metrics.backlogJobs.WithLabelValues("aggregation"))
	f.wantCount(1, f.metrics.backlogJobs.WithLabelValues("emission_recalc"))
	f.request(job.RecalcOf(2, 21, 2025))
	f.must(h.tick(f.ctx))
	f.must(h.tick(f.ctx))
	f.wantCount(1, over)
	f.exec(`UPDATE data_ingestion_jobs SET state = 'FINISHED' WHERE data_entry_type_id = 21`)
	f.must(h.tick(f.ctx))
	f.wantCount(0, over)
	f.exec(`UPDATE data_ingestion_jobs SET requested_at = requested_at - interval '2 hours'`)
	f.must(h.tick(f.ctx))
	f.wantCount(1, over)
	f.wantCount(1, f.metrics.backlogOver.WithLabelValues("aggregation")) // It was held for long enough.
	if text := log.String(); strings.Count(text, "over its limit") != 3 || strings.Count(text, "within its limit again") != 1 ||
		!strings.Contains(text, "2 jobs wait for a worker, more than 1") || !strings.Contains(text, "longer than 1h0m0s") {
		t.Errorf("log:\n%s", text)
	}
}
