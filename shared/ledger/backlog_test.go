package ledger_test

import (
	"testing"
	"time"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

func TestBacklogLimit(t *testing.T) {
	t.Parallel()
	now := time.Now()
	limit := ledger.BacklogLimit{Jobs: 10, Age: time.Minute}
	for name, c := range map[string]struct {
		backlog ledger.Backlog
		want    string
	}{
		"nothing waits":    {ledger.Backlog{At: now}, ""},
		"at the limit":     {ledger.Backlog{Jobs: 10, Oldest: now.Add(-time.Minute), At: now}, ""},
		"too many":         {ledger.Backlog{Jobs: 11, Oldest: now, At: now}, "11 jobs wait for a worker, more than 10"},
		"too long":         {ledger.Backlog{Jobs: 1, Oldest: now.Add(-90 * time.Second), At: now}, "one waits for 1m30s, longer than 1m0s"},
		"both":             {ledger.Backlog{Jobs: 11, Oldest: now.Add(-time.Hour), At: now}, "11 jobs wait for a worker, more than 10; one waits for 1h0m0s, longer than 1m0s"},
		"nobody says when": {ledger.Backlog{Jobs: 1, At: now}, ""},
	} {
		if got := limit.Exceeded(c.backlog); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// What is held, runs, or waits behind a running job does not wait for a worker.
func TestBacklogCountsWhatOnlyLacksAWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	backlog := func(of job.Type) ledger.Backlog {
		t.Helper()
		got, err := b.Backlog(b.ctx, b.pool, of)
		b.must(err)
		return got
	}
	if got := backlog(job.EmissionRecalc); got.Jobs != 0 || !got.Oldest.IsZero() || got.At.IsZero() {
		t.Errorf("nothing waits: %+v", got)
	}
	b.request(b.open(job.EmissionRecalc), planes, trains, travel)
	b.claim(planes)
	b.request(b.open(job.EmissionRecalc), planes)
	if got := backlog(job.EmissionRecalc); got.Jobs != 1 || got.Oldest.IsZero() || got.Oldest.After(got.At) {
		t.Errorf("trains wait: %+v", got)
	}
	if got := backlog(job.Aggregation); got.Jobs != 0 {
		t.Errorf("the aggregation is held: %+v", got)
	}
	b.age("1 hour")
	if got := backlog(job.Aggregation); got.Jobs != 1 {
		t.Errorf("it was held for long enough: %+v", got)
	}
}
