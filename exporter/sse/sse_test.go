package sse

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// connection is one that has deadlines.
type connection struct{ *httptest.ResponseRecorder }

func (connection) SetReadDeadline(time.Time) error  { return nil }
func (connection) SetWriteDeadline(time.Time) error { return nil }

// What [Serve] writes and when it ends is tested with the feeds, in packages stream and overview.

func TestOpen(t *testing.T) {
	t.Parallel()
	to := connection{httptest.NewRecorder()}
	if err := Open(to); err != nil {
		t.Fatal(err)
	}
	if h := to.Header(); to.Code != http.StatusOK || h.Get("Content-Type") != "text/event-stream" || h.Get("X-Accel-Buffering") != "no" || !to.Flushed {
		t.Errorf("%d %v, flushed %v", to.Code, h, to.Flushed)
	}
	// Something stands between us and the connection, and does not say what it wraps.
	if err := Open(httptest.NewRecorder()); !errors.Is(err, http.ErrNotSupported) || !strings.Contains(err.Error(), "Unwrap") {
		t.Errorf("got %v", err)
	}
}
