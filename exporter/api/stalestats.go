package api

import (
	"context"
	"net/http"
	"time"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/web"
)

// defaultOlderThan is the contract's, whatever cutoff the metrics have.
const defaultOlderThan = 60 * time.Minute

// staleDetail is a stale scope with what its latest aggregation hides.
type staleDetail struct {
	freshness.StaleScope
	// LastSuccessAt is when the latest aggregation that wrote its data finished.
	LastSuccessAt *time.Time `json:"last_success_at"`
	// LastResult is that of the latest aggregation that finished.
	LastResult *job.Result `json:"last_result"`
	// PendingSince is when the aggregation that waits or runs was asked for.
	PendingSince *time.Time `json:"pending_since"`
}

// staleStats answers GET /v1/sync/health/stale-stats: an array of the stale scopes.
func (a *API) staleStats(w http.ResponseWriter, r *http.Request, c caller) error {
	query, err := parametersOf(r)
	if err != nil {
		return err
	}
	olderThan, err := query.minutes("older_than_minutes", defaultOlderThan)
	if err != nil {
		return err
	}
	detail, err := query.truth("detail", false)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	snapshot, err := freshness.TakeSnapshot(ctx, a.opts.Pool)
	if err != nil {
		return err
	}
	scopes := map[[2]int]freshness.Scope{}
	for _, s := range snapshot.Scopes {
		scopes[[2]int{s.ModuleType, s.Year}] = s
	}
	stale, details := []freshness.StaleScope{}, []staleDetail{}
	for _, s := range freshness.Stale(snapshot, olderThan) {
		if !c.MayView(s.ModuleType) {
			continue
		}
		stale = append(stale, s)
		scope := scopes[[2]int{s.ModuleType, s.Year}]
		details = append(details, staleDetail{s, scope.LastSuccessAt, scope.LastResult, scope.PendingSince()})
	}
	if detail {
		web.JSON(w, http.StatusOK, details)
	} else {
		web.JSON(w, http.StatusOK, stale)
	}
	return nil
}
