package explain_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidemark/shared/explain"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/ledger"
)

var update = flag.Bool("update", false, "write testdata anew")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ago is a moment so many minutes before noon.
func ago(minutes int) *time.Time { return new(noon.Add(-time.Duration(minutes) * time.Minute)) }

var limits = explain.Limits{OlderThan: time.Hour, MaxHold: ledger.DefaultMaxHold}

// The jobs that most cases are made of.
var (
	good     = explain.Job{ID: 7, Type: job.Aggregation, State: job.Finished, Result: job.Success, RequestedAt: ago(31), StartedAt: ago(30), EndedAt: ago(29), Attempts: 1, MaxAttempts: 3}
	failed   = explain.Job{ID: 9, Type: job.Aggregation, State: job.Finished, Result: job.Error, Message: "aggregate module type 5: the statistics of report 12 are not an object", RequestedAt: ago(11), StartedAt: ago(10), EndedAt: ago(9), Actor: "ada@host", Via: "cli", Reason: "new factors"}
	waiting  = explain.Job{ID: 11, Type: job.Aggregation, State: job.NotStarted, RequestedAt: ago(5), MaxAttempts: 3}
	recalc   = explain.Job{ID: 10, Type: job.EmissionRecalc, DataEntryType: 20, State: job.Finished, Result: job.Success, RequestedAt: ago(8), StartedAt: ago(7), EndedAt: ago(6)}
	load     = explain.Job{ID: 8, Type: job.CSVIngest, DataEntryType: 20, State: job.Finished, Result: job.Success, Message: "12 rows of trips.csv", StartedAt: ago(9), EndedAt: ago(8), Actor: ""}
	loadRoot = &explain.Root{ID: 8, Type: job.CSVIngest, EndedAt: ago(8), Message: "12 rows of trips.csv"}
)

// with changes a copy of a job.
func with(j explain.Job, change func(*explain.Job)) explain.Job {
	change(&j)
	return j
}

// facts of travel 2025 at noon with these jobs; the aggregation with the highest id decides.
func facts(jobs ...explain.Job) explain.Facts {
	f := explain.Facts{At: noon, Limits: limits, Kept: true, Jobs: jobs, Scope: freshness.Scope{ModuleType: 2, Year: 2025}}
	for _, j := range jobs {
		if j.Type == job.Aggregation {
			f.Scope.Latest = &freshness.Aggregation{ID: j.ID, State: &j.State, RequestedAt: j.RequestedAt, StartedAt: j.StartedAt, FinishedAt: j.EndedAt}
			if j.Result != "" {
				f.Scope.Latest.Result = &j.Result
			}
			if j.State == job.Finished && j.Result != job.Error && j.EndedAt != nil {
				f.Scope.LastSuccessAt, f.Scope.Drift = j.EndedAt, freshness.Current
			}
		}
	}
	return f
}

func drifted(f explain.Facts, changes, minutes int) explain.Facts {
	f.Scope.Drift, f.Scope.DriftedSince, f.Changes = freshness.Drifted, ago(minutes), changes
	return f
}

func outdated(f explain.Facts, last *freshness.Run) explain.Facts {
	f.Outdated = []freshness.Recalculation{{ModuleType: 2, DataEntryType: 20, Year: 2025, Factors: freshness.Run{ID: 8, FinishedAt: ago(8)}, Last: last}}
	return f
}

