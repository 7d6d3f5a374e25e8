package exporter_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"tidemark/exporter"
	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

func TestMain(m *testing.M) {
	// The test servers are started on first use and end with the binary.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).Wait"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).Start.func2"),
		goleak.IgnoreAnyFunction("os/exec.(*Cmd).writerDescriptor.func1"))
}

// fixture returns a pool on a database with testdata/fixture.sql.
func fixture(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := localtest.Pool(t)
	sql, err := os.ReadFile("testdata/fixture.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), string(sql)); err != nil {
		t.Fatal(err)
	}
	return pool
}

// away returns a pool on an address where nothing listens.
func away(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Connect(context.Background(), postgres.Options{URL: "postgres:///tidemark?user=secretuser&host=" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// serve returns the handler of an exporter with these options and a silent log.
func serve(t *testing.T, o exporter.Options) http.Handler {
	t.Helper()
	o.Logger = slog.New(slog.DiscardHandler)
	o.Version = "1.2.3"
	e, err := exporter.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e.Handler()
}

// request sends one request with these headers, in pairs, and returns the answer with its body.
func request(h http.Handler, method, target string, headers ...string) (*http.Response, string) {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	answer := w.Result()
	body, _ := io.ReadAll(answer.Body)
	return answer, string(body)
}

// get is a GET request.
func get(h http.Handler, target string, headers ...string) (*http.Response, string) {
	return request(h, http.MethodGet, target, headers...)
}
