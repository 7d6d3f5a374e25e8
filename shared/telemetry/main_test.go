package telemetry_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"tidemark/shared/local/localtest"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

var quiet = slog.New(slog.DiscardHandler)

// ask sends one request with these headers, in pairs.
func ask(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
