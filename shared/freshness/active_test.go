package freshness_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
	"tidemark/shared/local/localtest"
)

func TestActivePipelines(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	p1, p2, p3 := pipeline(t, pool, "1", "csv_ingest"), pipeline(t, pool, "2", ""), pipeline(t, pool, "3", "csv_ingest")
	for _, r := range []row{
		{"csv_ingest", "RUNNING", "", 1, 2025, nil, p1},
		{"emission_recalc", "NOT_STARTED", "", 2, 2025, nil, p1},
		{"emission_recalc", "QUEUED", "", 2, 2025, nil, p2}, // the highest id of module 2 that is active
		{"aggregation", "FINISHED", "SUCCESS", 2, 2025, new(0), p3},
		{"aggregation", "FINISHED", "SUCCESS", 3, 2025, new(0), p3},
		{"aggregation", "RUNNING", "", 4, 2025, nil, ""}, // no pipeline
		{"aggregation", "", "", 5, 2025, nil, p3},        // state NULL is not active here
		{"aggregation", "RUNNING", "", 6, 2024, nil, p3},
	} {
		insert(t, pool, r)
	}
	for name, c := range map[string]struct {
		year    int
		modules []int
		want    map[int]string
	}{
		"those that run, the highest job wins": {2025, []int{1, 2, 3}, map[int]string{1: p1, 2: p2}},
		"only those asked for":                 {2025, []int{1}, map[int]string{1: p1}},
		"neither finished, bare nor NULL":      {2025, []int{3, 4, 5}, map[int]string{}},
		"another year":                         {2025, []int{6}, map[int]string{}},
		"its year":                             {2024, []int{6}, map[int]string{6: p3}},
		"ids that no column can hold":          {1 << 40, []int{1 << 40}, map[int]string{}},
		"no modules":                           {2025, nil, map[int]string{}},
	} {
		got, err := freshness.ActivePipelines(t.Context(), pool, c.year, c.modules)
		if err != nil || got == nil || !maps.Equal(got, c.want) {
			t.Errorf("%s: got %v (%v), want %v", name, got, err, c.want)
		}
	}
}

func TestActivePipelineKinds(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	creator, joiner, both := pipeline(t, pool, "1", "csv_ingest"), pipeline(t, pool, "2", ""), pipeline(t, pool, "3", "csv_ingest")
	done := pipeline(t, pool, "4", "factor_ingest")
	waiting := insert(t, pool, row{"aggregation", "NOT_STARTED", "", 1, 2025, nil, creator})
	other := insert(t, pool, row{"aggregation", "RUNNING", "", 2, 2025, nil, both})
	finished := insert(t, pool, row{"aggregation", "FINISHED", "SUCCESS", 3, 2025, new(0), done})
	// A pipeline counts once, whether it created its jobs, joined them, or both.
	exec(t, pool, `INSERT INTO pipeline_joins (pipeline_id, job_id) VALUES ($1, $3), ($1, $4), ($2, $3), ($2, $5)`,
		joiner, both, waiting, other, finished)

	first := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	// The finished one is the oldest, and does not count.
	for i, id := range []string{done, creator, joiner, both} {
		exec(t, pool, `UPDATE pipelines SET created_at = $2, started_at = NULL WHERE id = $1`, id, first.Add(time.Duration(i)*time.Hour))
	}

	got, err := freshness.ActivePipelineKinds(t.Context(), pool)
	want := []freshness.PipelineCount{{Kind: "csv_ingest", Count: 2, OldestStart: first.Add(time.Hour)}, {Kind: "unknown", Count: 1, OldestStart: first.Add(2 * time.Hour)}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func TestActiveJobs(t *testing.T) {
	t.Parallel()
	pool := localtest.Pool(t)
	for _, r := range []row{
		{"unit_sync", "RUNNING", "", 0, 2025, nil, ""},
		{"", "QUEUED", "", 0, 2025, nil, ""},
		{"aggregation", "NOT_STARTED", "", 1, 2025, nil, ""},
		{"aggregation", "NOT_STARTED", "", 2, 2025, nil, ""},
		{"aggregation", "RUNNING", "", 2, 2025, nil, ""},
		{"aggregation", "FINISHED", "SUCCESS", 2, 2025, new(0), ""},
		{"aggregation", "", "", 2, 2025, nil, ""},
	} {
		insert(t, pool, r)
	}
	got, err := freshness.ActiveJobs(t.Context(), pool)
	want := []freshness.JobCount{
		{Type: job.Aggregation, State: job.NotStarted, Count: 2},
		{Type: job.Aggregation, State: job.Running, Count: 1},
		{Type: "unit_sync", State: job.Running, Count: 1},
		{Type: "unknown", State: job.Queued, Count: 1},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}
