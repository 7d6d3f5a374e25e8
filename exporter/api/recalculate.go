package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/postgres"
	"tidemark/shared/web"
)

const (
	// maxBody bounds the body of a request in bytes, maxReason the reason in it in characters.
	maxBody   = 4 << 10
	maxReason = 500
	// startAttempts is how often a request that met a deadlock is tried in all.
	startAttempts = 5

	minYear = 1900
	maxYear = 2200
)

const (
	headerIdempotencyKey = "Idempotency-Key"
	headerReplayed       = "Idempotency-Replayed"
)

// wanted is a request as it came in.
type wanted struct {
	module catalog.Module
	// dataEntryType is nil for all of the module that can be computed.
	dataEntryType *catalog.DataEntryType
	year          int
	onlyStale     bool
	reason        string
	// pipeline is uuid.Nil without an idempotency key.
	pipeline uuid.UUID
}

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
	DataEntryType int      `json:"data_entry_type_id"`
	Year          int      `json:"year"`
	// Outcome is created, or joined where such a job waited already.
	Outcome string `json:"outcome"`
}

// recalculate answers POST /v1/sync/recalculate-emissions/{module}[/{data_entry_type}].
func (a *API) recalculate(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := a.limit(w, c); err != nil {
		return err
	}
	want, err := a.wanted(w, r, c)
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
	if want.dataEntryType == nil {
		answer.Message = fmt.Sprintf("Module emission recalculation scheduled for %d data entry types", len(started.Tickets))
	}
	for _, t := range started.Tickets {
		answer.Jobs = append(answer.Jobs, scheduledJob{t.JobID, t.Scope.Type, t.Scope.ModuleType, t.Scope.DataEntryType, t.Scope.Year, t.Outcome()})
	}
	return answer
}

// wanted reads a request.
func (a *API) wanted(w http.ResponseWriter, r *http.Request, c caller) (want wanted, err error) {
	query, err := parametersOf(r)
	if err != nil {
		return want, err
	}
	if want.module, err = catalog.ParseModule(r.PathValue("module")); err != nil {
		return want, invalid(err.Error())
	}
	if text := r.PathValue("data_entry_type"); text != "" {
		t, err := catalog.ParseDataEntryType(text, want.module.DataEntryTypes)
		if err == nil {
			err = t.CheckCalculated()
		}
		if err != nil {
			return want, invalid(err.Error())
		}
		want.dataEntryType = &t
	}
	if err := query.require("?year=2025", "year"); err != nil {
		return want, err
	}
	if want.year, err = query.integerIn("year", minYear, maxYear, 0); err != nil {
		return want, err
	}
	// As in the original: who names a type means it, who names a module means what is stale.
	if want.onlyStale, err = query.truth("only_stale", want.dataEntryType == nil); err != nil {
		return want, err
	}
	if want.pipeline, err = idempotentPipeline(c.Name, r.Header.Values(headerIdempotencyKey)); err != nil {
		return want, err
	}
	want.reason, err = reasonOf(w, r)
	return want, err
}

var idempotencyKeySyntax = regexp.MustCompile(`^[ -~]{1,255}$`)

// idempotencySpace keeps pipeline ids made of keys apart from other ids of that kind.
var idempotencySpace = uuid.MustParse("5b0f7f6e-2b1c-4b53-9a5e-7c1d0d3f8a11")

// idempotentPipeline makes the pipeline id of a key: the same for the same caller and key.
func idempotentPipeline(name string, keys []string) (uuid.UUID, error) {
	switch {
	case len(keys) == 0:
		return uuid.Nil, nil
	case len(keys) > 1 || !idempotencyKeySyntax.MatchString(keys[0]):
		return uuid.Nil, invalid(headerIdempotencyKey + ": it must be there once, with 1 to 255 printable ASCII characters, for example a uuid")
	}
	return uuid.NewSHA1(idempotencySpace, []byte(name+"\x00"+keys[0])), nil
}

// reasonOf reads the body: nothing, or a JSON object with a reason.
func reasonOf(w http.ResponseWriter, r *http.Request) (string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return "", &refusal{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes: it holds a reason and nothing else", maxBody)}
	}
	if err != nil {
		return "", &refusal{http.StatusBadRequest, "the body did not arrive"}
	}
	if len(body) == 0 {
		return "", nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return "", &refusal{http.StatusUnsupportedMediaType, `the body must be of the Content-Type application/json, for example {"reason": "factors corrected"}; or leave it out`}
	}
	return parseReason(body)
}

func parseReason(body []byte) (string, error) {
	var given struct {
		Reason string `json:"reason"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&given); err != nil {
		return "", invalid(`the body must be a JSON object such as {"reason": "factors corrected"}`)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", invalid("the body must be one JSON object, with nothing behind it")
	}
	if utf8.RuneCountInString(given.Reason) > maxReason {
		return "", invalid(fmt.Sprintf("the reason must have at most %d characters", maxReason))
	}
	return given.Reason, nil
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
			ledger.NewPipeline{ID: want.pipeline, Kind: job.EmissionRecalc, ModuleType: want.module.ID, Year: want.year},
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
