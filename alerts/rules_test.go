package alerts_test

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"

	"tidemark/alerts"
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
		annotations := 3
		if r.file == "freshness" {
			annotations++
			if want := "https://console.tidemark.example/scopes/{{ $labels.module_type }}/{{ $labels.year }}"; r.Annotations["console_url"] != want {
				t.Errorf("%s: console_url is %q, want %q", r.Alert, r.Annotations["console_url"], want)
			}
		}
		if len(r.Labels) != 3 || len(r.Annotations) != annotations {
			t.Errorf("%s: labels are severity, team and concern, annotations are summary, description and runbook_url (and console_url of a scope); it has %v and %v", r.Alert, r.Labels, r.Annotations)
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
