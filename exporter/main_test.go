package exporter_test

import (
	"log/slog"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"tidemark/exporter"
)

func TestMain(m *testing.M) {
	// The test servers are started on first use and end with the binary; what a test had there
	// may still be dropped.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("tidemark/shared/local/localtest.drop.func1"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).Start.func2"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
}

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
