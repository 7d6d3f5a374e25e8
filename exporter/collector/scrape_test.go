package collector_test

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"tidemark/exporter/collector"
	"tidemark/exporter/exportertest"
	"tidemark/shared/local/localtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// passing are the values that differ at each scrape.
var passing = regexp.MustCompile(`(?m)^((?:tidemark_collector_duration_seconds|tidemark_snapshot_timestamp_seconds)\{[^}]*\}) .*$`)

// ours keeps the families of the record; the build is another one with each toolchain.
func ours(exposition string) string {
	var lines []string
	for line := range strings.Lines(exposition) {
		if strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(line, "# HELP "), "# TYPE "), "tidemark_") && !strings.Contains(line, "tidemark_build_info") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// sample returns the value of one series, or "" when it is absent.
func sample(exposition, series string) string {
	for line := range strings.Lines(exposition) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("differs from %s (go test ./exporter/collector -update):\n%s", path, got)
	}
}

// serve returns the handler of /metrics with these options and a silent log.
func serve(o collector.Options) http.Handler {
	o.Logger, o.Version = slog.New(slog.DiscardHandler), "1.2.3"
	if o.OlderThan == 0 {
		o.OlderThan = time.Hour
	}
	return collector.New(o)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	pool := exportertest.Record(t)
	h := serve(collector.Options{Pool: pool})
	answer, body := exportertest.Get(h, "/metrics")
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", answer.Status, body)
	}
	golden(t, "metrics.txt", passing.ReplaceAllString(ours(body), "$1 <now>"))
	for _, family := range []string{"go_goroutines ", "process_start_time_seconds "} {
		if !strings.Contains(body, "\n"+family) {
			t.Errorf("%sis missing", family)
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}

	var now float64
	if err := pool.QueryRow(t.Context(), `SELECT extract(epoch FROM now())::float8`).Scan(&now); err != nil {
		t.Fatal(err)
	}
	at, err := strconv.ParseFloat(sample(body, `tidemark_snapshot_timestamp_seconds{collector="stale"}`), 64)
	if err != nil || at > now || at < now-60 {
		t.Errorf("the snapshot is of %f (%v), the database has %f", at, err, now)
	}
}

// TestMetricsOfEmptyRecord pins that every bucket is there at zero.
func TestMetricsOfEmptyRecord(t *testing.T) {
	t.Parallel()
	_, body := exportertest.Get(serve(collector.Options{Pool: localtest.Pool(t)}), "/metrics")
	golden(t, "metrics_empty.txt", passing.ReplaceAllString(ours(body), "$1 <now>"))
}

func TestMetricsOlderThan(t *testing.T) {
	t.Parallel()
	pool := exportertest.Record(t)
	for olderThan, want := range map[time.Duration]string{time.Hour: "1", 1e6 * time.Hour: "0"} {
		_, body := exportertest.Get(serve(collector.Options{Pool: pool, OlderThan: olderThan}), "/metrics")
		if got := sample(body, `tidemark_stale_scopes{why_stale="last_aggregation_too_old"}`); got != want {
			t.Errorf("older than %s: %s scopes, want %s", olderThan, got, want)
		}
	}
}

func TestMetricsAsOpenMetrics(t *testing.T) {
	t.Parallel()
	answer, body := exportertest.Get(serve(collector.Options{Pool: exportertest.Record(t)}), "/metrics", "Accept", "application/openmetrics-text;version=1.0.0")
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/openmetrics-text") || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("%s:\n%s", answer.Header.Get("Content-Type"), body)
	}
}

// wantOnlyFailures checks that every collector reports failure and that no gauge is there.
func wantOnlyFailures(t *testing.T, body string) {
	t.Helper()
	for _, c := range []string{"stale", "pipelines", "jobs"} {
		if got := sample(body, `tidemark_collector_success{collector="`+c+`"}`); got != "0" {
			t.Errorf("success of %s is %q, want 0", c, got)
		}
		if sample(body, `tidemark_collector_duration_seconds{collector="`+c+`"}`) == "" {
			t.Errorf("duration of %s is missing", c)
		}
	}
	for line := range strings.Lines(ours(body)) {
		if !strings.Contains(line, "tidemark_collector_") {
			t.Errorf("present although nothing was read: %s", line)
		}
	}
}

func TestMetricsWithPostgresAway(t *testing.T) {
	t.Parallel()
	answer, body := exportertest.Get(serve(collector.Options{Pool: exportertest.Away(t)}), "/metrics")
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", answer.Status, body)
	}
	wantOnlyFailures(t, body)
	if !strings.Contains(body, "\ngo_goroutines ") {
		t.Error("the metrics of the process are gone too")
	}
}

// lock takes a table for itself until the test ends.
func lock(t *testing.T, pool *pgxpool.Pool, table string) {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(t.Context(), "LOCK TABLE "+table); err != nil {
		t.Fatal(err)
	}
}

// TestMetricsWithLockedTable pins that a scrape ends before its scraper hangs up.
func TestMetricsWithLockedTable(t *testing.T) {
	t.Parallel()
	pool := exportertest.Record(t)
	lock(t, pool, "data_ingestion_jobs")
	h := serve(collector.Options{Pool: pool})
	start := time.Now()
	_, body := exportertest.Get(h, "/metrics", "X-Prometheus-Scrape-Timeout-Seconds", "1.5")
	if took := time.Since(start); took > 1500*time.Millisecond {
		t.Errorf("answered after %s, the scraper left after 1.5s", took)
	}
	wantOnlyFailures(t, body)
}

// TestMetricsWithOneTableLocked pins that a stuck collector leaves time to the others.
func TestMetricsWithOneTableLocked(t *testing.T) {
	t.Parallel()
	pool := exportertest.Record(t)
	lock(t, pool, "carbon_reports")
	_, body := exportertest.Get(serve(collector.Options{Pool: pool}), "/metrics", "X-Prometheus-Scrape-Timeout-Seconds", "2")
	wantStaleAlone(t, body)
}

func TestMetricsWithMissingTable(t *testing.T) {
	t.Parallel()
	pool := exportertest.Record(t)
	if _, err := pool.Exec(t.Context(), `DROP TABLE carbon_report_modules CASCADE`); err != nil {
		t.Fatal(err)
	}
	_, body := exportertest.Get(serve(collector.Options{Pool: pool}), "/metrics")
	wantStaleAlone(t, body)
}

// wantStaleAlone checks that the stale collector failed and the other two did not.
func wantStaleAlone(t *testing.T, body string) {
	t.Helper()
	for c, want := range map[string]string{"stale": "0", "pipelines": "1", "jobs": "1"} {
		if got := sample(body, `tidemark_collector_success{collector="`+c+`"}`); got != want {
			t.Errorf("success of %s is %q, want %s", c, got, want)
		}
	}
	if strings.Contains(body, "tidemark_stale_scopes") || strings.Contains(body, "tidemark_scopes") {
		t.Error("gauges of the failed collector are present")
	}
	if got := sample(body, `tidemark_active_pipelines{kind="csv_ingest"}`); got != "1" {
		t.Errorf("tidemark_active_pipelines is %q, want 1", got)
	}
}
