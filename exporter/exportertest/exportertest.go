// Package exportertest hands the exporter's tests a record with something in every bucket.
package exportertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
)

//go:embed fixture.sql
var fixture string

// Record returns a pool on a database with fixture.sql.
func Record(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := localtest.Pool(t)
	if _, err := pool.Exec(t.Context(), fixture); err != nil {
		t.Fatal(err)
	}
	return pool
}

// SecretUser is the database user of [Away], which no answer may name.
const SecretUser = "secretuser"

// Away returns a pool on an address where nothing listens.
func Away(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Connect(context.Background(), postgres.Options{URL: "postgres:///tidemark?user=" + SecretUser + "&host=" + t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Request sends one request with these headers, in pairs, and returns the answer with its body.
func Request(h http.Handler, method, target string, headers ...string) (*http.Response, string) {
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

// Get is a GET request.
func Get(h http.Handler, target string, headers ...string) (*http.Response, string) {
	return Request(h, http.MethodGet, target, headers...)
}

// WantProblem checks an error answer and that its detail says this.
func WantProblem(t testing.TB, answer *http.Response, body string, status int, detail string) {
	t.Helper()
	var p struct {
		Type, Title, Detail string
		Status              int
	}
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("%s: %v: %s", answer.Status, err, body)
	}
	if answer.StatusCode != status || p.Status != status || p.Title != http.StatusText(status) || p.Type != "about:blank" ||
		answer.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(p.Detail, detail) {
		t.Errorf("got %s %s %+v, want %d with %q", answer.Status, answer.Header.Get("Content-Type"), p, status, detail)
	}
}
