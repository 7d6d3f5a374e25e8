package alerts_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"tidemark/shared/freshness"
)

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
