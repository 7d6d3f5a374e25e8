// Package sse writes streams of server-sent events.
//
// A [Feed] has what one client is to be sent; [Serve] sends it until the feed, the client or the time is at
// its end. A client that is slow gets the latest when it can, and is cut off when it takes
// nothing for [WriteTimeout]; nobody waits for it.
package sse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

var (
	// ErrUnavailable means that the record cannot be read at the moment. The log has the cause.
	ErrUnavailable = errors.New("the record cannot be read")
	// ErrFull means that there are as many subscribers as there may be.
	ErrFull = errors.New("there are too many subscribers")
)

// MaxSubscribers bounds what one process serves of a kind of stream: each has a goroutine and a
// connection of HTTP.
const MaxSubscribers = 10_000

const (
	// PingAfter is the longest silence on a stream.
	PingAfter = 15 * time.Second
	// WriteTimeout is how long a client may take nothing.
	WriteTimeout = 10 * time.Second
	// Longest is how long a stream goes on. Then the client comes again, with its last event id
	// and its credentials, which may have been withdrawn in the meantime.
	Longest = 30 * time.Minute
)

// Event is what a client is sent.
type Event struct {
	// Name is the event's type.
	Name string
	// ID is what the client comes again with.
	ID string
	// Data is on one line.
	Data []byte
}

// Feed has what one client is to be sent.
type Feed interface {
	// Changed receives when Next may have something, or Current is another, once for any number of changes.
	Changed() <-chan struct{}
	// Next returns what the client lacks, nil when that is nothing. more is false when there
	// will be nothing after it.
	Next() (e *Event, more bool)
	// Current reports whether the record can be read, so that Next knows of all changes.
	Current() bool
}

// Serve writes a stream until the feed is at its end, the client is gone, the server drains (both
// end ctx), or half an hour is over: each time the client may come again with the id of the
// last event.
//
//	event, id, data            what the feed has
//	event: ping, data: {}      nothing has changed for 15 seconds, or the record can be read again
//	event: unread, data: {}    the record cannot be read, so that nobody knows what has changed: at once, then every 15 seconds
//
// The error says that the client did not take what was written.
func Serve(ctx context.Context, w http.ResponseWriter, feed Feed) error {
	ctx, cancel := context.WithTimeout(ctx, Longest)
	defer cancel()
	out := writer{w, http.NewResponseController(w)}
	silence := time.NewTicker(PingAfter)
	defer silence.Stop()
	current := true
	for {
		e, more := feed.Next()
		if e != nil {
			if err := out.write("event: %s\nid: %s\ndata: %s\n\n", e.Name, e.ID, e.Data); err != nil {
				return err
			}
			silence.Reset(PingAfter)
		}
		if !more {
			return nil
		}
		due := false
		if now := feed.Current(); now != current {
			current, due = now, true
		} else {
			select {
			case <-ctx.Done():
				return nil
			case <-feed.Changed():
			case <-silence.C:
				due = true
			}
		}
		if due {
			if err := out.write("event: %s\ndata: {}\n\n", standing(current)); err != nil {
				return err
			}
			silence.Reset(PingAfter)
		}
	}
}

// standing names the event that says whether the record can be read.
func standing(current bool) string {
	if current {
		return "ping"
	}
	return "unread"
}

// Open sends the headers of a stream. The read deadline of the server is lifted: when it
// passes, the server takes the client for gone. The error, before anything was sent, says
// that w cannot serve streams: whatever wraps it needs a method Unwrap.
func Open(w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Now().Add(WriteTimeout))); err != nil {
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
	if err := o.control.SetWriteDeadline(time.Now().Add(WriteTimeout)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(o.w, format, args...); err != nil {
		return err
	}
	return o.control.Flush()
}