// TestExplain compares the whole text of each case with testdata. The names say what is to be seen there.
func TestExplain(t *testing.T) {
	t.Parallel()
	otherModule := func(f explain.Facts, id int) explain.Facts {
		f.Scope.ModuleType = id
		return f
	}
	cases := map[string]explain.Facts{
		"fresh":                   facts(good),
		"fresh_with_warning":      facts(with(good, func(j *explain.Job) { j.Result, j.Message = job.Warning, "2 entries have no emission" })),
		"fresh_but_drift_unknown": func() explain.Facts { f := facts(good); f.Scope.Drift = freshness.DriftUnknown; return f }(),
		"fresh_but_nothing_kept": func() explain.Facts {
			f := facts(good)
			f.Scope.Drift, f.Kept = freshness.DriftUnknown, false
			return f
		}(),
		"never_nothing_on_record": facts(),
		"never_no_calculation":    otherModule(facts(), 1),
		"never_unknown_module":    otherModule(facts(), 99),
		"never_only_loaded":       facts(load),
		"never_recalc_failed":     facts(load, with(recalc, func(j *explain.Job) { j.Result, j.Message, j.Root = job.Error, "factor 4 has no value", loadRoot })),
		"never_recalc_runs": facts(with(recalc, func(j *explain.Job) {
			j.State, j.Result, j.EndedAt, j.LockedBy = job.Running, "", nil, "tidemark-a-1-ff"
			j.Done, j.Total = new(int64(40)), new(int64(160))
		})),
		"pending_not_taken":     facts(good, waiting),
		"pending_postponed":     facts(good, with(waiting, func(j *explain.Job) { j.RunAfter = ago(-1440) })),
		"pending_held":          facts(good, with(recalc, func(j *explain.Job) { j.State, j.Result, j.StartedAt, j.EndedAt = job.NotStarted, "", nil, nil }), waiting),
		"pending_held_too_long": facts(good, with(recalc, func(j *explain.Job) { j.State, j.Result, j.EndedAt = job.Running, "", nil }), with(waiting, func(j *explain.Job) { j.RequestedAt = ago(20) })),
		"pending_behind_a_lost": facts(good, with(waiting, func(j *explain.Job) {
			j.ID, j.State, j.StartedAt, j.Expired, j.LockedBy, j.Attempts = 10, job.Running, ago(4), true, "tidemark-a-1-ff", 2
		}), waiting),
		"pending_of_another":       facts(with(waiting, func(j *explain.Job) { j.State = "" })),
		"pending_after_failure":    facts(good, failed, waiting),
		"failed":                   facts(good, failed),
		"failed_first":             facts(failed),
		"failed_worker_lost":       facts(good, with(failed, func(j *explain.Job) { j.Message = "worker lost (tidemark-a-1-ff)" })),
		"failed_after_load":        drifted(facts(good, load, recalc, with(failed, func(j *explain.Job) { j.ID, j.Actor, j.EndedAt, j.Root = 12, "", ago(3), loadRoot })), 2, 9),
		"failed_aborted":           facts(good, with(failed, func(j *explain.Job) { j.Message = "aborted by bob@host: wrong file" })),
		"failed_several_lines":     facts(good, with(failed, func(j *explain.Job) { j.Message = "one\ntwo" })),
		"old":                      facts(with(good, func(j *explain.Job) { j.StartedAt, j.EndedAt = ago(1501), ago(1500) })),
		"old_without_a_time":       facts(with(good, func(j *explain.Job) { j.EndedAt = nil })),
		"old_and_drifted":          drifted(facts(with(good, func(j *explain.Job) { j.StartedAt, j.EndedAt = ago(91), ago(90) })), 3, 12),
		"drifted_past_tidemark":    drifted(facts(good), 1, 3),
		"drifted_by_a_load":        drifted(facts(good, load, with(recalc, func(j *explain.Job) { j.Root = loadRoot })), 2, 9),
		"drifted_recalc_failed":    drifted(facts(good, load, with(recalc, func(j *explain.Job) { j.Result, j.Message, j.Root = job.Error, "factor 4 has no value", loadRoot })), 1, 9),
		"drifted_and_covered":      drifted(facts(good, load, recalc, waiting), 2, 9),
		"factors_never_reckoned":   outdated(facts(good), nil),
		"factors_after_the_recalc": outdated(facts(good, recalc), &freshness.Run{ID: 10}),
	}
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden(t, name+".txt", explain.Explain(f).String())
		})
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) > len(cases) {
		t.Errorf("%d files for %d cases (%v): remove what is no case any more", len(files), len(cases), err)
	}
}

// TestExplanationJSON pins what programs read.
func TestExplanationJSON(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]explain.Facts{"fresh.json": facts(good), "failed.json": facts(good, failed)} {
		text, err := json.MarshalIndent(explain.Explain(f), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, string(text)+"\n")
	}
}

// TestEveryStaleScopeHasARemedy: whatever is wrong, there is something to paste, and every id in
// the text stands for a job in the chain or a job that one follows from.
func TestEveryStaleScopeHasARemedy(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^    (tidemark|psql) `)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wrong := strings.Contains(string(text), "is stale") || strings.Contains(string(text), "drifted") || strings.Contains(string(text), "older than their factors")
		if !strings.Contains(file, "unknown_module") && wrong != command.Match(text) && !strings.Contains(file, "nothing_kept") {
			t.Errorf("%s: something is wrong: %v, there is a command: %v", file, wrong, !wrong)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s(%v); run the test with -update to take it", name, got, want, err)
	}
}
