package collector

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/freshness"
	"tidemark/shared/postgres"
)

var (
	staleScopes = prometheus.NewDesc("tidemark_stale_scopes",
		"Scopes (module type and year) whose latest aggregation is missing, pending, failed or too old.",
		[]string{"why_stale"}, nil)
	scopes = prometheus.NewDesc("tidemark_scopes",
		"Scopes (module type and year) that the report modules declare, stale or not.", nil, nil)
	staleOldest = prometheus.NewDesc("tidemark_stale_oldest_timestamp_seconds",
		"Since when the oldest scope of the bucket is as it is: when its latest aggregation was asked for (pending) or finished (failed, too old). "+
			"Absent for an empty bucket, where no row says when, and always for no_aggregation_ever: nobody wrote down since when one is missing.",
		[]string{"why_stale"}, nil)
)

// staleCollector counts the scopes by bucket; all four are always present. It shows single
// scopes too, as many as it may.
type staleCollector struct {
	// olderThan is the age from which a finished aggregation is too old.
	olderThan time.Duration
	// maxScopeSeries bounds the scopes that have series of their own.
	maxScopeSeries int
}

func (staleCollector) name() string { return "stale" }

func (c staleCollector) update(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error {
	snapshot, err := freshness.TakeSnapshot(ctx, q)
	if err != nil {
		return err
	}
	stale := freshness.Stale(snapshot, c.olderThan)
	send(gauge(scopes, float64(len(snapshot.Scopes))))
	for why, n := range freshness.Counts(stale) {
		send(gauge(staleScopes, float64(n), string(why)))
	}
	states := scopeStates(snapshot, stale)
	for why, since := range oldestSince(states) {
		send(gauge(staleOldest, unixSeconds(since), string(why)))
	}
	sendDrift(snapshot, send)
	sendScopes(states, c.maxScopeSeries, send)
	return nil
}

// scopeState is a declared scope with its bucket.
type scopeState struct {
	freshness.Scope
	// stale is nil for a fresh scope.
	stale *freshness.StaleScope
}

// scopeStates brings the scopes of a snapshot together with the stale ones among them, which
// are in the same order.
func scopeStates(snapshot freshness.Snapshot, stale []freshness.StaleScope) []scopeState {
	states := make([]scopeState, len(snapshot.Scopes))
	for i, scope := range snapshot.Scopes {
		states[i].Scope = scope
		if len(stale) > 0 && stale[0].ModuleType == scope.ModuleType && stale[0].Year == scope.Year {
			states[i].stale, stale = &stale[0], stale[1:]
		}
	}
	return states
}

// oldestSince returns the earliest since of each bucket that has one.
func oldestSince(states []scopeState) map[freshness.Why]time.Time {
	oldest := map[freshness.Why]time.Time{}
	for _, s := range states {
		since := s.Since()
		if s.stale == nil || since == nil {
			continue
		}
		if known, ok := oldest[s.stale.Why]; !ok || since.Before(known) {
			oldest[s.stale.Why] = *since
		}
	}
	return oldest
}
