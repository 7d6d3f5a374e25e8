package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"tidemark/exporter"
	"tidemark/exporter/exportertest"
	"tidemark/scheduler"
	"tidemark/scheduler/periodic"
	"tidemark/shared/access"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/local/localtest"
	"tidemark/shared/telemetry"
	"tidemark/worker"
)

// families is what a process exports, by name.
type families map[string]*dto.MetricFamily

// exported returns what each process exports, by its heading in METRICS.md. Nothing is read
// from the source: a metric that no series shows is not exported.
func exported(t *testing.T) map[string]families {
	t.Helper()
	return map[string]families{"Exporter": exporterFamilies(t), "Worker": workerFamilies(t), "Scheduler": schedulerFamilies(t)}
}

// exporterFamilies scrapes an exporter with everything on, over a record with something in
// every bucket.
func exporterFamilies(t *testing.T) families {
	t.Helper()
	known, err := access.New(access.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := exporter.New(exporter.Options{Authenticator: known, Pool: exportertest.Record(t), Redis: exportertest.Queues(t), MaxScopeSeries: 100, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	e.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, exporter.DefaultTelemetryPath, nil))
	return parse(t, answer.Body)
}

func workerFamilies(t *testing.T) families {
	t.Helper()
	o := worker.DefaultOptions()
	o.Registry = telemetry.NewRegistry()
	o.Calculations = map[job.Type]worker.Calculation{
		job.Aggregation: func(context.Context, pgx.Tx, *ledger.Claim, job.Progress) (job.Outcome, error) {
			return job.Outcome{}, nil
		}}
	if _, err := worker.New(o); err != nil {
		t.Fatal(err)
	}
	return gather(t, o.Registry.Gather)
}

// schedulerFamilies runs a scheduler that leads, has an entry that was requested, and a job that waits:
// part of what it exports only a leader can know.
func schedulerFamilies(t *testing.T) families {
	t.Helper()
	o := scheduler.DefaultOptions()
	o.Registry, o.DatabaseURL, o.RedisURL = telemetry.NewRegistry(), localtest.Database(t), localtest.Redis(t)
	path := filepath.Join(t.TempDir(), "periodic.yml")
	if err := os.WriteFile(path, []byte("entries: [{name: a, schedule: '@yearly', request: aggregation, module: 2, year: current}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if o.Periodic, err = periodic.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	if _, err := localtest.Connect(t, o.DatabaseURL).Exec(t.Context(), `
INSERT INTO periodic_entries (name, schedule, handled_until, last_requested_at) VALUES ('a', '@yearly UTC', now(), now());
INSERT INTO data_ingestion_jobs (entity_type, ingestion_method, provider, is_current, job_type, state, module_type_id, year)
VALUES ('MODULE_PER_YEAR', 'computed', 'DEFAULT', false, 'aggregation', 'NOT_STARTED', 2, 2025)`); err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(o)
	if err != nil {
		t.Fatal(err)
	}
	stop := localtest.Start(t, s.Run)
	defer stop()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		found := gather(t, o.Registry.Gather)
		if found["tidemark_scheduler_periodic_next_due_timestamp_seconds"] != nil && found["tidemark_scheduler_backlog_oldest_timestamp_seconds"] != nil {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatal("the scheduler does not lead")
		}
	}
}

func gather(t *testing.T, from func() ([]*dto.MetricFamily, error)) families {
	t.Helper()
	list, err := from()
	if err != nil {
		t.Fatal(err)
	}
	found := families{}
	for _, f := range list {
		found[f.GetName()] = f
	}
	return found.ours()
}

func parse(t *testing.T, page io.Reader) families {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	found, err := parser.TextToMetricFamilies(page)
	if err != nil {
		t.Fatal(err)
	}
	return families(found).ours()
}

// ours leaves out what the client library brings.
func (f families) ours() families {
	maps.DeleteFunc(f, func(name string, _ *dto.MetricFamily) bool { return !strings.HasPrefix(name, "tidemark_") })
	return f
}

// described is a row of METRICS.md.
type described struct{ kind, labels, unit, meaning string }

func (d described) row(name string) string {
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |", name, d.kind, d.labels, d.unit, d.meaning)
}

// describe is the row that a family should have; unit and meaning are a proposal.
func describe(f *dto.MetricFamily) described {
	labels := map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			labels["`"+l.GetName()+"`"] = true
		}
	}
	return described{
		kind: strings.ToLower(f.GetType().String()), labels: strings.Join(slices.Sorted(maps.Keys(labels)), ", "),
		unit: unitOf(f.GetName()), meaning: f.GetHelp(),
	}
}

// unitOf is the unit that a name ends in; what has none is a count of something, which the
// name does not say.
func unitOf(name string) string {
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "Unix time"
	case strings.HasSuffix(name, "_seconds"):
		return "seconds"
	default:
		return "?"
	}
}

// reference reads METRICS.md: the rows of each heading's table.
func reference(t *testing.T) map[string]map[string]described {
	t.Helper()
	pages, heading := map[string]map[string]described{}, ""
	for line := range strings.Lines(read(t, "METRICS.md")) {
		line = strings.TrimSpace(line)
		if h, ok := strings.CutPrefix(line, "## "); ok {
			heading, pages[h] = h, map[string]described{}
		}
		if !strings.HasPrefix(line, "| `tidemark_") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) != 5 || cells[3] == "" || cells[4] == "" {
			t.Errorf("METRICS.md: not a row of metric, type, labels, unit, meaning: %s", line)
			continue
		}
		name := strings.Trim(cells[0], "`")
		if _, twice := pages[heading][name]; twice {
			t.Errorf("METRICS.md, %s: %s stands there twice", heading, name)
		}
		pages[heading][name] = described{cells[1], cells[2], cells[3], cells[4]}
	}
	return pages
}

// TestMetricsReference: METRICS.md describes every metric of every process, and no other.
func TestMetricsReference(t *testing.T) {
	t.Parallel()
	pages, processes := reference(t), exported(t)
	shared := pages["Every process"]
	for process, exports := range processes {
		documented := maps.Clone(pages[process])
		maps.Copy(documented, shared)
		for _, name := range slices.Sorted(maps.Keys(exports)) {
			want := describe(exports[name])
			got, ok := documented[name]
			switch {
			case !ok:
				t.Errorf("METRICS.md lacks a metric. Add below %q, in your words:\n%s", "## "+process, want.row(name))
			case got.kind != want.kind, got.labels != want.labels, want.unit != "?" && got.unit != want.unit:
				t.Errorf("METRICS.md, %s, has\n%s\nand the process exports\n%s", process, got.row(name), want.row(name))
			}
		}
		for name := range documented {
			if exports[name] == nil {
				t.Errorf("METRICS.md, %s, has %s, which the process does not export: remove it, or give the record of this test what makes it show", process, name)
			}
		}
	}
	for heading := range pages {
		if processes[heading] == nil && heading != "Every process" {
			t.Errorf("METRICS.md has a heading %q, which is no process", heading)
		}
	}
}

// TestMetricNames: rules, dashboards and documents name only metrics that there are.
func TestMetricNames(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, exports := range exported(t) {
		for name, f := range exports {
			known[name] = true
			if f.GetType() == dto.MetricType_HISTOGRAM {
				for _, suffix := range []string{"_bucket", "_sum", "_count"} {
					known[name+suffix] = true
				}
			}
		}
	}
	// What stands for several: tidemark_worker_ and the like.
	known["tidemark_"], known["tidemark_worker_"], known["tidemark_scheduler_"] = true, true, true
	users := []string{"README.md", "METRICS.md", "FAULTS.md"}
	for _, pattern := range []string{"alerts/*.yml", "alerts/*.yaml", "alerts/*/*.yml", "alerts/*.md", "dashboards/*.json"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %v, %v", pattern, paths, err)
		}
		users = append(users, paths...)
	}
	for _, path := range users {
		text := read(t, path)
		if filepath.Ext(path) == ".json" && !json.Valid([]byte(text)) {
			t.Errorf("%s is not JSON", path)
		}
		for _, used := range regexp.MustCompile(`\btidemark_[a-z_]*`).FindAllString(text, -1) {
			if !known[used] {
				t.Errorf("%s names %s, which no process exports", path, used)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
