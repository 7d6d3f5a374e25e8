package alerts_test

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"tidemark/alerts"
	"tidemark/shared/freshness"
)

// rule is a rule as Prometheus reads it.
type rule struct {
	Record        string            `yaml:"record"`
	Alert         string            `yaml:"alert"`
	Expr          string            `yaml:"expr"`
	For           string            `yaml:"for"`
	KeepFiringFor string            `yaml:"keep_firing_for"`
	Labels        map[string]string `yaml:"labels"`
	Annotations   map[string]string `yaml:"annotations"`
	// file is where it stands, without its ending.
	file string
}

type ruleFile struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []rule `yaml:"rules"`
	} `yaml:"groups"`
}

// allRules returns the rules, file by file, in order.
func allRules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	files := alerts.Rules()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		var f ruleFile
		decode(t, name, files[name], &f)
		stem := strings.TrimSuffix(filepath.Base(name), ".yml")
		for _, g := range f.Groups {
			if g.Name != "tidemark-"+stem {
				t.Errorf("%s: the group %q is not called tidemark-%s", name, g.Name, stem)
			}
			for _, r := range g.Rules {
				r.file = stem
				all = append(all, r)
			}
		}
	}
	return all
}

// allAlerts returns those that tell somebody.
func allAlerts(t *testing.T) []rule {
	t.Helper()
	return slices.DeleteFunc(allRules(t), func(r rule) bool { return r.Alert == "" })
}

