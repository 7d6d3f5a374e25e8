package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/shared/access"
	"tidemark/shared/explain"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// Pipelines by their last digit.
var (
	p1 = pipelineNo(1)
	p2 = pipelineNo(2)
	p3 = pipelineNo(3)
)

func pipelineNo(digit int) uuid.UUID {
	id := uuid.MustParse("00000000-0000-4000-8000-000000000000")
	id[15] = byte(digit)
	return id
}

// accounts are the tokens that are known, each with its owner's rights.
var accounts = map[string][]access.Permission{
	"viewer":    {access.ViewAll},
	"operator":  {access.SyncAll},
	"operator2": {access.SyncAll},
	"traveller": {access.ModuleView("professional_travel")},
	"builder":   {access.ModuleView("buildings"), access.ModuleView("professional_travel")},
	"nobody":    nil,
}

// doorman knows the accounts. The provider of the token "away" does not answer.
type doorman struct{}

func (doorman) Authenticate(r *http.Request) (access.Principal, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return access.Principal{}, access.ErrNoCredentials
	}
	token := strings.TrimPrefix(header, "Bearer ")
	if token == "away" {
		return access.Principal{}, access.ErrUnavailable
	}
	permissions, ok := accounts[token]
	if !ok {
		return access.Principal{}, &access.BadCredentialsError{Reason: "the token is not known"}
	}
	return access.NewPrincipal(token, permissions...), nil
}

// signals keeps what was sent.
type signals struct {
	mu   sync.Mutex
	sent []ledger.Ticket
	err  error
}

func (s *signals) Send(_ context.Context, tickets ...ledger.Ticket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, tickets...)
	return s.err
}

// bundle is an API on a database of the test's own.
type bundle struct {
	t       *testing.T
	pool    *pgxpool.Pool
	signals *signals
	log     *lockedBuffer
	h       http.Handler
}

func setup(t *testing.T, change ...func(*Options)) *bundle {
	t.Helper()
	return setupOn(t, localtest.Pool(t), change...)
}

func setupOn(t *testing.T, pool *pgxpool.Pool, change ...func(*Options)) *bundle {
	t.Helper()
	b := &bundle{t: t, pool: pool, signals: &signals{}, log: &lockedBuffer{}}
	o := Options{Pool: pool, Logger: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Authenticator: doorman{}, Signals: b.signals,
		Limits: explain.Limits{OlderThan: time.Hour, MaxHold: ledger.DefaultMaxHold}}
	for _, f := range change {
		f(&o)
	}
	b.h = New(o).Handler()
	return b
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *lockedBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.String()
}

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string
}

// ask sends a request as the owner of a token ("" for none), with headers in pairs, and checks
// the answer against the document.
func (b *bundle) ask(token, method, target, body string, headers ...string) answer {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(body))
	if body == "" {
		r.Body = http.NoBody
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	result := w.Result()
	read, err := io.ReadAll(result.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	conforms(b.t, r, body, result, read)
	return answer{b.t, method + " " + target, result.StatusCode, result.Header, string(read)}
}

// get asks as one who may see everything.
func (b *bundle) get(target string) answer {
	b.t.Helper()
	return b.ask("viewer", http.MethodGet, target, "")
}

// is checks a good answer: the JSON that it must be, whatever the order of its keys.
func (a answer) is(want string) {
	a.t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		a.t.Fatalf("%s: %v", want, err)
	}
	if err := json.Unmarshal([]byte(a.body), &g); err != nil || a.status/100 != 2 || !reflect.DeepEqual(g, w) {
		a.t.Errorf("%s: got %d %s\nwant %s", a.what, a.status, a.body, want)
	}
}

// problem checks an error answer and that its detail says this.
func (a answer) problem(status int, detail string) {
	a.t.Helper()
	var p struct{ Detail string }
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || a.status != status || !strings.Contains(p.Detail, detail) {
		a.t.Errorf("%s: got %d %s, want %d with %q", a.what, a.status, a.body, status, detail)
	}
}

// into decodes a good answer.
func into[T any](a answer) (v T) {
	a.t.Helper()
	if a.status/100 != 2 {
		a.t.Fatalf("%s: %d %s", a.what, a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return v
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	if _, err := b.pool.Exec(b.t.Context(), sql, args...); err != nil {
		b.t.Fatal(err)
	}
}

// value reads one value.
func value[T any](b *bundle, sql string, args ...any) (v T) {
	b.t.Helper()
	if err := b.pool.QueryRow(b.t.Context(), sql, args...).Scan(&v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

// declare makes one report of the year with these modules.
func (b *bundle) declare(year int, modules ...int) {
	b.t.Helper()
	b.exec(`
WITH unit AS (
    INSERT INTO units (provider, institutional_code, name, level, is_active)
    SELECT 'DEFAULT', 'u' || count(*), 'unit', 4, true FROM units RETURNING id
), report AS (
    INSERT INTO carbon_reports (year, unit_id, overall_status) SELECT $1, id, 0 FROM unit RETURNING id
)
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id)
SELECT m, 0, report.id FROM report, unnest($2::int[]) AS m`, year, modules)
}

// pipeline writes the row of one.
func (b *bundle) pipeline(id uuid.UUID, kind, status string) {
	b.t.Helper()
	b.exec(`INSERT INTO pipelines (id, kind, status) VALUES ($1, nullif($2::text, ''), $3)`, id, kind, status)
}

// job writes a job: columns and values as in SQL, on top of what every job has.
func (b *bundle) job(columns, values string) (id int64) {
	b.t.Helper()
	return value[int64](b, `INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, requested_at, `+columns+`)
		VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, NULL, `+values+`) RETURNING id`)
}
