package api

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// metrics count what the API asks of the workers.
type metrics struct {
	requests *prometheus.CounterVec
	aborts   *prometheus.CounterVec
}

func newMetrics(registry prometheus.Registerer) metrics {
	with := promauto.With(registry)
	m := metrics{
		requests: with.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemark_api_requests_total",
			Help: "Requests of recalculations that the API took, one for each scope, by whether they created a job or joined one that waited.",
		}, []string{"job_type", "outcome"}),
		aborts: with.NewCounterVec(prometheus.CounterOpts{
			Name: "tidemark_api_aborted_jobs_total",
			Help: "Jobs of pipelines that were aborted through the API, by whether they ended or were left to others who want them.",
		}, []string{"outcome"}),
	}
	for _, outcome := range []ledger.JobAbort{ledger.AbortEnded, ledger.AbortShared, ledger.AbortForeign} {
		m.aborts.WithLabelValues(string(outcome))
	}
	for _, created := range []bool{true, false} {
		m.requests.WithLabelValues(string(job.EmissionRecalc), ledger.Ticket{Created: created}.Outcome())
	}
	return m
}

// aborted counts what an abort came to; one that changed nothing does not count.
func (m metrics) aborted(a ledger.Aborted) {
	if a.Outcome != ledger.AbortDone {
		return
	}
	for _, j := range a.Jobs {
		m.aborts.WithLabelValues(string(j.Outcome)).Inc()
	}
}

// requested counts what was committed; what an idempotency key had asked for before is not asked again.
func (m metrics) requested(started ledger.Started) {
	if started.Replayed {
		return
	}
	for _, t := range started.Tickets {
		m.requests.WithLabelValues(string(t.Scope.Type), t.Outcome()).Inc()
	}
}