func decode(t *testing.T, name, text string, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
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

// TestAlertsSayWhatToDo: whom to wake, what is wrong, what to type, where to read on.
func TestAlertsSayWhatToDo(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range allAlerts(t) {
		if seen[r.Alert] {
			t.Errorf("%s: there are two", r.Alert)
		}
		seen[r.Alert] = true
		if !strings.HasPrefix(r.Alert, "Tidemark") {
			t.Errorf("%s: the name does not begin with Tidemark", r.Alert)
		}
		watchdog := r.Alert == "TidemarkWatchdog"
		switch r.Labels["severity"] {
		case "page", "ticket":
		case "none":
			if !watchdog {
				t.Errorf("%s: nobody is told", r.Alert)
			}
		default:
			t.Errorf("%s: severity %q is neither page nor ticket", r.Alert, r.Labels["severity"])
		}
		if team := r.Labels["team"]; team != "data" && team != "platform" {
			t.Errorf("%s: team %q is neither data nor platform", r.Alert, team)
		}
		if concern := r.Labels["concern"]; concern != r.file && !watchdog {
			t.Errorf("%s: concern %q, but it stands in %s.yml", r.Alert, concern, r.file)
		}
		if len(r.Labels) != 3 || len(r.Annotations) != 3 {
			t.Errorf("%s: labels are severity, team and concern, annotations are summary, description and runbook_url; it has %v and %v", r.Alert, r.Labels, r.Annotations)
		}
		if s := r.Annotations["summary"]; s == "" || strings.HasSuffix(s, ".") || len(s) > 120 {
			t.Errorf("%s: the summary is a headline without a full stop, got %q", r.Alert, s)
		}
		description := r.Annotations["description"]
		if !strings.HasSuffix(description, ".") && !strings.HasSuffix(description, "?") || !watchdog && !strings.Contains(description, "`tidemark ") {
			t.Errorf("%s: the description is in sentences, with a command to run, got %q", r.Alert, description)
		}
		if want := "https://tidemark.example/alerts/README.md#" + strings.ToLower(r.Alert); r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		if r.file == "freshness" && (!strings.Contains(description, "{{ $labels.module_type }}") || !strings.Contains(description, "{{ $labels.year }}")) {
			t.Errorf("%s: about a scope, and the description does not say which", r.Alert)
		}
		if r.file == "freshness" && r.KeepFiringFor == "" {
			t.Errorf("%s: without keep_firing_for it is over as soon as the exporter is away", r.Alert)
		}
		if d, err := model.ParseDuration(cmp.Or(r.For, "1m")); err != nil || time.Duration(d) < time.Minute {
			t.Errorf("%s: for %q is no duration of a minute or more: %v", r.Alert, r.For, err)
		}
	}
}

// scrapeInterval is the slowest that the rules are made for.
const scrapeInterval = 30 * time.Second

var (
	metricName = regexp.MustCompile(`\btidemark_[a-z_]+`)
	recorded   = regexp.MustCompile(`\btidemark:[a-z0-9_:]+`)
	// selector is a metric with its matchers, if it has any.
	selector = regexp.MustCompile(`(\btidemark_[a-z_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"`)
	window   = regexp.MustCompile(`\[([0-9a-z]+)\]`)
	counted  = regexp.MustCompile(`(?:rate|increase)\((tidemark_[a-z_]+)`)
	folded   = regexp.MustCompile(`(?:^|[^:a-z_])(?:sum|min|max|count|avg|group)(?:\(| by| without)`)
)

// TestExpressions are the checks of pint that matter here, on expressions whose syntax promtool
// has checked.
func TestExpressions(t *testing.T) {
	t.Parallel()
	metrics, known := documented(t), map[string]bool{}
	for _, r := range allRules(t) {
		name := r.Alert + r.Record
		if r.Record != "" && !regexp.MustCompile(`^tidemark:[a-z_]+:(count|age_seconds|ratio(_avg[0-9]+[mhd])?)$`).MatchString(r.Record) {
			t.Errorf("%s: a recorded name is tidemark:WHAT:HOW", name)
		}
		for _, used := range recorded.FindAllString(r.Expr, -1) {
			if !known[used] {
				t.Errorf("%s: uses %s, which no rule before it records", name, used)
			}
		}
		if r.Record != "" {
			known[r.Record] = true
		}
		for _, m := range selector.FindAllStringSubmatch(r.Expr, -1) {
			metric, ok := metrics[m[1]]
			if !ok {
				t.Errorf("%s: METRICS.md lacks %s", name, m[1])
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				checkMatcher(t, name, m[1], metric, l[1], l[2])
			}
		}
		checkCounters(t, name, r.Expr, metrics)
		for _, w := range window.FindAllStringSubmatch(r.Expr, -1) {
			if d, err := model.ParseDuration(w[1]); err != nil || time.Duration(d) < 4*scrapeInterval {
				t.Errorf("%s: [%s] is less than four scrapes of %s: %v", name, w[1], scrapeInterval, err)
			}
		}
		// Several exporters, workers and schedulers are one Tidemark; whatever else tells
		// installations apart stays.
		for _, f := range folded.FindAllString(r.Expr, -1) {
			if !strings.HasSuffix(f, " without") {
				t.Errorf("%s: %q drops labels that it does not name", name, f)
			}
		}
		if r.Alert != "" && metricName.MatchString(r.Expr) && !strings.Contains(r.Expr, "without (instance, pod") {
			t.Errorf("%s: two processes that say the same would be two alerts", name)
		}
	}
}

// checkMatcher sees that a metric has this label, and that the label has this value.
func checkMatcher(t *testing.T, name, metric string, m metricRow, label, value string) {
	t.Helper()
	if label == "le" && m.kind == "histogram" {
		return
	}
	if !slices.Contains(m.labels, label) {
		t.Errorf("%s: %s has no label %s", name, metric, label)
	}
	for _, v := range strings.Split(value, "|") {
		switch {
		case label == "why_stale" && !slices.Contains(freshness.Whys(), freshness.Why(v)):
			t.Errorf("%s: there is no bucket %q", name, v)
		case label != "why_stale" && !strings.Contains(metricsPage(t), v):
			t.Errorf("%s: METRICS.md does not know %s=%q", name, label, v)
		}
	}
}

// checkCounters sees that what is counted is looked at by its growth, and nothing else is.
func checkCounters(t *testing.T, name, expr string, metrics map[string]metricRow) {
	t.Helper()
	grown := map[string]bool{}
	for _, c := range counted.FindAllStringSubmatch(expr, -1) {
		grown[c[1]] = true
	}
	for _, used := range metricName.FindAllString(expr, -1) {
		counter := metrics[used].kind == "counter" || metrics[used].kind == "histogram"
		if counter != grown[used] {
			t.Errorf("%s: %s is a %s: rate() and increase() are for counters, and counters for them", name, used, metrics[used].kind)
		}
	}
}

// metricRow is what METRICS.md says of a metric.
type metricRow struct {
	kind   string
	labels []string
}

func metricsPage(t *testing.T) string {
	t.Helper()
	return read(t, filepath.Join("..", "METRICS.md"))
}

// documented reads METRICS.md, which a test of its own holds to what the processes export. A
// histogram stands there with the names of its series.
func documented(t *testing.T) map[string]metricRow {
	t.Helper()
	metrics := map[string]metricRow{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(tidemark_[a-z_]+)` \\| ([a-z]+) \\|([^|]*)\\|").FindAllStringSubmatch(metricsPage(t), -1) {
		m := metricRow{kind: row[2]}
		for _, label := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[3], -1) {
			m.labels = append(m.labels, label[1])
		}
		if m.kind != "histogram" {
			metrics[row[1]] = m
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			metrics[row[1]+suffix] = m
		}
	}
	return metrics
}
