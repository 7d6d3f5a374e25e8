package api

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/web"
)

// Options say what the API reads and who may ask.
type Options struct {
	// Pool reaches the record. Required; each request that runs takes a connection.
	Pool *pgxpool.Pool
	// Logger receives failures of requests.
	Logger *slog.Logger
	// Anonymous opens the routes to callers without an identity.
	Anonymous bool
}

// API answers /v1/. Make it with [New].
type API struct{ opts Options }

// New returns the API. It opens nothing.
func New(o Options) *API { return &API{opts: o} }

// queryTimeout bounds what a request may ask of the database.
const queryTimeout = 10 * time.Second

// Handler serves every route below /v1/.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/v1/sync/health/stale-stats", a.gated(a.staleStats))
	mux.Handle("/v1/sync/active-pipelines", a.gated(a.activePipelines))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		web.Problem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
	return web.Only(mux, http.MethodGet)
}

// gated closes a route to callers without an identity unless the options open it.
func (a *API) gated(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !a.opts.Anonymous {
			web.Problem(w, http.StatusForbidden,
				"this exporter knows no accounts and its API is closed; --web.anonymous-api opens it to everybody who can reach the port")
			return
		}
		next(w, r)
	})
}

// unavailable answers that the record cannot be read. The driver's words go to the log.
func (a *API) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	a.opts.Logger.Warn("request failed", "path", r.URL.Path, "err", err)
	web.Problem(w, http.StatusServiceUnavailable, "the record cannot be read: try again later; /-/ready says whether PostgreSQL answers")
}
