package collector

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

var (
	activePipelines = prometheus.NewDesc("tidemark_active_pipelines",
		"Pipelines with a job that waits or runs, created by them or joined, by the type of job they began with.",
		[]string{"kind"}, nil)
	activePipelineOldest = prometheus.NewDesc("tidemark_active_pipeline_oldest_start_timestamp_seconds",
		"When the oldest active pipeline of the kind was set off, whether or not a worker took one of its jobs yet. Absent when none is active.",
		[]string{"kind"}, nil)
)

// ownKinds are the kinds of pipeline that Tidemark begins; they show at zero too.
var ownKinds = []job.Type{job.CSVIngest, job.FactorIngest, job.ReferenceIngest, job.EmissionRecalc, job.Aggregation}

// pipelinesCollector counts the pipelines under way by kind.
type pipelinesCollector struct{}

func (pipelinesCollector) name() string { return "pipelines" }

func (pipelinesCollector) update(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error {
	found, err := freshness.ActivePipelineKinds(ctx, q)
	if err != nil {
		return err
	}
	counts := map[string]int{}
	for _, kind := range ownKinds {
		counts[string(kind)] = 0
	}
	for _, f := range found {
		counts[f.Kind] = f.Count
		send(gauge(activePipelineOldest, unixSeconds(f.OldestStart), f.Kind))
	}
	for kind, n := range counts {
		send(gauge(activePipelines, float64(n), kind))
	}
	return nil
}
