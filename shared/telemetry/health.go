package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/postgres"
)

// Check looks at one thing that a process needs for its work. It returns why the process is
// not ready, in words for whoever asks, or "". What only the log may have (a driver's words
// name hosts and users) is the error.
type Check func(ctx context.Context) (why string, err error)

// Postgres checks that the database answers and that its schema is the one this binary needs.
func Postgres(pool *pgxpool.Pool) Check {
	return func(ctx context.Context) (string, error) {
		err := postgres.CheckSchema(ctx, pool)
		var wrong *postgres.SchemaError
		switch {
		case err == nil:
			return "", nil
		case errors.As(err, &wrong):
			return wrong.Error(), nil
		default:
			return unreachable, err
		}
	}
}

// Reachable checks that the database answers, whatever its schema is.
func Reachable(pool *pgxpool.Pool) Check {
	return func(ctx context.Context) (string, error) {
		if err := pool.Ping(ctx); err != nil {
			return unreachable, err
		}
		return "", nil
	}
}

// unreachable is what those who ask may know of a database that is away.
const unreachable = "PostgreSQL does not answer, the log says why"

// Redis checks that Redis answers.
func Redis(rdb redis.UniversalClient) Check {
	return func(ctx context.Context) (string, error) {
		if err := rdb.Ping(ctx).Err(); err != nil {
			return "Redis does not answer, the log says why", err
		}
		return "", nil
	}
}

// checkTimeout bounds all checks of one question together.
const checkTimeout = 5 * time.Second

// Healthy answers while the process serves, whatever its database does: a restart would not
// bring that back.
func Healthy(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "healthy")
}

// Ready answers 200 while every check passes, else 503 with the reason of the first that
// does not.
func Ready(log *slog.Logger, checks ...Check) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), checkTimeout)
		defer cancel()
		for _, check := range checks {
			why, err := check(ctx)
			if err != nil && r.Context().Err() == nil {
				log.Warn("not ready", "err", err)
			}
			if why != "" {
				writeText(w, http.StatusServiceUnavailable, "not ready: "+why)
				return
			}
		}
		writeText(w, http.StatusOK, "ready")
	})
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
