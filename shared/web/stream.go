package web

import (
	"context"
	"mime"
	"net/http"
)

// endStreams ends the context of a request that is answered by a stream when draining ends.
// What is a stream shows in its answer, so a handler need not know of the drain.
func endStreams(draining context.Context, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, end := context.WithCancel(r.Context())
		defer end()
		watch := &streamWatch{ResponseWriter: w, begun: func() (stop func() bool) { return context.AfterFunc(draining, end) }}
		defer func() {
			if watch.stop != nil {
				watch.stop()
			}
		}()
		next.ServeHTTP(watch, r.WithContext(ctx))
	})
}

// streamWatch sees by the header of an answer whether it is a stream.
type streamWatch struct {
	http.ResponseWriter
	// begun is called for a stream; what it returns undoes it.
	begun func() (stop func() bool)
	stop  func() bool
	// sent is true from the header on.
	sent bool
}

func (w *streamWatch) WriteHeader(status int) {
	w.look()
	w.ResponseWriter.WriteHeader(status)
}

func (w *streamWatch) Write(b []byte) (int, error) {
	w.look()
	return w.ResponseWriter.Write(b)
}

// FlushError sends the header too.
func (w *streamWatch) FlushError() error {
	w.look()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush is for those who do not use [http.ResponseController].
func (w *streamWatch) Flush() { _ = w.FlushError() }

// Unwrap lets [http.ResponseController] reach the deadlines of the connection.
func (w *streamWatch) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *streamWatch) look() {
	if w.sent {
		return
	}
	w.sent = true
	if kind, _, err := mime.ParseMediaType(w.Header().Get("Content-Type")); err == nil && kind == "text/event-stream" {
		w.stop = w.begun()
	}
}
