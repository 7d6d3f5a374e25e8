package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/web"
)

// startAttempts is how often a request that met a deadlock is tried in all.
const startAttempts = 5

// scheduledAnswer is the original's answer, with what became of each scope.
type scheduledAnswer struct {
	JobID      int64          `json:"job_id"`
	State      int            `json:"state"`
	Message    string         `json:"message"`
	Progress   *int           `json:"progress"`
	PipelineID uuid.UUID      `json:"pipeline_id"`
	Jobs       []scheduledJob `json:"jobs"`
}

type scheduledJob struct {
	JobID         int64    `json:"job_id"`
	Type          job.Type `json:"job_type"`
	ModuleType    int      `json:"module_type_id"`
	DataEntryType *int     `json:"data_entry_type_id"` // nil (null) of an aggregation
	Year          int      `json:"year"`
	// Outcome is created, or joined where such a job waited already.
	Outcome string `json:"outcome"`
}

// recalculate answers POST /v1/sync/recalculate-emissions/{module}[/{data_entry_type}].
func (a *API) recalculate(w http.ResponseWriter, r *http.Request, c caller) error {
	return a.request(w, r, c, job.EmissionRecalc)
}

// aggregate answers POST /v1/sync/aggregate/{module}.
func (a *API) aggregate(w http.ResponseWriter, r *http.Request, c caller) error {
	return a.request(w, r, c, job.Aggregation)
}

// request records what is wanted and wakes the workers.
func (a *API) request(w http.ResponseWriter, r *http.Request, c caller, kind job.Type) error {
	if err := a.limit(w, c); err != nil {
		return err
	}
	want, err := wantedBy(w, r, c, kind)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	started, err := a.start(ctx, c, want)
	if err != nil {
		return err
	}
	a.opts.Logger.Info("requested", "actor", c.Name, "request_id", c.requestID, "pipeline", started.Pipeline, "jobs", len(started.Tickets), "replayed", started.Replayed)
	a.metrics.requested(started)
	if started.Replayed {
		w.Header().Set(headerReplayed, "true")
	} else {
		a.signal(ctx, c, started.Tickets)
	}
	web.JSON(w, http.StatusAccepted, scheduledAnswerOf(want, started))
	return nil
}

// limit refuses a caller who requests too often.
func (a *API) limit(w http.ResponseWriter, c caller) error {
	wait := a.opts.Limiter.Take(c.Principal)
	if wait <= 0 {
		return nil
	}
	w.Header().Set("Retry-After", seconds(wait))
	return &refusal{http.StatusTooManyRequests, fmt.Sprintf("%s requests too often: try again in %s s", c.Name, seconds(wait))}
}

// signal wakes workers for what is recorded. That nobody could be woken costs time only, for the relay does it.
func (a *API) signal(ctx context.Context, c caller, tickets []ledger.Ticket) {
	if a.opts.Signals == nil || len(tickets) == 0 {
		return
	}
	if err := a.opts.Signals.Send(ctx, tickets...); err != nil {
		a.opts.Logger.Warn("the workers could not be woken; the scheduler will do it", "request_id", c.requestID, "err", err)
	}
}

func scheduledAnswerOf(want wanted, started ledger.Started) scheduledAnswer {
	answer := scheduledAnswer{JobID: started.Tickets[0].JobID, PipelineID: started.Pipeline, Message: "Emission recalculation scheduled"}
	switch {
	case want.kind == job.Aggregation:
		answer.Message = "Aggregation scheduled"
	case want.dataEntryType == nil:
		answer.Message = fmt.Sprintf("Module emission recalculation scheduled for %d data entry types", len(started.Tickets))
	}
	for _, t := range started.Tickets {
		j := scheduledJob{JobID: t.JobID, Type: t.Scope.Type, ModuleType: t.Scope.ModuleType, Year: t.Scope.Year, Outcome: t.Outcome()}
		if t.Scope.Type == job.EmissionRecalc {
			j.DataEntryType = &t.Scope.DataEntryType
		}
		answer.Jobs = append(answer.Jobs, j)
	}
	return answer
}

