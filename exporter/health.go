package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"tidemark/shared/postgres"
)

// queryTimeout bounds what a request, other than a scrape, may ask of the database.
const queryTimeout = 10 * time.Second

// healthy answers while the process serves, whatever its database does: a restart
// would not bring that back.
func healthy(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "healthy")
}

// ready answers 200 while the database answers and its schema is the one this
// binary needs.
func (e *Exporter) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	err := postgres.CheckSchema(ctx, e.opts.Pool)
	var wrong *postgres.SchemaError
	switch {
	case err == nil:
		writeText(w, http.StatusOK, "ready")
	case errors.As(err, &wrong):
		writeText(w, http.StatusServiceUnavailable, "not ready: "+wrong.Error())
	default:
		// The driver's words name hosts and users; they are for the log, not for whoever asks.
		e.opts.Logger.Warn("not ready", "err", err)
		writeText(w, http.StatusServiceUnavailable, "not ready: PostgreSQL does not answer, the exporter's log says why")
	}
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
