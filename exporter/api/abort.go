package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"tidemark/shared/ledger"
	"tidemark/shared/web"
)

// busyPause is when to try again after an abort that could not have its locks.
const busyPause = time.Second

// abortAnswer is what became of the pipeline and its jobs, with the original's fields.
type abortAnswer struct {
	ledger.Aborted
	// EndedIDs and By are the ended ones of Jobs, and Actor, as the original names them.
	EndedIDs []int64 `json:"aborted_job_ids"`
	By       string  `json:"aborted_by"`
}

// abort answers POST /v1/sync/pipelines/{id}/abort.
func (a *API) abort(w http.ResponseWriter, r *http.Request, c caller) error {
	if err := a.limit(w, c); err != nil {
		return err
	}
	id, err := pipelineID(r)
	if err != nil {
		return err
	}
	reason, err := reasonOf(w, r)
	if err != nil {
		return err
	}
	if strings.TrimSpace(reason) == "" {
		return invalid(`the reason is missing: people read it at the jobs that ended; for example {"reason": "wrong file"}`)
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	aborted, err := a.ledger.Abort(ctx, a.opts.Pool, id, ledger.Origin{Actor: c.Name, Via: ledger.ViaHTTP, Reason: reason, RequestID: c.requestID})
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return noPipeline(id)
	case errors.Is(err, ledger.ErrBusy):
		w.Header().Set("Retry-After", seconds(busyPause))
		return &refusal{http.StatusServiceUnavailable, err.Error()}
	case err != nil:
		return err
	}
	a.opts.Logger.Info("abort", "actor", c.Name, "request_id", c.requestID, "pipeline", id, "outcome", aborted.Outcome, "jobs", len(aborted.Jobs))
	a.metrics.aborted(aborted)
	a.signal(ctx, c, aborted.Tickets)
	web.JSON(w, http.StatusOK, abortAnswerOf(aborted))
	return nil
}

func abortAnswerOf(aborted ledger.Aborted) abortAnswer {
	answer := abortAnswer{Aborted: aborted, EndedIDs: []int64{}, By: aborted.Actor}
	answer.At = utc(aborted.At)
	for _, j := range aborted.Jobs {
		if j.Outcome == ledger.AbortEnded {
			answer.EndedIDs = append(answer.EndedIDs, j.JobID)
		}
	}
	return answer
}
