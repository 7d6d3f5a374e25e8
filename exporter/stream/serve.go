package stream

import (
	"context"
	"net/http"

	"tidemark/exporter/sse"
)

// Source is a [Subscription].
type Source interface {
	Changed() <-chan struct{}
	Latest() (Snapshot, bool)
	Current() bool
}

// Serve writes a stream of [sse.Serve]: event pipeline-update has the pipeline, if it is not what
// lastEventID stands for, and again when it has changed. The stream ends when the pipeline is done
// or gone. A client that comes again with the id of the last event misses nothing.
//
// visible ends the stream when the pipeline has come to touch what its watcher may not see.
func Serve(ctx context.Context, w http.ResponseWriter, from Source, lastEventID string, visible func(Snapshot) bool) error {
	return sse.Serve(ctx, w, &feed{Source: from, sent: lastEventID, visible: visible})
}

// feed has what a client lacks of a pipeline.
type feed struct {
	Source
	// sent is the version that the client has.
	sent    string
	visible func(Snapshot) bool
}

// Next implements [sse.Feed].
func (f *feed) Next() (*sse.Event, bool) {
	latest, ok := f.Latest()
	if !ok || !f.visible(latest) {
		return nil, false
	}
	if latest.Version == f.sent {
		return nil, !latest.Done
	}
	f.sent = latest.Version
	return &sse.Event{Name: "pipeline-update", ID: latest.Version, Data: latest.Data}, !latest.Done
}
