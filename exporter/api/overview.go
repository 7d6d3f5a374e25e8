package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"tidemark/exporter/overview"
	"tidemark/exporter/sse"
	"tidemark/shared/web"
)

// OverviewPath is the route of the overview.
const OverviewPath = "/v1/sync/overview"

// overviewAnswer is an overview with what its stream may go on from.
type overviewAnswer struct {
	overview.Overview
	EventID string `json:"event_id"`
}

// overview answers GET /v1/sync/overview: every scope that the caller may see, with what is under way in it.
func (a *API) overview(w http.ResponseWriter, r *http.Request, c caller) error {
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	o, eventID, err := a.watch.Look(ctx)
	if err != nil {
		return err
	}
	web.JSON(w, http.StatusOK, overviewAnswer{o.Visible(c.MayView), eventID(c.MayView)})
	return nil
}

// overviewStream answers GET /v1/sync/overview/stream. A browser sends the header only when it comes again,
// so what it has read before it came first stands in the query.
func (a *API) overviewStream(w http.ResponseWriter, r *http.Request, c caller) error {
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	subscription, err := a.watch.Subscribe(ctx)
	switch {
	case errors.Is(err, sse.ErrFull):
		return tooManyStreams(w)
	case err != nil:
		return err
	}
	defer subscription.Close()
	if !a.openStream(w, r, c) {
		return nil
	}
	if err := sse.Serve(r.Context(), w, subscription.Feed(cmp.Or(r.Header.Get(headerLastEventID), r.URL.Query().Get("last_event_id")), c.MayView)); err != nil {
		a.opts.Logger.Debug("stream not delivered", "path", r.URL.Path, "request_id", c.requestID, "err", err)
	}
	return nil
}

const headerLastEventID = "Last-Event-ID"

// fullPause is when to try again where there are too many streams.
const fullPause = providerPause

func tooManyStreams(w http.ResponseWriter) error {
	w.Header().Set("Retry-After", seconds(fullPause))
	return &refusal{http.StatusServiceUnavailable, "there are too many streams: try again later, or ask for the answer without stream now and then"}
}

// openStream begins a stream, false where that was all there is to do.
func (a *API) openStream(w http.ResponseWriter, r *http.Request, c caller) bool {
	if err := sse.Open(w); err != nil {
		a.opts.Logger.Error("streams cannot be served", "request_id", c.requestID, "err", err)
		web.Problem(w, http.StatusInternalServerError, "this server cannot serve streams; its log says why")
		return false
	}
	return r.Method != http.MethodHead
}
