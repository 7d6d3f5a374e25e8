package collector_test

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"tidemark/exporter/collector"
	"tidemark/exporter/exportertest"
	"tidemark/shared/local/localtest"
)

// families says which series belong to a collector, by the beginnings of their names.
var families = map[string][]string{
	"stale":     {"tidemark_stale_", "tidemark_scopes", "tidemark_scope_", "tidemark_drift"},
	"pipelines": {"tidemark_active_pipeline"},
	"jobs":      {"tidemark_jobs"},
	"queues":    {"tidemark_queue_"},
}

// ofRecord are the collectors that read PostgreSQL.
var ofRecord = []string{"stale", "pipelines", "jobs"}

// fault is something that goes wrong with a source and gets well again.
type fault struct {
	// inject makes it happen and returns what ends it.
	inject func(s *site) (heal func())
	// failed are the collectors that cannot know.
	failed []string
	// says is what the log must name.
	says string
	// timeout is the scraper's, in seconds; "" for one that is patient.
	timeout string
}

// site is an exporter with both sources, each behind a proxy.
type site struct {
	t                *testing.T
	database, queues *localtest.Proxy
	redisURL         string
	// admin and rdb reach the sources directly.
	admin   *pgxpool.Pool
	rdb     redis.UniversalClient
	metrics http.Handler
	log     *log
	// healthy is what the page said before anything went wrong.
	healthy page
}

// newSite returns a site with something in every bucket and queue, on a database and a Redis of
// the test's own unless the URLs name others.
func newSite(t *testing.T, databaseURL, redisURL string) *site {
	t.Helper()
	if databaseURL == "" {
		databaseURL = localtest.Database(t)
	}
	if redisURL == "" {
		redisURL = localtest.Redis(t)
	}
	s := &site{t: t, redisURL: redisURL, admin: localtest.Connect(t, databaseURL), rdb: exportertest.Redis(t, redisURL),
		database: localtest.NewProxy(t, databaseURL), queues: localtest.NewProxy(t, redisURL)}
	exportertest.FillRecord(t, s.admin)
	exportertest.FillQueues(t, s.rdb)
	s.serve(localtest.Connect(t, s.database.URL))
	s.healthy = s.scrape("")
	for name := range families {
		if s.healthy[success(name)] != "1" {
			t.Fatalf("%s does not succeed to begin with: %v\n%s", name, s.healthy, s.log)
		}
	}
	return s
}

// serve makes the exporter read the record through this pool.
func (s *site) serve(pool *pgxpool.Pool) {
	s.log = &log{}
	s.metrics = collector.New(collector.Options{Pool: pool, Redis: exportertest.Redis(s.t, s.queues.URL), OlderThan: time.Hour, MaxScopeSeries: 5,
		Logger: slog.New(slog.NewTextHandler(s.log, nil))})
}

// exec runs SQL directly.
func (s *site) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.admin.Exec(context.Background(), sql, args...); err != nil {
		s.t.Error(err)
	}
}

// redis runs a command directly.
func (s *site) redis(args ...any) {
	s.t.Helper()
	if err := s.rdb.Do(context.Background(), args...).Err(); err != nil {
		s.t.Errorf("%v: %v", args, err)
	}
}

// scrape returns what the page says.
func (s *site) scrape(timeout string) page {
	s.t.Helper()
	answer, body := exportertest.Get(s.metrics, "/metrics", "X-Prometheus-Scrape-Timeout-Seconds", timeout)
	if answer.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s", answer.Status, body)
	}
	return parsePage(body)
}

// suffer injects the fault, and checks what the page says, what the log says, and that the next
// scrape after it is healthy again.
func (s *site) suffer(f fault) {
	s.t.Helper()
	heal := f.inject(s)
	s.wantPage(s.scrape(f.timeout), s.healthy.without(f.failed...))
	if said := s.log.String(); !strings.Contains(said, f.says) {
		s.t.Errorf("the log does not say %q:\n%s", f.says, said)
	}
	heal()
	s.wantPage(s.scrape(""), s.healthy)
}

// wantPage compares two pages, series by series.
func (s *site) wantPage(got, want page) {
	s.t.Helper()
	for _, series := range slices.Sorted(maps.Keys(got)) {
		if value, ok := want[series]; !ok {
			s.t.Errorf("%s %s: must be absent", series, got[series])
		} else if got[series] != value {
			s.t.Errorf("%s %s: must be %s", series, got[series], value)
		}
	}
	for _, series := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[series]; !ok {
			s.t.Errorf("%s is absent, must be %s", series, want[series])
		}
	}
	if s.t.Failed() {
		s.t.Logf("the log:\n%s", s.log)
	}
}

// page is our series by name and labels. Durations and the times of snapshots differ each time:
// they are only there or not.
type page map[string]string

func parsePage(body string) page {
	p := page{}
	for line := range strings.Lines(ours(body)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		space := strings.LastIndex(line, " ")
		series, value := line[:space], strings.TrimSpace(line[space:])
		if strings.HasPrefix(series, "tidemark_collector_duration") || strings.HasPrefix(series, "tidemark_snapshot_") {
			value = "(some)"
		}
		p[series] = value
	}
	return p
}

// success is the series that says whether a collector could read.
func success(name string) string { return `tidemark_collector_success{collector="` + name + `"}` }

// without is the page when these collectors fail: their gauges and their moment are absent.
func (p page) without(failed ...string) page {
	q := maps.Clone(p)
	for _, name := range failed {
		maps.DeleteFunc(q, func(series, _ string) bool {
			return slices.ContainsFunc(families[name], func(prefix string) bool { return strings.HasPrefix(series, prefix) })
		})
		delete(q, `tidemark_snapshot_timestamp_seconds{collector="`+name+`"}`)
		q[success(name)] = "0"
	}
	return q
}

// log is what the exporter wrote.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
