package alerts_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPromtoolCheck: Prometheus takes every file, and finds no rule twice.
func TestPromtoolCheck(t *testing.T) {
	t.Parallel()
	run(t, "promtool", append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, files(t, "rules/*.yml")...)...)
}

// TestPromtoolCheckConfig: it also takes the example, which names them.
func TestPromtoolCheckConfig(t *testing.T) {
	t.Parallel()
	run(t, "promtool", "check", "config", "prometheus.yml")
}

// TestPromtoolUnitTests runs tests/, file by file.
func TestPromtoolUnitTests(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, "tests/*.yml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			run(t, "promtool", "test", "rules", path)
		})
	}
}

// unitTests is a file of tests/.
type unitTests struct {
	RuleFiles          []string `yaml:"rule_files"`
	EvaluationInterval string   `yaml:"evaluation_interval"`
	Tests              []struct {
		Name          string           `yaml:"name"`
		Interval      string           `yaml:"interval"`
		InputSeries   []inputSeries    `yaml:"input_series"`
		Expressions   []map[string]any `yaml:"promql_expr_test"`
		AlertRuleTest []struct {
			Alert    string `yaml:"alertname"`
			At       string `yaml:"eval_time"`
			Expected []struct {
				Labels      map[string]string `yaml:"exp_labels"`
				Annotations map[string]string `yaml:"exp_annotations"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	} `yaml:"tests"`
}

type inputSeries struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

// TestEveryAlertIsTested: in one test it is silent, then fires, then is over; in one it has no
// series to go by; and what it says has no hole where a label is missing.
func TestEveryAlertIsTested(t *testing.T) {
	t.Parallel()
	played, unseen := map[string]bool{}, map[string]bool{}
	for _, path := range files(t, "tests/*.yml") {
		var f unitTests
		decode(t, path, read(t, path), &f)
		for _, test := range f.Tests {
			story := map[string]string{}
			for _, check := range test.AlertRuleTest {
				act := "fires "
				if len(check.Expected) == 0 {
					act = "silent "
				}
				if !strings.HasSuffix(story[check.Alert], act) {
					story[check.Alert] += act
				}
				for _, e := range check.Expected {
					for _, text := range e.Annotations {
						if strings.Contains(text, "<no value>") || strings.Contains(text, "  ") {
							t.Errorf("%s, %s: %q has a hole", path, test.Name, text)
						}
					}
				}
			}
			for alert, acts := range story {
				played[alert] = played[alert] || acts == "silent fires silent "
				unseen[alert] = unseen[alert] || missesSeries(test.InputSeries)
			}
		}
	}
	for _, r := range allAlerts(t) {
		if r.Alert == "TidemarkWatchdog" { // never silent, and needs no series
			continue
		}
		if !played[r.Alert] {
			t.Errorf("%s: no test sees it silent, then firing, then over", r.Alert)
		}
		if !unseen[r.Alert] {
			t.Errorf("%s: no test is without series, or with one that is missing for a while", r.Alert)
		}
	}
}

func missesSeries(input []inputSeries) bool {
	return len(input) == 0 || slices.ContainsFunc(input, func(s inputSeries) bool {
		return strings.Contains(s.Values, "_") || strings.Contains(s.Values, "stale")
	})
}

// files lists the files of a pattern; there are some.
func files(t *testing.T, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	return paths
}

// run fails the test with what a command says when it fails, and returns that.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v (not installed? `make setup`)\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
