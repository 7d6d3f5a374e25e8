package exporter

import (
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"tidemark/exporter/api"
	"tidemark/exporter/collector"
	"tidemark/exporter/console"
	"tidemark/exporter/gate"
	"tidemark/shared/access"
	"tidemark/shared/build"
	"tidemark/shared/signal"
	"tidemark/shared/telemetry"
	"tidemark/shared/web"
)

// Handler serves every route.
func (e *Exporter) Handler() http.Handler { return e.handler(e.metrics()) }

func (e *Exporter) metrics() *collector.Metrics {
	o := e.opts
	return collector.New(collector.Options{Pool: o.Pool, Redis: o.Redis, OlderThan: o.OlderThan, MaxScopeSeries: o.MaxScopeSeries,
		Logger: o.Logger})
}

func (e *Exporter) handler(metrics *collector.Metrics) http.Handler {
	o := e.opts
	mux := http.NewServeMux()
	var own []string
	route := func(pattern string, h http.Handler) {
		mux.Handle(pattern, web.Only(h, http.MethodGet))
		own = append(own, pattern)
	}
	pages := e.console()
	for _, r := range pages.Routes() {
		mux.Handle(r.Pattern, r.Handler)
		own = append(own, r.Pattern)
	}
	route(o.TelemetryPath, metrics)
	route("/-/healthy", http.HandlerFunc(telemetry.Healthy))
	route("/-/ready", telemetry.Ready(o.Logger, e.readiness()))
	mux.Handle("/", web.Only(nothing(pages), http.MethodGet))
	// The API says itself which methods it serves.
	v1 := e.api(metrics.Process())
	mux.Handle("/v1/", v1.Handler())
	mux.Handle(api.OverviewPath, web.Compressed(v1.Handler())) // the largest there is, and each page of the console asks for it
	if o.Redis != nil {
		queues := e.asynqmon()
		mux.Handle(asynqmonPath, queues)
		route(strings.TrimSuffix(asynqmonPath, "/"), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { leadTo(w, strings.TrimPrefix(asynqmonPath, "/")) }))
		own = append(own, asynqmonPath)
	}
	watchTokens(metrics.Process(), o.Authenticator)

	counted := telemetry.NewRequests(metrics.Process()).Count(mux, slices.Concat(own, v1.Patterns())...)
	return web.Secured(prefixed(o.RoutePrefix, counted))
}

func (e *Exporter) api(registry prometheus.Registerer) *api.API {
	who := e.gateOptions()
	o := api.Options{Pool: e.opts.APIPool, Logger: e.opts.Logger, Anonymous: who.Anonymous, Authenticator: who.Authenticator, Limiter: e.opts.Limiter,
		Registry: registry, Limits: e.opts.limits(), Redis: e.opts.Redis}
	if e.opts.Redis != nil {
		o.Signals = signal.NewSender(e.opts.Redis)
	}
	return api.New(o)
}

func (e *Exporter) console() *console.Console {
	return console.New(console.Options{Pool: e.opts.APIPool, Redis: e.opts.Redis, Authenticator: e.opts.Authenticator, Anonymous: e.opts.AnonymousAPI,
		Limits: e.opts.limits(), Logger: e.opts.Logger, Version: build.Read().Version, TelemetryPath: e.opts.TelemetryPath, Monitor: strings.TrimPrefix(asynqmonPath, "/")})
}

func (e *Exporter) gateOptions() gate.Options {
	o := gate.Options{Anonymous: e.opts.AnonymousAPI, Logger: e.opts.Logger}
	if e.opts.Authenticator != nil {
		o.Authenticator = e.opts.Authenticator
	}
	return o
}

// watchTokens shows whether the tokens file is in force as it stands. A version that cannot be
// used leaves the last good one in force, with tokens that may have been withdrawn since.
func watchTokens(registry prometheus.Registerer, known *access.Authenticator) {
	if known == nil {
		return
	}
	promauto.With(registry).NewGaugeFunc(prometheus.GaugeOpts{
		Name: "tidemark_tokens_file_in_force",
		Help: "Whether the newest version of the tokens file is in force (1), or could not be used, so that the last good one still is (0). 1 without a file.",
	}, func() float64 {
		if known.Err() != nil {
			return 0
		}
		return 1
	})
}

// nothing answers at an address where there is nothing: a browser by a page, a program by a problem.
func nothing(pages *console.Console) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !pages.Nothing(w, r) {
			web.Problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
		}
	}
}
