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
)

// staleCollector counts the scopes by bucket; all four are always present.
type staleCollector struct {
	// olderThan is the age from which a finished aggregation is too old.
	olderThan time.Duration
}

func (staleCollector) name() string { return "stale" }

func (c staleCollector) update(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error {
	snapshot, err := freshness.TakeSnapshot(ctx, q)
	if err != nil {
		return err
	}
	send(gauge(scopes, float64(len(snapshot.Scopes))))
	for why, n := range freshness.Counts(freshness.Stale(snapshot, c.olderThan)) {
		send(gauge(staleScopes, float64(n), string(why)))
	}
	return nil
}
