package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"tidemark/exporter/gate"
	"tidemark/exporter/overview"
	"tidemark/exporter/stream"
	"tidemark/shared/access"
	"tidemark/shared/explain"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/web"
)

// Options say what the API reads, who may ask, and what becomes of requests.
type Options struct {
	// Pool reaches the record. Required. A request takes a connection while it reads or writes.
	// Streams of pipelines share one connection beside the pool, made as the pool's are; those of the
	// overview share a look now and then.
	Pool *pgxpool.Pool
	// Logger receives failures, and what was requested. Required.
	Logger *slog.Logger
	// Limits are what overview and explanations judge by. Required.
	Limits explain.Limits
	// Redis tells of workers and queues. Nil leaves the fleet unknown.
	Redis redis.UniversalClient
	// Anonymous lets callers without credentials read everything.
	Anonymous bool
	// Authenticator finds out who calls. Nil knows nobody.
	Authenticator gate.Authenticator
	// Limiter bounds how often each caller requests. Default: [RequestBurst] at once, then one in [RequestEvery].
	Limiter *access.Limiter
	// Signals wakes the workers after a request. Nil leaves that to the relay, which is as safe
	// and some seconds slower.
	Signals Signals
	// Registry takes the API's metrics. Nil leaves them untold.
	Registry prometheus.Registerer
}

// Signals is a sender of shared/signal.
type Signals interface {
	Send(context.Context, ...ledger.Ticket) error
}

// The default of Options.Limiter.
const (
	RequestEvery = 2 * time.Second
	RequestBurst = 10
)

// API answers /v1/. Make it with [New].
type API struct {
	opts    Options
	ledger  *ledger.Ledger
	hub     *stream.Hub
	watch   *overview.Watch
	gate    *gate.Gate
	metrics metrics
}

// New returns the API. It opens nothing.
func New(o Options) *API {
	if o.Limiter == nil {
		o.Limiter, _ = access.NewLimiter(RequestEvery, RequestBurst) // both are above zero
	}
	// Requests do not claim, so it does not matter how long this ledger would hold one back.
	a := &API{opts: o, ledger: ledger.New(ledger.DefaultMaxHold), metrics: newMetrics(o.Registry),
		gate: gate.New(gate.Options{Authenticator: o.Authenticator, Anonymous: o.Anonymous, Logger: o.Logger})}
	a.hub = stream.NewHub(stream.Options{Connection: o.Pool.Config().ConnConfig, Read: a.snapshots, Logger: o.Logger})
	a.watch = overview.NewWatch(overview.Options{Pool: o.Pool, Limits: o.Limits, Logger: o.Logger})
	return a
}

// queryTimeout bounds what a request may ask of the database.
const queryTimeout = 10 * time.Second

// route is one operation.
type route struct {
	method, path string
	needs        right
	// serve answers, or returns the error to be answered.
	serve func(http.ResponseWriter, *http.Request, caller) error
}

// caller is who sends a request.
type caller struct {
	access.Principal
	// requestID is found in the log, the record and the answer.
	requestID string
}

func (a *API) routes() []route {
	return []route{
		{http.MethodGet, "/v1/openapi.json", identity, serveDocument},
		{http.MethodGet, "/v1/sync/health/stale-stats", viewSome, a.staleStats},
		{http.MethodGet, "/v1/sync/active-pipelines", viewSome, a.activePipelines},
		{http.MethodGet, "/v1/sync/active-pipelines/year/{year}", viewAll, a.activeYearPipelines},
		{http.MethodGet, "/v1/sync/pipelines", viewSome, a.pipelines},
		{http.MethodGet, "/v1/sync/pipelines/{id}", viewSome, a.pipeline},
		{http.MethodGet, "/v1/sync/pipelines/{id}/stream", viewSome, a.pipelineStream},
		{http.MethodPost, "/v1/sync/pipelines/{id}/abort", request, a.abort},
		{http.MethodGet, "/v1/sync/recalculation-status", viewSome, a.recalculationStatus},
		{http.MethodGet, OverviewPath, viewSome, a.overview},
		{http.MethodGet, "/v1/sync/overview/stream", viewSome, a.overviewStream},
		{http.MethodGet, "/v1/sync/scopes/{module}/{year}", viewSome, a.scope},
		{http.MethodGet, "/v1/sync/fleet", viewAll, a.fleet},
		{http.MethodPost, "/v1/sync/aggregate/{module}", request, a.aggregate},
		{http.MethodPost, "/v1/sync/recalculate-emissions/{module}", request, a.recalculate},
		{http.MethodPost, "/v1/sync/recalculate-emissions/{module}/{data_entry_type}", request, a.recalculate},
	}
}

// Patterns lists the routes as r.Pattern has them.
func (a *API) Patterns() []string {
	var patterns []string
	for _, route := range a.routes() {
		patterns = append(patterns, route.method+" "+route.path)
	}
	return patterns
}

// Handler serves every route below /v1/. After it has answered, r.Pattern is the route's.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range a.routes() {
		mux.Handle(route.method+" "+route.path, a.gated(route))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gate.Tag(w, r)
		if refusal, pattern := mux.Handler(r); pattern == "" {
			unrouted(w, r, refusal)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// unrouted answers what the mux refuses, in our words.
func unrouted(w http.ResponseWriter, r *http.Request, refusal http.Handler) {
	said := recorder{header: http.Header{}}
	refusal.ServeHTTP(&said, r)
	if said.status == http.StatusMethodNotAllowed {
		allowed := said.header.Get("Allow")
		w.Header().Set("Allow", allowed)
		web.Problem(w, http.StatusMethodNotAllowed, r.Method+" is not served here: use "+allowed)
		return
	}
	web.Problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path+": /v1/openapi.json lists what there is")
}

// recorder keeps the head of an answer and drops its body.
type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }

// refusal is an error that is the caller's to repair.
type refusal struct {
	status int
	detail string
}

func (e *refusal) Error() string { return e.detail }

// invalid refuses a parameter, with the status that the original gives.
func invalid(detail string) error { return &refusal{http.StatusUnprocessableEntity, detail} }

// fail answers with an error. The driver's words go to the log, not to the caller.
func (a *API) fail(w http.ResponseWriter, r *http.Request, c caller, err error) {
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		web.Problem(w, refused.status, refused.detail)
		return
	}
	if r.Context().Err() != nil {
		return // nobody is there to be answered
	}
	a.opts.Logger.Warn("request failed", "path", r.URL.Path, "request_id", c.requestID, "actor", c.Name, "err", err)
	detail := "the record cannot be read: try again later; /-/ready says whether PostgreSQL answers"
	if postgres.LacksObject(err) {
		detail = "the database lacks what Tidemark adds to it: run `tidemark migrate up`"
	}
	web.Problem(w, http.StatusServiceUnavailable, detail)
}
