package collector

import (
	"maps"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
)

var noon = time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)

// before is a moment this many minutes before the snapshots of these tests.
func before(minutes int) *time.Time { return new(noon.Add(-time.Duration(minutes) * time.Minute)) }

// scopeOf is a scope whose latest aggregation is this one.
func scopeOf(module, year int, latest *freshness.Aggregation) freshness.Scope {
	s := freshness.Scope{ModuleType: module, Year: year, Latest: latest}
	if latest != nil && latest.Result != nil && *latest.Result == job.Success {
		s.LastSuccessAt = latest.FinishedAt
	}
	return s
}

func pending(requested, started *time.Time) *freshness.Aggregation {
	return &freshness.Aggregation{State: new(job.NotStarted), RequestedAt: requested, StartedAt: started}
}

func finished(result job.Result, at *time.Time) *freshness.Aggregation {
	return &freshness.Aggregation{State: new(job.Finished), Result: &result, FinishedAt: at}
}

// states classifies scopes against a limit of an hour before noon.
func states(scopes ...freshness.Scope) []scopeState {
	snapshot := freshness.Snapshot{At: noon, Scopes: scopes}
	return scopeStates(snapshot, freshness.Stale(snapshot, time.Hour))
}

func TestOldestOfEachBucket(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		scopes []freshness.Scope
		want   map[freshness.Why]time.Time
	}{
		"the earliest of each": {
			[]freshness.Scope{
				scopeOf(1, 2023, pending(before(5), nil)), scopeOf(1, 2024, pending(before(7), before(1))), scopeOf(1, 2025, pending(before(6), before(9))),
				scopeOf(2, 2024, finished(job.Error, before(3))), scopeOf(2, 2025, finished(job.Error, before(300))),
				scopeOf(3, 2023, finished(job.Success, before(61))), scopeOf(3, 2024, finished(job.Warning, before(90))), scopeOf(3, 2025, finished(job.Success, before(200))),
			},
			map[freshness.Why]time.Time{
				freshness.PendingAggregationStuck: *before(7), freshness.LastAggregationFailed: *before(300), freshness.LastAggregationTooOld: *before(200),
			},
		},
		"fresh ones do not count": {
			[]freshness.Scope{scopeOf(1, 2025, finished(job.Success, before(60)))}, map[freshness.Why]time.Time{},
		},
		"nobody knows since when one is missing": {
			[]freshness.Scope{scopeOf(1, 2025, nil)}, map[freshness.Why]time.Time{},
		},
		"rows that do not say when": {
			[]freshness.Scope{scopeOf(1, 2025, pending(nil, nil)), scopeOf(2, 2025, finished(job.Error, nil)), scopeOf(3, 2025, finished(job.Success, nil))},
			map[freshness.Why]time.Time{},
		},
		"beside such that do": {
			[]freshness.Scope{scopeOf(1, 2024, pending(nil, nil)), scopeOf(1, 2025, pending(nil, before(4)))},
			map[freshness.Why]time.Time{freshness.PendingAggregationStuck: *before(4)},
		},
		"no scope at all": {nil, map[freshness.Why]time.Time{}},
	} {
		if got := oldestSince(states(c.scopes...)); !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// TestScopeSeriesAreBounded: stale ones first, each part in order of module type and year, and a
// module that the catalogue does not know goes by its number.
func TestScopeSeriesAreBounded(t *testing.T) {
	t.Parallel()
	failed := finished(job.Error, before(3))
	all := states(
		scopeOf(1, 2024, finished(job.Success, before(10))),
		scopeOf(1, 2025, failed),
		scopeOf(2, 2025, finished(job.Success, before(20))),
		scopeOf(10, 2024, finished(job.Success, before(120))),
		scopeOf(99, 2025, nil),
	)
	const (
		failedScope = `tidemark_scope_stale{module_type="headcount",module_type_id="1",why_stale="last_aggregation_failed",year="2025"} 1`
		oldScope    = `tidemark_scope_stale{module_type="10",module_type_id="10",why_stale="last_aggregation_too_old",year="2024"} 1`
		failedSince = `tidemark_scope_stale_since_timestamp_seconds{module_type="headcount",module_type_id="1",why_stale="last_aggregation_failed",year="2025"} 1.73573262e+09`
		oldSince    = `tidemark_scope_stale_since_timestamp_seconds{module_type="10",module_type_id="10",why_stale="last_aggregation_too_old",year="2024"} 1.7357256e+09`
		oldSuccess  = `tidemark_scope_last_success_timestamp_seconds{module_type="10",module_type_id="10",year="2024"} 1.7357256e+09`
		neverScope  = `tidemark_scope_stale{module_type="99",module_type_id="99",why_stale="no_aggregation_ever",year="2025"} 1`
		fresh1      = `tidemark_scope_last_success_timestamp_seconds{module_type="headcount",module_type_id="1",year="2024"} 1.7357322e+09`
		fresh2      = `tidemark_scope_last_success_timestamp_seconds{module_type="professional_travel",module_type_id="2",year="2025"} 1.7357316e+09`
	)
	for limit, want := range map[int][]string{
		-1: {"tidemark_scope_series_omitted 5"},
		0:  {"tidemark_scope_series_omitted 5"},
		1:  {"tidemark_scope_series_omitted 4", failedScope, failedSince},
		2:  {"tidemark_scope_series_omitted 3", failedScope, failedSince, oldScope, oldSince, oldSuccess},
		3:  {"tidemark_scope_series_omitted 2", failedScope, failedSince, oldScope, oldSince, oldSuccess, neverScope},
		4:  {"tidemark_scope_series_omitted 1", failedScope, failedSince, oldScope, oldSince, oldSuccess, neverScope, fresh1},
		5:  {"tidemark_scope_series_omitted 0", failedScope, failedSince, oldScope, oldSince, oldSuccess, neverScope, fresh1, fresh2},
		6:  {"tidemark_scope_series_omitted 0", failedScope, failedSince, oldScope, oldSince, oldSuccess, neverScope, fresh1, fresh2},
	} {
		var sent samples
		sendScopes(all, limit, func(m prometheus.Metric) { sent = append(sent, m) })
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(sent)
		w := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		page := w.Body.String()
		series := 0
		for line := range strings.Lines(page) {
			if !strings.HasPrefix(line, "#") {
				series++
			}
		}
		for _, line := range want {
			if !strings.Contains(page, line+"\n") {
				t.Errorf("limit %d: %s is missing in\n%s", limit, line, page)
			}
		}
		if series != len(want) {
			t.Errorf("limit %d: %d series, want %d:\n%s", limit, series, len(want), page)
		}
	}
}
