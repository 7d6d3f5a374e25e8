package alerts_test

import (
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"tidemark/alerts"
)

var update = flag.Bool("update", false, "write prometheusrule.yaml anew")

// TestPrometheusRule: the rules for the Prometheus operator are those for Prometheus, all of them,
// in a resource as it takes it.
func TestPrometheusRule(t *testing.T) {
	t.Parallel()
	const path = "prometheusrule.yaml"
	want := prometheusRule()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, path) != want {
		t.Errorf("%s is not what the rules make; write it anew with `go test ./alerts -run TestPrometheusRule -update`", path)
	}
	var resource struct {
		APIVersion string         `yaml:"apiVersion"`
		Kind       string         `yaml:"kind"`
		Metadata   map[string]any `yaml:"metadata"`
		Spec       ruleFile       `yaml:"spec"`
	}
	decode(t, path, read(t, path), &resource)
	rules := 0
	for _, g := range resource.Spec.Groups {
		rules += len(g.Rules)
	}
	if want := len(allRules(t)); resource.APIVersion != "monitoring.coreos.com/v1" || resource.Kind != "PrometheusRule" || rules != want {
		t.Errorf("a %s %s with %d rules, want a PrometheusRule with %d", resource.APIVersion, resource.Kind, rules, want)
	}
}

// prometheusRule puts the groups of all files, with their comments, under one resource's spec.
func prometheusRule() string {
	var b strings.Builder
	b.WriteString(`# The rules of rules/ for the Prometheus operator. keep_firing_for needs Prometheus 2.42 or newer,
# and an operator that does not drop it.
# Made of them by ` + "`go test ./alerts -run TestPrometheusRule -update`" + `: change those.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: tidemark
  labels: { app: tidemark }
spec:
  groups:
`)
	files := alerts.Rules()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		head, groups, _ := strings.Cut(files[name], "groups:\n")
		for line := range strings.Lines(head + groups) {
			switch {
			case line == "\n":
			case strings.HasPrefix(line, "#"):
				line = "    " + line
			default:
				line = "  " + line
			}
			b.WriteString(line)
		}
	}
	return b.String()
}
