package collector

import (
	"cmp"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
)

var (
	scopeStale = prometheus.NewDesc("tidemark_scope_stale",
		"Always 1, for each stale scope; a fresh one has no series. For at most as many scopes as the exporter may show.",
		[]string{"module_type", "module_type_id", "year", "why_stale"}, nil)
	scopeStaleSince = prometheus.NewDesc("tidemark_scope_stale_since_timestamp_seconds",
		"Since when the scope is in its bucket: when its latest aggregation was asked for (pending) or finished (failed, too old). "+
			"Absent where no row says when, and always for no_aggregation_ever. For at most as many scopes as the exporter may show.",
		[]string{"module_type", "module_type_id", "year", "why_stale"}, nil)
	scopeLastSuccess = prometheus.NewDesc("tidemark_scope_last_success_timestamp_seconds",
		"When the scope's latest aggregation that wrote its data finished, also while a later one waits, runs or has failed. Absent when there is none. "+
			"For at most as many scopes as the exporter may show.",
		[]string{"module_type", "module_type_id", "year"}, nil)
	scopeDrifted = prometheus.NewDesc("tidemark_scope_drifted",
		"Always 1, for each scope whose data changed after its last successful aggregation began to read; others have no series. For at most as many scopes as the exporter may show.",
		[]string{"module_type", "module_type_id", "year"}, nil)
	scopeDriftedSince = prometheus.NewDesc("tidemark_scope_drifted_since_timestamp_seconds",
		"When the first change was made that the last successful aggregation of the drifted scope does not cover. For at most as many scopes as the exporter may show.",
		[]string{"module_type", "module_type_id", "year"}, nil)
	scopesOmitted = prometheus.NewDesc("tidemark_scope_series_omitted",
		"Scopes without series of their own, because the exporter may show no more. Scopes that are neither stale nor drifted are left out first, then those that have only drifted.", nil, nil)
)

// sendScopes sends the series of single scopes: of the stale ones first, then of those that have
// drifted, each part in order of module type and year, until limit scopes have theirs.
func sendScopes(states []scopeState, limit int, send func(prometheus.Metric)) {
	names := moduleNames()
	shown := shownScopes(states, limit)
	for _, s := range shown {
		id, year := strconv.Itoa(s.ModuleType), strconv.Itoa(s.Year)
		name := cmp.Or(names[s.ModuleType], id)
		if s.stale != nil {
			send(gauge(scopeStale, 1, name, id, year, string(s.stale.Why)))
			if since := s.Since(); since != nil {
				send(gauge(scopeStaleSince, unixSeconds(*since), name, id, year, string(s.stale.Why)))
			}
		}
		if s.Drift == freshness.Drifted {
			send(gauge(scopeDrifted, 1, name, id, year))
			send(gauge(scopeDriftedSince, unixSeconds(*s.DriftedSince), name, id, year))
		}
		if s.LastSuccessAt != nil {
			send(gauge(scopeLastSuccess, unixSeconds(*s.LastSuccessAt), name, id, year))
		}
	}
	send(gauge(scopesOmitted, float64(len(states)-len(shown))))
}

// shownScopes chooses the scopes that get series. They come in order of module type and year, and stay
// so within each rank.
func shownScopes(states []scopeState, limit int) []*scopeState {
	ranks := []func(*scopeState) bool{
		func(s *scopeState) bool { return s.stale != nil },
		func(s *scopeState) bool { return s.stale == nil && s.Drift == freshness.Drifted },
		func(s *scopeState) bool { return s.stale == nil && s.Drift != freshness.Drifted },
	}
	shown := make([]*scopeState, 0, max(0, min(limit, len(states))))
	for _, ranked := range ranks {
		for i := range states {
			if len(shown) == cap(shown) {
				return shown
			}
			if ranked(&states[i]) {
				shown = append(shown, &states[i])
			}
		}
	}
	return shown
}

// moduleNames maps module_type_id to the catalogue's name.
func moduleNames() map[int]string {
	names := map[int]string{}
	for _, m := range catalog.Modules() {
		names[m.ID] = m.Name
	}
	return names
}
