package telemetry

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Requests counts the HTTP requests of a process. Make it with [NewRequests].
type Requests struct {
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewRequests registers the metrics.
func NewRequests(registry prometheus.Registerer) *Requests {
	return &Requests{
		total: promauto.With(registry).NewCounterVec(prometheus.CounterOpts{
			Name: "tidemark_http_requests_total",
			Help: "HTTP requests answered, by route and status.",
		}, []string{"handler", "code"}),
		duration: promauto.With(registry).NewHistogramVec(prometheus.HistogramOpts{
			Name:    "tidemark_http_request_duration_seconds",
			Help:    "Time to answer an HTTP request, by route; of a stream, how long it lasted.",
			Buckets: []float64{.005, .025, .1, .25, 1, 2.5, 10, 60},
		}, []string{"handler"}),
	}
}

// Count counts what passes through a mux, by the pattern of the route: never by the path,
// which is the caller's to choose. A mux inside of the mux tells its own patterns as long as
// it is given the request itself, not a copy (WithContext) that was made on the way. These
// routes show at zero before their first request.
func (m *Requests) Count(mux http.Handler, routes ...string) http.Handler {
	for _, r := range routes {
		m.total.WithLabelValues(handlerOf(r), goodCode(r))
		m.duration.WithLabelValues(handlerOf(r))
	}
	label := promhttp.WithLabelFromRequest("handler", func(r *http.Request) string { return handlerOf(r.Pattern) })
	return promhttp.InstrumentHandlerDuration(m.duration, promhttp.InstrumentHandlerCounter(m.total, mux, label), label)
}

// goodCode is the status of a good answer: what is posted is accepted, for others to do.
func goodCode(pattern string) string {
	if strings.HasPrefix(pattern, http.MethodPost+" ") {
		return "202"
	}
	return "200"
}

// handlerOf is a pattern without its method; "none" for what no route or the catch-all took.
func handlerOf(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		pattern = path
	}
	if pattern == "" || pattern == "/" {
		return "none"
	}
	return strings.TrimSuffix(pattern, "{$}")
}
