package exporter

import (
	"net/http"

	"tidemark/exporter/api"
	"tidemark/exporter/collector"
	"tidemark/shared/telemetry"
	"tidemark/shared/web"
)

// Handler serves every route.
func (e *Exporter) Handler() http.Handler {
	o := e.opts
	metrics := collector.New(collector.Options{Pool: o.Pool, Redis: o.Redis, OlderThan: o.OlderThan, MaxScopeSeries: o.MaxScopeSeries,
		Logger: o.Logger, Version: o.Version})
	mux := http.NewServeMux()
	var own []string
	route := func(pattern string, h http.Handler) {
		mux.Handle(pattern, web.Only(h, http.MethodGet))
		own = append(own, pattern)
	}
	route("/{$}", http.HandlerFunc(e.landing))
	route(o.TelemetryPath, metrics)
	route("/-/healthy", http.HandlerFunc(telemetry.Healthy))
	route("/-/ready", telemetry.Ready(o.Logger, e.readiness()))
	mux.Handle("/", web.Only(http.HandlerFunc(nothing), http.MethodGet))
	// The API says itself which methods it serves.
	mux.Handle("/v1/", api.New(api.Options{Pool: o.APIPool, Logger: o.Logger, Anonymous: o.AnonymousAPI}).Handler())

	counted := telemetry.NewRequests(metrics.Process()).Count(mux, own...)
	return web.Secured(prefixed(o.RoutePrefix, counted))
}

func nothing(w http.ResponseWriter, r *http.Request) {
	web.Problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
}
