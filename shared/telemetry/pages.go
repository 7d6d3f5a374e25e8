package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"tidemark/shared/web"
)

// Pages are what a process that has other work serves of itself.
//
//	GET /metrics     its metrics
//	GET /-/healthy   200 while it serves
//	GET /-/ready     200 while every check passes, else 503 with the reason
func Pages(g prometheus.Gatherer, log *slog.Logger, checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", Handler(g, log))
	mux.HandleFunc("/-/healthy", Healthy)
	mux.Handle("/-/ready", Ready(log, checks...))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		web.Problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path+": see /metrics, /-/healthy and /-/ready")
	})
	return web.Secured(web.Only(mux, http.MethodGet))
}

// Start serves pages beside the work of a process until stop is called, which returns when
// the last request is answered. Where nothing is to be served it says so in the log. An
// error means that an address cannot be had; a server that breaks later is an error of the
// log, for the work matters more.
func Start(ctx context.Context, o web.Options, log *slog.Logger, pages http.Handler) (stop func(), err error) {
	if o.Off() {
		log.Info("no address is given: metrics and health are not served")
		return func() {}, nil
	}
	server, err := web.Listen(ctx, o, log)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(ctx, pages); err != nil {
			log.Error("metrics and health are not served any more", "err", err)
		}
	})
	return func() { cancel(); serving.Wait() }, nil
}
