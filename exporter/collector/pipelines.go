package collector

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

var activePipelines = prometheus.NewDesc("tidemark_active_pipelines",
	"Pipelines with a job that waits or runs, created by them or joined, by the type of job they began with.",
	[]string{"kind"}, nil)

// ownKinds are the kinds of pipeline that Tidemark begins; they show at zero too.
var ownKinds = []job.Type{job.CSVIngest, job.FactorIngest, job.ReferenceIngest, job.EmissionRecalc, job.Aggregation}

// pipelinesCollector counts the pipelines under way by kind.
type pipelinesCollector struct{}

func (pipelinesCollector) name() string { return "pipelines" }

func (pipelinesCollector) update(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error {
	kinds, err := freshness.ActivePipelineKinds(ctx, q)
	if err != nil {
		return err
	}
	for _, kind := range ownKinds {
		kinds[string(kind)] += 0
	}
	for kind, n := range kinds {
		send(gauge(activePipelines, float64(n), kind))
	}
	return nil
}
