package collector

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/postgres"
)

var jobs = prometheus.NewDesc("tidemark_jobs",
	"Jobs that wait (NOT_STARTED, QUEUED) or run, by type. FINISHED is left out: counting it would read the whole history at each scrape.",
	[]string{"job_type", "state"}, nil)

// jobsCollector counts the jobs under way. The deduplicated types show at zero
// too, others while they have an active job.
type jobsCollector struct{}

func (jobsCollector) name() string { return "jobs" }

func (jobsCollector) update(ctx context.Context, q postgres.Querier, send func(prometheus.Metric)) error {
	found, err := freshness.ActiveJobs(ctx, q)
	if err != nil {
		return err
	}
	type key struct {
		jobType job.Type
		state   job.State
	}
	counts := map[key]int{}
	for _, c := range job.Configs() {
		for _, state := range job.States() {
			if state != job.Finished {
				counts[key{c.JobType, state}] = 0
			}
		}
	}
	for _, f := range found {
		counts[key{f.Type, f.State}] = f.Count
	}
	for k, n := range counts {
		send(gauge(jobs, float64(n), string(k.jobType), string(k.state)))
	}
	return nil
}