// start records the request, or finds the one it repeats.
func (a *API) start(ctx context.Context, c caller, want wanted) (ledger.Started, error) {
	candidates, err := want.candidates()
	if err != nil {
		return ledger.Started{}, err
	}
	// A repetition is answered first: what was stale then may be fresh now.
	if started, err := a.replay(ctx, want, candidates); !errors.Is(err, ledger.ErrNotFound) {
		return started, err
	}
	scopes, err := a.scopes(ctx, want, candidates)
	if err != nil {
		return ledger.Started{}, err
	}
	var started ledger.Started
	err = postgres.InTx(ctx, a.opts.Pool, startAttempts, func(tx pgx.Tx) (err error) {
		started, err = a.ledger.Start(ctx, tx,
			ledger.NewPipeline{ID: want.pipeline, Kind: want.kind, ModuleType: want.module.ID, Year: want.year},
			ledger.Origin{Actor: c.Name, Via: ledger.ViaHTTP, Reason: want.reason, RequestID: c.requestID}, scopes...)
		return err
	})
	if errors.Is(err, ledger.ErrConflictingReplay) {
		// Another request with this key came in between.
		return a.replay(ctx, want, candidates)
	}
	return started, err
}

// candidates are the scopes that the request may come to.
func (want wanted) candidates() ([]job.Scope, error) {
	if want.kind == job.Aggregation {
		return []job.Scope{job.AggregationOf(want.module.ID, want.year)}, nil
	}
	types := want.module.DataEntryTypes
	if want.dataEntryType != nil {
		types = []catalog.DataEntryType{*want.dataEntryType}
	}
	var scopes []job.Scope
	for _, t := range types {
		if t.Calculated() {
			scopes = append(scopes, job.RecalcOf(want.module.ID, t.ID, want.year))
		}
	}
	if len(scopes) == 0 {
		return nil, invalid(fmt.Sprintf("module type %s: Tidemark computes none of its data entry types", want.module.Name))
	}
	slices.SortFunc(scopes, job.Scope.Compare)
	return scopes, nil
}

// replay finds the request that this one repeats, or returns [ledger.ErrNotFound].
func (a *API) replay(ctx context.Context, want wanted, candidates []job.Scope) (ledger.Started, error) {
	if want.pipeline == uuid.Nil {
		return ledger.Started{}, ledger.ErrNotFound
	}
	first, err := a.ledger.Replay(ctx, a.opts.Pool, want.pipeline)
	if err != nil {
		return ledger.Started{}, err
	}
	same := want.onlyStale || len(first.Tickets) == len(candidates)
	for _, t := range first.Tickets {
		same = same && slices.Contains(candidates, t.Scope)
	}
	if !same {
		return ledger.Started{}, invalid("this " + headerIdempotencyKey + " was used for another request: use a new one for each, and the same one only to repeat it")
	}
	return first, nil
}

// scopes are what is to be computed. A scope that no report declares is refused.
func (a *API) scopes(ctx context.Context, want wanted, candidates []job.Scope) ([]job.Scope, error) {
	years, err := freshness.DeclaredYears(ctx, a.opts.Pool, want.module.ID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(years, want.year) {
		return nil, &refusal{http.StatusConflict, fmt.Sprintf("no report of %d has the module %s; there are reports for the years %v", want.year, want.module.Name, years)}
	}
	if !want.onlyStale {
		return candidates, nil
	}
	all, err := freshness.Recalculations(ctx, a.opts.Pool, want.year)
	if err != nil {
		return nil, err
	}
	var stale []job.Scope
	for _, r := range all {
		if scope := job.RecalcOf(r.ModuleType, r.DataEntryType, r.Year); r.Needed() && slices.Contains(candidates, scope) {
			stale = append(stale, scope)
		}
	}
	if len(stale) == 0 {
		return nil, &refusal{http.StatusBadRequest, "No data entry types require recalculation for this module: only_stale=false requests it all the same"}
	}
	return stale, nil
}
