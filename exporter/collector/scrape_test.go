package collector_test

import (
	"flag"
	"log/slog"
	"math"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"tidemark/exporter/collector"
	"tidemark/exporter/exportertest"
	"tidemark/shared/local/localtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// timed are the series whose values are times or durations.
var timed = regexp.MustCompile(`(?m)^(tidemark_[a-z_]+_seconds(?:\{[^}]*\})?) (\S+)$`)

// steady makes what differs at each run <now>: durations, and times of today.
func steady(exposition string) string {
	return timed.ReplaceAllStringFunc(exposition, func(line string) string {
		m := timed.FindStringSubmatch(line)
		value, err := strconv.ParseFloat(m[2], 64)
		recent := math.Abs(value-float64(time.Now().Unix())) < 24*60*60
		if err == nil && (recent || strings.HasPrefix(m[1], "tidemark_collector_duration")) {
			return m[1] + " <now>"
		}
		return line
	})
}

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
	o.Logger = slog.New(slog.DiscardHandler)
	if o.OlderThan == 0 {
		o.OlderThan = time.Hour
	}
	return collector.New(o)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	pool := exportertest.Record(t)
	h := serve(collector.Options{Pool: pool, Redis: exportertest.Queues(t), MaxScopeSeries: 5})
	answer, body := exportertest.Get(h, "/metrics")
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", answer.Status, body)
	}
	golden(t, "metrics.txt", steady(ours(body)))
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
	for _, c := range []string{"stale", "pipelines", "jobs", "queues"} {
		at, err := strconv.ParseFloat(sample(body, `tidemark_snapshot_timestamp_seconds{collector="`+c+`"}`), 64)
		if err != nil || at > now || at < now-60 {
			t.Errorf("the snapshot of %s is of %f (%v), the database has %f", c, at, err, now)
		}
	}
}

// TestMetricsOfEmptyRecord pins that every bucket is there at zero.
func TestMetricsOfEmptyRecord(t *testing.T) {
	t.Parallel()
	h := serve(collector.Options{Pool: localtest.Pool(t), Redis: exportertest.Redis(t, localtest.Redis(t)), MaxScopeSeries: 5})
	_, body := exportertest.Get(h, "/metrics")
	golden(t, "metrics_empty.txt", steady(ours(body)))
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

// TestMetricsAsOpenMetrics parses what a strict scraper would get.
func TestMetricsAsOpenMetrics(t *testing.T) {
	t.Parallel()
	h := serve(collector.Options{Pool: exportertest.Record(t), Redis: exportertest.Queues(t), MaxScopeSeries: 5})
	answer, body := exportertest.Get(h, "/metrics", "Accept", "application/openmetrics-text;version=1.0.0")
	if !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/openmetrics-text") || !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("%s:\n%s", answer.Header.Get("Content-Type"), body)
	}
	for series, want := range map[string]string{
		`tidemark_stale_scopes{why_stale="no_aggregation_ever"}`:                                                       "1.0",
		`tidemark_queue_tasks{queue="aggregation",state="pending"}`:                                                    "3.0",
		`tidemark_stale_oldest_timestamp_seconds{why_stale="last_aggregation_too_old"}`:                                "1.735787045e+09",
		`tidemark_scope_stale{module_type="headcount",module_type_id="1",why_stale="no_aggregation_ever",year="2025"}`: "1.0",
	} {
		if got := sample(body, series); got != want {
			t.Errorf("%s is %q, want %s", series, got, want)
		}
	}
}

// TestWithoutRedisNothingSpeaksOfQueues: what nobody asked to watch must not look watched.
func TestWithoutRedisNothingSpeaksOfQueues(t *testing.T) {
	t.Parallel()
	_, body := exportertest.Get(serve(collector.Options{Pool: exportertest.Record(t)}), "/metrics")
	if strings.Contains(body, "queue") {
		t.Error(body)
	}
}

// TestWorkAhead: a scraper that comes by the clock is given a page whose moment is before its coming.
func TestWorkAhead(t *testing.T) {
	t.Parallel()
	m := collector.New(collector.Options{Pool: exportertest.Record(t), OlderThan: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	t.Cleanup(m.WorkAhead(t.Context()))
	tick := time.NewTicker(800 * time.Millisecond)
	defer tick.Stop()
	for n := range 20 {
		<-tick.C
		came := time.Now()
		_, body := exportertest.Get(m, "/metrics")
		seconds, err := strconv.ParseFloat(sample(body, `tidemark_snapshot_timestamp_seconds{collector="stale"}`), 64)
		if err != nil {
			t.Fatalf("%v\n%s", err, body)
		}
		if age := came.Sub(time.UnixMicro(int64(seconds * 1e6))); age > 0 {
			if n < 3 {
				t.Errorf("scrape %d got a page of %s before it came", n, age)
			}
			return
		}
	}
	t.Error("no page was made ahead")
}
