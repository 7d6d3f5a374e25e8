package console_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
	"tidemark/shared/access"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/web"
)

// site is an exporter on a record of the test's own, and a door by which the browser's
// scenario makes things happen there.
type site struct {
	t testing.TB
	// pool reaches the record past the proxy that the exporter goes through.
	pool    *pgxpool.Pool
	proxy   *localtest.Proxy
	ledger  *ledger.Ledger
	opts    exporter.Options
	address string
	stop    func()
	claim   *ledger.Claim
	tokens  map[string]string
	doors   map[string]func(arg string) error
}

func newSite(t testing.TB, change ...func(*exporter.Options)) *site {
	t.Helper()
	url := localtest.Database(t)
	s := &site{t: t, pool: localtest.Connect(t, url), proxy: localtest.NewProxy(t, url), ledger: ledger.New(ledger.DefaultMaxHold), address: "127.0.0.1:0", tokens: map[string]string{}}
	file := filepath.Join(t.TempDir(), "tokens")
	for name, permissions := range map[string][]access.Permission{
		"reader": {access.ViewAll}, "operator": {access.SyncAll}, "traveller": {access.ModuleView("professional_travel")},
	} {
		account, token, err := access.NewAccount(name, time.Time{}, permissions...)
		s.must(err)
		s.must(access.AppendAccount(file, account))
		s.tokens[name] = token
	}
	known, err := access.New(access.Options{TokensFile: file, Logger: slog.New(slog.DiscardHandler)})
	s.must(err)
	s.opts = exporter.Options{Pool: localtest.Connect(t, s.proxy.URL), Redis: exportertest.Queues(t), Authenticator: known, AnonymousAPI: true, MaxHold: ledger.DefaultMaxHold,
		Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&s.opts)
	}
	s.doors = map[string]func(string) error{
		"stop":    func(string) error { s.stop(); return nil },
		"start":   func(string) error { s.start(); return nil },
		"cut":     func(string) error { s.proxy.Cut(); return nil },
		"restore": func(string) error { s.proxy.Restore(); return nil },
		"sql":     func(sql string) error { _, err := s.pool.Exec(s.t.Context(), sql); return err },
		"recalc":  func(string) error { return s.take(job.RecalcOf(2, 20, 2025)) },
		"roll-up": func(module string) error {
			n, err := strconv.Atoi(cmp.Or(module, "2"))
			if err != nil {
				return err
			}
			return s.take(job.AggregationOf(n, 2025))
		},
		"percent": func(n string) error {
			done, err := strconv.Atoi(n)
			if err != nil {
				return err
			}
			return s.ledger.Renew(s.t.Context(), s.pool, s.claim, done, 100)
		},
		"finish": func(result string) error { return s.finish(job.Result(result)) },
	}
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// start serves, on the same address each time.
func (s *site) start() {
	bound := make(chan net.Addr, 1)
	o := s.opts
	o.Web = web.Options{Addresses: []string{s.address}, OnListen: func(a []net.Addr) { bound <- a[0] }}
	e, err := exporter.New(o)
	s.must(err)
	s.stop = localtest.Start(s.t, e.Run)
	s.address = (<-bound).String()
}

// door is where the scenario knocks: POST /NAME with the argument as the query.
func (s *site) door() (address string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		open, ok := s.doors[r.URL.Path[1:]]
		if !ok {
			http.Error(w, "there is no door "+r.URL.Path, http.StatusNotFound)
			return
		}
		if err := open(r.URL.Query().Get("arg")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	s.t.Cleanup(server.Close)
	return server.URL
}

// take claims the waiting job of a scope, as a worker does.
func (s *site) take(scope job.Scope) (err error) {
	var sight ledger.Sight
	s.claim, sight, err = s.ledger.Claim(s.t.Context(), s.pool, scope, time.Hour)
	if err == nil && s.claim == nil {
		err = fmt.Errorf("nothing to take in %v: %v", scope, sight)
	}
	return err
}

// finish ends the job that was taken.
func (s *site) finish(result job.Result) error {
	return pgx.BeginFunc(s.t.Context(), s.pool, func(tx pgx.Tx) error {
		if err := s.ledger.Begin(s.t.Context(), tx, s.claim); err != nil {
			return err
		}
		_, err := s.ledger.Finish(s.t.Context(), tx, s.claim, job.Outcome{Result: result, Message: "it came to " + string(result)})
		return err
	})
}

// many declares 5,000 scopes: 100 modules in 50 years.
func (s *site) many(ctx context.Context) {
	_, err := s.pool.Exec(ctx, `
INSERT INTO units (id, provider, institutional_code, name, level, is_active) VALUES (1, 'DEFAULT', '0184', 'unit', 4, true);
INSERT INTO carbon_reports (id, year, unit_id, overall_status) SELECT y, y, 1, 0 FROM generate_series(1977, 2026) y;
INSERT INTO carbon_report_modules (module_type_id, status, carbon_report_id) SELECT m, 0, y FROM generate_series(1, 100) m, generate_series(1977, 2026) y;
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, module_type_id, year, state, result, finished_at)
SELECT 'MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', m, y, 'FINISHED', CASE WHEN m % 19 = 0 AND y % 7 = 0 THEN 'ERROR' ELSE 'SUCCESS' END::ingestion_result_enum,
       now() - make_interval(mins => (m * y) % 35 * 2) -- none grows too old within two minutes
  FROM generate_series(1, 100) m, generate_series(1977, 2026) y WHERE (m + y) % 23 <> 0;`)
	s.must(err)
}
