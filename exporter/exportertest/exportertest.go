// Package exportertest hands the exporter's tests a record with something in every bucket, or Redis with something in every queue.
package exportertest

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/shared/local/localtest"
	"tidemark/shared/postgres"
	"tidemark/shared/signal"
)

//go:embed fixture.sql
var fixture string

// Record returns a pool on a database with fixture.sql.
func Record(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool := localtest.Pool(t)
	FillRecord(t, pool)
	return pool
}

// FillRecord writes fixture.sql into a migrated database.
func FillRecord(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	if _, err := pool.Exec(t.Context(), fixture); err != nil {
		t.Fatal(err)
	}
}

// Queues returns a client of a Redis database with something in every state.
func Queues(t testing.TB) redis.UniversalClient {
	t.Helper()
	rdb := Redis(t, localtest.Redis(t))
	FillQueues(t, rdb)
	return rdb
}

// Redis returns a client that is closed when the test ends.
func Redis(t testing.TB, url string) redis.UniversalClient {
	t.Helper()
	rdb, err := signal.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rdb.Close() })
	return rdb
}

// FillQueues writes what asynq would have left of busy queues, without asynq's clock: an
// aggregation that a stopping worker handed back before two that wait since noon and a minute
// later, one worker for both queues, and recalculations that are paused.
func FillQueues(t testing.TB, rdb redis.UniversalClient) {
	t.Helper()
	const (
		aggregation, recalc = "asynq:{aggregation}:", "asynq:{emission_recalc}:"
		noon                = 1735732800 // 2025-01-01 12:00 UTC
		worker              = "asynq:servers:{host:1:a}"
		// asynq's ServerInfo: queues aggregation (priority 2) and emission_recalc (1), status active.
		serverInfo = "\x2a\x0f\n\vaggregation\x10\x02\x2a\x13\n\x0femission_recalc\x10\x01\x3a\x06active"
	)
	ctx := t.Context()
	_, err := rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.LPush(ctx, aggregation+"pending", "handed back", "first", "second")
		p.HSet(ctx, aggregation+"t:handed back", "state", "pending")
		p.HSet(ctx, aggregation+"t:first", "pending_since", int64(noon*time.Second))
		p.HSet(ctx, aggregation+"t:second", "pending_since", int64((noon+60)*time.Second))
		p.LPush(ctx, aggregation+"active", "runs")
		for _, failed := range []string{"failed", "failed too", "failed as well"} {
			p.ZAdd(ctx, aggregation+"archived", redis.Z{Score: noon, Member: failed})
		}
		p.Set(ctx, recalc+"paused", noon, 0)
		for place, n := range map[string]int{"scheduled": 1, "retry": 2, "completed": 3} {
			for i := range n {
				p.ZAdd(ctx, recalc+place, redis.Z{Score: noon, Member: place + strconv.Itoa(i)})
			}
		}
		p.SAdd(ctx, recalc+"groups", "g")
		p.ZAdd(ctx, recalc+"g:g", redis.Z{Score: noon, Member: "in a group"})
		p.ZAdd(ctx, "asynq:servers", redis.Z{Score: math.MaxInt32, Member: worker})
		p.Set(ctx, worker, serverInfo, 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
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
