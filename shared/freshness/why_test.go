package freshness_test

import (
	"testing"
	"time"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	cutoff := time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { return new(cutoff.Add(d)) }
	row := func(state job.State, result job.Result, finished *time.Time) *freshness.Aggregation {
		return &freshness.Aggregation{ID: 1, State: &state, Result: &result, FinishedAt: finished}
	}
	for name, c := range map[string]struct {
		latest *freshness.Aggregation
		want   freshness.Why
	}{
		"no row":                                    {nil, freshness.NoAggregationEver},
		"waiting":                                   {row(job.NotStarted, "", nil), freshness.PendingAggregationStuck},
		"queued":                                    {row(job.Queued, "", nil), freshness.PendingAggregationStuck},
		"running":                                   {row(job.Running, "", nil), freshness.PendingAggregationStuck},
		"state NULL":                                {&freshness.Aggregation{ID: 1}, freshness.PendingAggregationStuck},
		"state NULL beats a fresh finish":           {&freshness.Aggregation{ID: 1, FinishedAt: at(time.Minute)}, freshness.PendingAggregationStuck},
		"waiting beats an ERROR of the last try":    {row(job.NotStarted, job.Error, at(time.Minute)), freshness.PendingAggregationStuck},
		"failed just now":                           {row(job.Finished, job.Error, at(time.Minute)), freshness.LastAggregationFailed},
		"failed long ago":                           {row(job.Finished, job.Error, at(-time.Hour)), freshness.LastAggregationFailed},
		"failed at an unknown time":                 {row(job.Finished, job.Error, nil), freshness.LastAggregationFailed},
		"succeeded before the cutoff":               {row(job.Finished, job.Success, at(-time.Microsecond)), freshness.LastAggregationTooOld},
		"warned before the cutoff":                  {row(job.Finished, job.Warning, at(-time.Microsecond)), freshness.LastAggregationTooOld},
		"result NULL before the cutoff":             {&freshness.Aggregation{State: new(job.Finished), FinishedAt: at(-time.Microsecond)}, freshness.LastAggregationTooOld},
		"succeeded at an unknown time":              {row(job.Finished, job.Success, nil), freshness.LastAggregationTooOld},
		"result NULL at an unknown time":            {&freshness.Aggregation{State: new(job.Finished)}, freshness.LastAggregationTooOld},
		"succeeded exactly at the cutoff":           {row(job.Finished, job.Success, at(0)), freshness.Fresh},
		"the same instant in another zone":          {row(job.Finished, job.Success, new(at(0).In(time.FixedZone("", 7200)))), freshness.Fresh},
		"succeeded after the cutoff":                {row(job.Finished, job.Success, at(time.Microsecond)), freshness.Fresh},
		"warned after the cutoff":                   {row(job.Finished, job.Warning, at(time.Minute)), freshness.Fresh},
		"result NULL after the cutoff":              {&freshness.Aggregation{State: new(job.Finished), FinishedAt: at(time.Minute)}, freshness.Fresh},
		"finished by a clock that is ahead of ours": {row(job.Finished, job.Success, at(24*time.Hour)), freshness.Fresh},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := freshness.Classify(c.latest, cutoff); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestPendingSince(t *testing.T) {
	t.Parallel()
	asked, started := time.Unix(1000, 0), time.Unix(2000, 0)
	for name, c := range map[string]struct {
		latest *freshness.Aggregation
		want   *time.Time
	}{
		"no aggregation":       {nil, nil},
		"finished":             {&freshness.Aggregation{State: new(job.Finished), RequestedAt: &asked, StartedAt: &started}, nil},
		"waiting":              {&freshness.Aggregation{State: new(job.NotStarted), RequestedAt: &asked}, &asked},
		"running":              {&freshness.Aggregation{State: new(job.Running), RequestedAt: &asked, StartedAt: &started}, &asked},
		"running, not dated":   {&freshness.Aggregation{State: new(job.Running), StartedAt: &started}, &started},
		"state NULL, no dates": {&freshness.Aggregation{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := (freshness.Scope{Latest: c.latest}).PendingSince(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
