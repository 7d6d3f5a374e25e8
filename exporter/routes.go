package exporter

import (
	"net/http"
	"slices"
)

// Handler serves every route.
func (e *Exporter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", e.landing)
	mux.HandleFunc("/metrics", e.metrics)
	mux.HandleFunc("/-/healthy", healthy)
	mux.HandleFunc("/-/ready", e.ready)
	mux.Handle("/v1/sync/health/stale-stats", e.gated(e.staleStats))
	mux.Handle("/v1/sync/active-pipelines", e.gated(e.activePipelines))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, http.StatusNotFound, "there is nothing at "+r.URL.Path)
	})
	return secured(readOnly(mux))
}

// readOnly lets only methods pass that change nothing.
func readOnly(next http.Handler) http.Handler {
	allowed := []string{http.MethodGet, http.MethodHead}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(allowed, r.Method) {
			w.Header()["Allow"] = []string{"GET, HEAD"}
			writeProblem(w, http.StatusMethodNotAllowed, r.Method+" is not served: use GET")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// secured tells browsers to take answers for nothing but what they are. The one
// page has links only, so that no script, style or image needs to be allowed.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// gated closes a route to callers without an identity unless the options open it.
func (e *Exporter) gated(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !e.opts.AnonymousAPI {
			writeProblem(w, http.StatusForbidden,
				"this exporter knows no accounts and its API is closed; --web.anonymous-api opens it to everybody who can reach the port")
			return
		}
		next(w, r)
	})
}
