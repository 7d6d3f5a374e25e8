package telemetry

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tidemark/shared/build"
)

// NewRegistry returns a registry with what every process says of itself.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	// The labels that Prometheus's own programs have; their collector reads the version from a
	// global that only the linker can set.
	b := build.Read()
	promauto.With(registry).NewGauge(prometheus.GaugeOpts{
		Name: "tidemark_build_info",
		Help: "Always 1; the labels say which build this process runs.",
		ConstLabels: prometheus.Labels{
			"version": b.Version, "revision": b.Revision(), "goversion": b.Go,
		},
	}).Set(1)
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}

// Handler answers scrapes, in the text format and in OpenMetrics. In the latter counters and
// histograms come with the time of their creation, so that what was counted between the start
// of a process and its first scrape is not lost.
func Handler(g prometheus.Gatherer, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{
		ErrorLog:                            slog.NewLogLogger(log.Handler(), slog.LevelError),
		EnableOpenMetrics:                   true,
		EnableOpenMetricsTextCreatedSamples: true,
	})
}
