package freshness_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/local/localtest"
)

// TestStaleOneOfEach is the original's case: five modules, one in each bucket and one fresh.
func TestStaleOneOfEach(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	declare(t, pool, 2025, 1, 2, 3, 4, 5)
	failed := insert(t, pool, row{"aggregation", "FINISHED", "ERROR", 2, 2025, new(300), ""})
	old := insert(t, pool, row{"aggregation", "FINISHED", "SUCCESS", 3, 2025, new(2 * 86400), ""})
	pending := insert(t, pool, row{"aggregation", "NOT_STARTED", "", 4, 2025, nil, ""})
	insert(t, pool, row{"aggregation", "FINISHED", "SUCCESS", 5, 2025, new(0), ""})

	s := snapshot(t, pool)
	finishedAt := func(i int) *time.Time { return s.Scopes[i].Latest.FinishedAt }
	got := freshness.Stale(s, time.Hour)
	want := []freshness.StaleScope{
		{ModuleType: 1, Year: 2025, Why: freshness.NoAggregationEver},
		{ModuleType: 2, Year: 2025, Why: freshness.LastAggregationFailed, LastJobID: &failed, LastFinishedAt: finishedAt(1)},
		{ModuleType: 3, Year: 2025, Why: freshness.LastAggregationTooOld, LastJobID: &old, LastFinishedAt: finishedAt(2)},
		{ModuleType: 4, Year: 2025, Why: freshness.PendingAggregationStuck, LastJobID: &pending},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if finishedAt(1) == nil || finishedAt(2) == nil {
		t.Error("a finished aggregation has no time")
	}
	for why, n := range freshness.Counts(got) {
		if n != 1 {
			t.Errorf("%s: %d scopes, want 1", why, n)
		}
	}
}

// TestStaleIgnoresUndeclaredScopes is the original's case of a job without any report module.
func TestStaleIgnoresUndeclaredScopes(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	insert(t, pool, row{"aggregation", "NOT_STARTED", "", 99, 2025, nil, ""})
	s := snapshot(t, pool)
	if s.At.IsZero() || s.At.Location() != time.UTC {
		t.Errorf("the snapshot is at %v, want a UTC time also without scopes", s.At)
	}
	stale := freshness.Stale(s, time.Hour)
	if encoded, err := json.Marshal(stale); err != nil || string(encoded) != "[]" {
		t.Errorf("encodes as %s (%v), want []", encoded, err)
	}
	if counts := freshness.Counts(stale); len(counts) != 4 {
		t.Errorf("counts %v, want all four buckets", counts)
	}
}

func TestStaleScopeJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 3, 1, 9, 30, 0, 250_000_000, time.UTC)
	for want, s := range map[string]freshness.StaleScope{
		`{"module_type_id":1,"year":2025,"last_finished_aggregation_at":null,"why_stale":"no_aggregation_ever","last_aggregation_job_id":null}`: {
			ModuleType: 1, Year: 2025, Why: freshness.NoAggregationEver},
		`{"module_type_id":7,"year":2024,"last_finished_aggregation_at":"2025-03-01T09:30:00.25Z","why_stale":"last_aggregation_failed","last_aggregation_job_id":12}`: {
			ModuleType: 7, Year: 2024, LastFinishedAt: &at, Why: freshness.LastAggregationFailed, LastJobID: new(int64(12))},
	} {
		if got, err := json.Marshal(s); err != nil || string(got) != want {
			t.Errorf("got  %s (%v)\nwant %s", got, err, want)
		}
	}
}

// TestPendingRowHidesNothing pins what the original loses: the outcome before a pending row.
func TestPendingRowHidesNothing(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	declare(t, pool, 2025, 1)
	insert(t, pool, row{"aggregation", "FINISHED", "SUCCESS", 1, 2025, new(120), ""})
	insert(t, pool, row{"aggregation", "FINISHED", "WARNING", 1, 2025, nil, ""}) // no time, so no last success
	insert(t, pool, row{"aggregation", "FINISHED", "ERROR", 1, 2025, new(60), ""})
	insert(t, pool, row{"aggregation", "NOT_STARTED", "", 1, 2025, new(30), ""})

	s := snapshot(t, pool)
	scope := s.Scopes[0]
	if scope.LastSuccessAt == nil || s.At.Sub(*scope.LastSuccessAt).Round(10*time.Second) != 2*time.Minute {
		t.Errorf("last success at %v, want two minutes before %v", scope.LastSuccessAt, s.At)
	}
	if scope.LastResult == nil || *scope.LastResult != job.Error {
		t.Errorf("last result %v, want ERROR", scope.LastResult)
	}
	if scope.PendingSince() == nil {
		t.Error("a waiting row does not say since when")
	}
	if stale := freshness.Stale(s, time.Hour); stale[0].LastFinishedAt != nil {
		t.Errorf("the contract wants null for a pending row, got %v", stale[0].LastFinishedAt)
	}
}

func TestSnapshotOrder(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	declare(t, pool, 2025, 10, 2)
	declare(t, pool, 2024, 2)
	declare(t, pool, 2024, 2) // another unit, the same scope
	var got string
	for _, s := range snapshot(t, pool).Scopes {
		got += fmt.Sprintf("%d:%d ", s.ModuleType, s.Year)
	}
	if want := "2:2024 2:2025 10:2025 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
