package api

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"tidemark/exporter/sse"
	"tidemark/exporter/stream"
)

var versionSyntax = regexp.MustCompile(`^[0-9a-f]{32}$`)

// lastEventID is what the client saw last. What is no id of ours stands for nothing.
func lastEventID(h http.Header) string {
	if id := h.Get(headerLastEventID); versionSyntax.MatchString(id) {
		return id
	}
	return ""
}

// pipelineStream answers GET /v1/sync/pipelines/{id}/stream. Whatever keeps the stream from
// being is answered before it begins. A client that has seen the end already gets 204, which
// tells browsers not to come again.
func (a *API) pipelineStream(w http.ResponseWriter, r *http.Request, c caller) error {
	id, err := pipelineID(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), queryTimeout)
	defer cancel()
	subscription, err := a.hub.Subscribe(ctx, id)
	switch {
	case errors.Is(err, stream.ErrNotFound):
		return noPipeline(id)
	case errors.Is(err, sse.ErrFull):
		return tooManyStreams(w)
	case err != nil:
		return err
	}
	defer subscription.Close()
	visible := func(s stream.Snapshot) bool { return c.mayViewAll(s.Modules) }
	seen := lastEventID(r.Header)
	now, ok := subscription.Latest()
	switch {
	case !ok:
		return noPipeline(id)
	case !visible(now):
		return notYours(c, id)
	case now.Done && now.Version == seen:
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if !a.openStream(w, r, c) {
		return nil
	}
	if err := stream.Serve(r.Context(), w, subscription, seen, visible); err != nil {
		a.opts.Logger.Debug("stream not delivered", "pipeline", id, "request_id", c.requestID, "err", err)
	}
	return nil
}
