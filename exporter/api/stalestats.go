package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"tidemark/shared/freshness"
	"tidemark/shared/web"
)

// defaultOlderThanMinutes is the contract's, whatever cutoff the metrics have.
const defaultOlderThanMinutes = 60

// staleStats answers GET /v1/sync/health/stale-stats: an array of the stale scopes.
func (a *API) staleStats(w http.ResponseWriter, r *http.Request) {
	olderThan, err := olderThanMinutes(r)
	if err != nil {
		web.Problem(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	snapshot, err := freshness.TakeSnapshot(ctx, a.opts.Pool)
	if err != nil {
		a.unavailable(w, r, err)
		return
	}
	web.JSON(w, http.StatusOK, freshness.Stale(snapshot, olderThan))
}

// olderThanMinutes reads the cutoff: a whole number of minutes from 1, without an
// upper bound.
func olderThanMinutes(r *http.Request) (time.Duration, error) {
	const name = "older_than_minutes"
	query := r.URL.Query()
	if !query.Has(name) {
		return defaultOlderThanMinutes * time.Minute, nil
	}
	minutes, err := strconv.ParseInt(query.Get(name), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s = %q: it must be an integer", name, query.Get(name))
	}
	if minutes < 1 {
		return 0, fmt.Errorf("%s = %d: it must be 1 or more", name, minutes)
	}
	// Beyond the longest duration, some 292 years, nothing can be too old.
	return time.Duration(min(minutes, int64(math.MaxInt64/time.Minute))) * time.Minute, nil
}
