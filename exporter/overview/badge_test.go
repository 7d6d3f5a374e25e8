package overview

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tidemark/shared/explain"
	"tidemark/shared/job"
)

var noon = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

const maxHold = 10 * time.Minute

var limits = explain.Limits{OlderThan: time.Hour, MaxHold: maxHold}

// The jobs of the table, each with its id as the last digit of its pipeline.
func aggregation(id int64, state job.State, change ...func(*explain.Job)) jobRow {
	r := jobRow{ModuleType: 2, Year: 2025, Job: explain.Job{ID: id, Type: job.Aggregation, State: state, RequestedAt: new(noon.Add(-time.Minute)),
		Pipeline: new(uuid.MustParse(fmt.Sprintf("00000000-0000-4000-8000-%012d", id)))}}
	for _, f := range change {
		f(&r.Job)
	}
	return r
}

func recalculation(id int64, dataEntryType int, state job.State, change ...func(*explain.Job)) jobRow {
	r := aggregation(id, state, change...)
	r.Type, r.DataEntryType = job.EmissionRecalc, dataEntryType
	return r
}

func failed(message string) func(*explain.Job) {
	return func(j *explain.Job) { j.Result, j.Message = job.Error, message }
}

func done(done, total int64) func(*explain.Job) {
	return func(j *explain.Job) { j.Done, j.Total = &done, &total }
}

func silent(j *explain.Job) { j.Expired = true }

func TestBadge(t *testing.T) {
	t.Parallel()
	const plane, train = 20, 21
	for name, c := range map[string]struct {
		jobs     []jobRow
		kind     Kind
		text     string
		pipeline int
		// lines are data entry type or job type, state, percent, what is waited for.
		lines []string
	}{
		"a recalculation runs": {
			jobs: []jobRow{recalculation(1, plane, job.Running, done(61, 100)), aggregation(2, job.NotStarted)},
			kind: Running, text: "Step 2/3, recalculating, 61 %", pipeline: 1,
			lines: []string{"plane RUNNING 61 %", "aggregation NOT_STARTED, the recalculations of its module and year"},
		},
		"it does not say how far it is": {
			jobs: []jobRow{recalculation(1, plane, job.Running, done(0, 0))},
			kind: Running, text: "Step 2/3, recalculating", pipeline: 1, lines: []string{"plane RUNNING"},
		},
		"two run, together": {
			jobs: []jobRow{recalculation(1, train, job.Running, done(10, 30)), recalculation(2, plane, job.Running, done(40, 70)), recalculation(3, plane, job.NotStarted)},
			kind: Running, text: "Step 2/3, recalculating, 50 %", pipeline: 1,
			lines: []string{"plane RUNNING 57 %", "plane NOT_STARTED, the job that runs in its scope", "train RUNNING 33 %"},
		},
		"what runs comes before what waits for an earlier step": {
			jobs: []jobRow{aggregation(1, job.Running), recalculation(2, plane, job.Queued)},
			kind: Running, text: "Step 3/3, aggregating", pipeline: 1,
			lines: []string{"plane QUEUED, a worker", "aggregation RUNNING"},
		},
		"the worker is lost": {
			jobs: []jobRow{recalculation(1, plane, job.Running, done(61, 100), silent)},
			kind: Running, text: "Step 2/3, recalculating, no sign of life from its worker", pipeline: 1, lines: []string{"plane RUNNING 61 %"},
		},
		"one of two workers is lost": {
			jobs: []jobRow{recalculation(1, plane, job.Running, silent), recalculation(2, train, job.Running, done(1, 2))},
			kind: Running, text: "Step 2/3, recalculating, 50 %", pipeline: 1, lines: []string{"plane RUNNING", "train RUNNING 50 %"},
		},
		"nobody has taken it": {
			jobs: []jobRow{aggregation(1, job.NotStarted)},
			kind: Waiting, text: "Step 3/3, waiting for a worker", pipeline: 1, lines: []string{"aggregation NOT_STARTED, a worker"},
		},
		"held for too long": {
			jobs: []jobRow{aggregation(1, job.NotStarted, func(j *explain.Job) { j.RequestedAt = new(noon.Add(-maxHold)) }), recalculation(2, plane, job.NotStarted)},
			kind: Waiting, text: "Step 2/3, waiting for a worker", pipeline: 2,
			lines: []string{"plane NOT_STARTED, a worker", "aggregation NOT_STARTED, a worker"},
		},
		"postponed": {
			jobs: []jobRow{aggregation(1, job.NotStarted, func(j *explain.Job) { j.RunAfter = new(noon.Add(time.Hour)) })},
			kind: Waiting, text: "Step 3/3, waiting for its time, 2025-03-01 13:00:00Z", pipeline: 1,
			lines: []string{"aggregation NOT_STARTED, its time, 2025-03-01 13:00:00Z"},
		},
		"an upload of another program": {
			jobs: []jobRow{recalculation(1, plane, job.Running, func(j *explain.Job) {}), {ModuleType: 2, Year: 2025, Job: explain.Job{ID: 2, Type: job.CSVIngest, State: job.Running}}},
			kind: Running, text: "Step 1/3, bringing data in", lines: []string{"csv_ingest RUNNING", "plane RUNNING"},
		},
		"an aggregation failed": {
			jobs: []jobRow{aggregation(1, job.Finished, failed("no"))},
			kind: Failed, text: "Step 3/3, aggregation failed", pipeline: 1, lines: []string{"aggregation FINISHED ERROR no"},
		},
		"recalculations failed, and an aggregation": {
			jobs: []jobRow{aggregation(1, job.Finished, failed("no")), recalculation(2, 4711, job.Finished, failed("a")), recalculation(3, plane, job.Finished, failed("b"))},
			kind: Failed, text: "Step 2/3, 2 recalculations failed", pipeline: 2,
			lines: []string{"plane FINISHED ERROR b", "4711 FINISHED ERROR a", "aggregation FINISHED ERROR no"},
		},
		"one failed, and it is being repaired": {
			jobs: []jobRow{recalculation(1, plane, job.Finished, failed("no")), recalculation(2, plane, job.NotStarted)},
			kind: Waiting, text: "Step 2/3, waiting for a worker", pipeline: 2,
			lines: []string{"plane FINISHED ERROR no", "plane NOT_STARTED, a worker"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := badgeOf(noon, maxHold, c.jobs)
			if b.Kind != c.kind || b.Text != c.text {
				t.Errorf("%s %q, want %s %q", b.Kind, b.Text, c.kind, c.text)
			}
			if got := b.Pipeline; (got == nil) != (c.pipeline == 0) || got != nil && int(got[15]) != c.pipeline {
				t.Errorf("pipeline %v, want %d", got, c.pipeline)
			}
			var lines []string
			for _, j := range b.Jobs {
				lines = append(lines, line(j))
			}
			if !slices.Equal(lines, c.lines) {
				t.Errorf("lines\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(c.lines, "\n"))
			}
		})
	}
	if b := badgeOf(noon, maxHold, nil); b != nil {
		t.Errorf("a badge of nothing: %+v", b)
	}
}

// line is a job as the tests compare it.
func line(j Job) string {
	text := j.Type
	if j.DataEntryType != nil {
		text = *j.DataEntryType
	}
	text += " " + j.State
	for _, word := range []*string{j.Result, j.Message} {
		if word != nil {
			text += " " + *word
		}
	}
	if j.Percent != nil {
		text += fmt.Sprintf(" %d %%", *j.Percent)
	}
	if j.WaitsFor != nil {
		text += ", " + *j.WaitsFor
	}
	return text
}
