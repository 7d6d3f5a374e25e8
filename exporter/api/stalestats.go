package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/web"
)

// defaultOlderThan is the contract's, whatever cutoff the metrics have.
const defaultOlderThan = 60 * time.Minute

// scopeDetail is a scope that is stale or has drifted, with what its latest aggregation hides.
type scopeDetail struct {
	freshness.StaleScope
	// Why is null for a scope that has only drifted. It stands before the field of StaleScope.
	Why *freshness.Why `json:"why_stale"`
	// LastSuccessAt is when the latest aggregation that wrote its data finished.
	LastSuccessAt *time.Time `json:"last_success_at"`
	// LastResult is that of the latest aggregation that finished.
	LastResult *job.Result `json:"last_result"`
	// PendingSince is when the aggregation that waits or runs was asked for.
	PendingSince *time.Time `json:"pending_since"`
	// Drift is null where no aggregation wrote data yet.
	Drift *freshness.Drift `json:"drift"`
	// DriftedSince is when the first change was made that is not covered yet.
	DriftedSince *time.Time `json:"drifted_since"`
}

// detailsOf describes the stale scopes, and those that have only drifted.
func detailsOf(snapshot freshness.Snapshot, stale []freshness.StaleScope) []scopeDetail {
	byScope := make(map[[2]int]freshness.StaleScope, len(stale))
	for _, s := range stale {
		byScope[[2]int{s.ModuleType, s.Year}] = s
	}
	details := []scopeDetail{}
	for _, s := range snapshot.Scopes {
		entry, isStale := byScope[[2]int{s.ModuleType, s.Year}]
		if !isStale && s.Drift != freshness.Drifted {
			continue
		}
		d := scopeDetail{StaleScope: entry, LastSuccessAt: s.LastSuccessAt, LastResult: s.LastResult, PendingSince: s.PendingSince(), DriftedSince: s.DriftedSince}
		if isStale {
			d.Why = &entry.Why
		} else {
			d.StaleScope = freshness.StaleScope{ModuleType: s.ModuleType, Year: s.Year, LastFinishedAt: s.Latest.FinishedAt, LastJobID: &s.Latest.ID}
		}
		if s.Drift != freshness.NothingAggregated {
			d.Drift = &s.Drift
		}
		details = append(details, d)
	}
	return details
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
	snapshot.Scopes = slices.DeleteFunc(snapshot.Scopes, func(s freshness.Scope) bool { return !c.MayView(s.ModuleType) })
	stale := freshness.Stale(snapshot, olderThan)
	if detail {
		web.JSON(w, http.StatusOK, detailsOf(snapshot, stale))
	} else {
		web.JSON(w, http.StatusOK, stale)
	}
	return nil
}
