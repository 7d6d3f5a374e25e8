package exporter

import (
	"net/http"

	"tidemark/exporter/api"
	"tidemark/exporter/collector"
	"tidemark/shared/web"
)

// Handler serves every route.
func (e *Exporter) Handler() http.Handler {
	o := e.opts
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", e.landing)
	mux.Handle("/metrics", collector.New(collector.Options{Pool: o.Pool, OlderThan: o.OlderThan, Logger: o.Logger, Version: o.Version}))
	mux.HandleFunc("/-/healthy", healthy)
	mux.HandleFunc("/-/ready", e.ready)
	mux.Handle("/v1/", api.New(api.Options{Pool: o.Pool, Logger: o.Logger, Anonymous: o.AnonymousAPI}).Handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		web.Problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
	return web.Secured(web.Only(mux, http.MethodGet))
}
