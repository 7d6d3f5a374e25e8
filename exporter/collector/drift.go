package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/freshness"
)

var (
	driftedScopes = prometheus.NewDesc("tidemark_drifted_scopes",
		"Scopes of which entries, emissions, factors or airports changed after their last successful aggregation began to read, stale or not. "+
			"Absent where the database keeps no marks of changes.", nil, nil)
	driftUnknownScopes = prometheus.NewDesc("tidemark_drift_unknown_scopes",
		"Scopes with a successful aggregation of which nobody knows whether its data changed: it ran before the database kept marks of changes, or none are kept.", nil, nil)
	driftedOldest = prometheus.NewDesc("tidemark_drifted_oldest_timestamp_seconds",
		"When the first change was made that the scope which drifted first has not covered yet. Absent when none has drifted.", nil, nil)
)

// sendDrift sends how many scopes are older than their data.
func sendDrift(snapshot freshness.Snapshot, send func(prometheus.Metric)) {
	counts := freshness.Drifts(snapshot)
	if snapshot.Kept {
		send(gauge(driftedScopes, float64(counts[freshness.Drifted])))
	}
	send(gauge(driftUnknownScopes, float64(counts[freshness.DriftUnknown])))
	var oldest *time.Time
	for _, s := range snapshot.Scopes {
		if s.DriftedSince != nil && (oldest == nil || s.DriftedSince.Before(*oldest)) {
			oldest = s.DriftedSince
		}
	}
	if oldest != nil {
		send(gauge(driftedOldest, unixSeconds(*oldest)))
	}
}
