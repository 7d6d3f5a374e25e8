package exporter_test

import (
	"log/slog"
	"net/http"
	"testing"

	"tidemark/exporter"
	"tidemark/shared/local/localtest"
)

func TestMain(m *testing.M) { localtest.VerifyNoLeaks(m) }

// serve returns the handler of an exporter with these options and a silent log.
func serve(t *testing.T, o exporter.Options) http.Handler {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	e, err := exporter.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e.Handler()
}
