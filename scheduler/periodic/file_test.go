package periodic

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/shared/job"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "periodic.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadFile(t *testing.T) {
	t.Parallel()
	entries, err := ReadFile(write(t, `
entries:
  - name: flights
    schedule: "15 2 * * *"
    time_zone: Europe/Zurich
    request: recalculation
    module: professional_travel
    year: current
    reason: new flights
    catch_up: 6h
  - {name: heating, schedule: "@daily", request: aggregation, module: 3, year: 2024}
`))
	if err != nil || len(entries) != 2 {
		t.Fatal(entries, err)
	}
	a, b := entries[0], entries[1]
	if a.Name != "flights" || a.Schedule.String() != "15 2 * * * Europe/Zurich" || a.Request != job.EmissionRecalc || a.Module.ID != 2 ||
		len(a.Types) != 1 || a.Types[0].Name != "plane" || a.Year != 0 || a.Reason != "new flights" || a.CatchUp != 6*time.Hour {
		t.Errorf("%+v", a)
	}
	if b.Schedule.String() != "@daily UTC" || b.Request != job.Aggregation || b.Module.ID != 3 || b.Year != 2024 || b.CatchUp != defaultCatchUp {
		t.Errorf("%+v", b)
	}
	if none, err := ReadFile(write(t, "entries: []")); err != nil || len(none) != 0 {
		t.Error(none, err)
	}
}

// TestBadFilesAreRefused: the message names the line, the reason and what to write.
func TestBadFilesAreRefused(t *testing.T) {
	t.Parallel()
	const good = "name: a\n    schedule: '@daily'\n    request: aggregation\n    module: 2\n    year: current\n"
	for text, want := range map[string]string{
		"":                                      ":1: expected `entries:`",
		"- name: a":                             ":1: expected `entries:`",
		"entries: {a: b}":                       ":1: expected `entries:`",
		"entries:\n  - {a: [}":                  ":2: not YAML",
		"entries:\n  - word":                    ":2: not an entry",
		"entries:\n  - name: a":                 ":2: schedule: missing",
		"entries:\n  - " + good + "    when: x": ":7: when: there is no such setting; choose from name, schedule",
		"entries:\n  - " + good + "  - " + good: ":7: name a: another entry has it",
		"entries:\n  - " + strings.Replace(good, "'@daily'", "daily", 1):                                       ":3: schedule: \"daily\"",
		"entries:\n  - " + strings.Replace(good, "aggregation", "sum", 1):                                      `:4: request: "sum": choose aggregation or recalculation`,
		"entries:\n  - " + strings.Replace(good, "2", "travel", 1):                                             `:5: module: module type "travel": there is none`,
		"entries:\n  - " + strings.Replace(good, "current", "soon", 1):                                         `:6: year: "soon": write current`,
		"entries:\n  - " + strings.Replace(good, "name: a", "name: A b", 1):                                    `:2: name: "A b": write small letters`,
		"entries:\n  - " + good + "    type: plane":                                                            ":7: type: an aggregation is of a whole module",
		"entries:\n  - " + good + "    catch_up: 5":                                                            `:7: catch_up: "5": write how long`,
		"entries:\n  - " + good + "    reason: [a]":                                                            ":7: reason: expected one value",
		"entries:\n  - " + strings.NewReplacer("aggregation", "recalculation", "2", "headcount").Replace(good): ":5: module: headcount: Tidemark computes none",
		"entries:\n  - " + strings.Replace(good, "aggregation", "recalculation", 1) + "    type: train":        ":7: type: data entry type train (21): Tidemark has no calculation",
		"entries:\n  - " + good + "    time_zone: Mars":                                                        `:3: schedule: time zone "Mars"`,
	} {
		if _, err := ReadFile(write(t, text)); err == nil || !strings.Contains(err.Error(), "periodic.yml"+want) {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "name a file") {
		t.Error(err)
	}
}
