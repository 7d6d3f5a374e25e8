package stream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// pingAfter is the longest silence on a stream.
	pingAfter = 15 * time.Second
	// writeTimeout is how long a client may take nothing.
	writeTimeout = 10 * time.Second
	// longest is how long a stream goes on. Then the client comes again, with its last event id
	// and its credentials, which may have been withdrawn in the meantime.
	longest = 30 * time.Minute
)

// Source is a [Subscription].
type Source interface {
	Changed() <-chan struct{}
	Latest() (Snapshot, bool)
	Current() bool
}

// Serve writes a stream of server-sent events until the pipeline is done, the client or the
// pipeline is gone, the server drains (both end ctx), or half an hour is over: each time the
// client may come again with the id of the last event, and misses nothing.
//
//	event: pipeline-update, id, data   the pipeline, if it is not what lastEventID stands for; when it has changed
//	event: ping, data: {}              nothing has changed for 15 seconds
//	: the record cannot be read        instead of ping, when nobody knows whether something has
//
// visible ends the stream when the pipeline has come to touch what its watcher may not see.
// The error says that the client did not take what was written.
func Serve(ctx context.Context, w http.ResponseWriter, from Source, lastEventID string, visible func(Snapshot) bool) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	out := writer{w, http.NewResponseController(w)}
	silence := time.NewTicker(pingAfter)
	defer silence.Stop()
	for sent := lastEventID; ; {
		latest, ok := from.Latest()
		if !ok || !visible(latest) {
			return nil
		}
		if latest.Version != sent {
			if err := out.write("event: pipeline-update\nid: %s\ndata: %s\n\n", latest.Version, latest.Data); err != nil {
				return err
			}
			sent = latest.Version
			silence.Reset(pingAfter)
		}
		if latest.Done {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-from.Changed():
		case <-silence.C:
			alive := "event: ping\ndata: {}\n\n"
			if !from.Current() {
				alive = ": the record cannot be read\n\n"
			}
			if err := out.write("%s", alive); err != nil {
				return err
			}
		}
	}
}

// Open sends the headers of a stream. The read deadline of the server is lifted: when it
// passes, the server takes the client for gone. The error, before anything was sent, says
// that w cannot serve streams: whatever wraps it needs a method Unwrap.
func Open(w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Now().Add(writeTimeout))); err != nil {
		return fmt.Errorf("open stream: %w: what wraps the connection needs a method Unwrap", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect events
	w.WriteHeader(http.StatusOK)
	return control.Flush()
}

// writer sends events at once, each with a deadline of its own: the server's is for answers
// that end.
type writer struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (o writer) write(format string, args ...any) error {
	if err := o.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(o.w, format, args...); err != nil {
		return err
	}
	return o.control.Flush()
}
