package api

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

// metrics count what the API asks of the workers.
type metrics struct{ requests *prometheus.CounterVec }

func newMetrics(registry prometheus.Registerer) metrics {
	m := metrics{promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
		Name: "tidemark_api_requests_total",
		Help: "Requests of recalculations that the API took, one for each scope, by whether they created a job or joined one that waited.",
	}, []string{"job_type", "outcome"})}
	for _, created := range []bool{true, false} {
		m.requests.WithLabelValues(string(job.EmissionRecalc), ledger.Ticket{Created: created}.Outcome())
	}
	return m
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
