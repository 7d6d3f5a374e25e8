package job_test

import (
	"slices"
	"strings"
	"testing"

	"tidemark/shared/job"
)

// scope NULLs, V3: a scope key that is missing would slip past the unique index, a job type
// that differs from the configuration's would be deduplicated by the wrong one.
func TestCheckRefusesWhatTheIndexCannotHold(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		config job.DedupConfig
		scope  job.Scope
		want   string
	}{
		"no module":             {job.AggregationDedup, job.AggregationOf(0, 2025), "module_type_id must be set for aggregation: scope keys must be set"},
		"no year":               {job.AggregationDedup, job.AggregationOf(7, 0), "year must be set for aggregation: scope keys must be set"},
		"no data entry type":    {job.EmissionRecalcDedup, job.RecalcOf(2, 0, 2025), "data_entry_type_id must be set for emission_recalc: scope keys must be set"},
		"negative key":          {job.EmissionRecalcDedup, job.RecalcOf(2, -20, 2025), "scope keys must be set"},
		"key beyond the column": {job.AggregationDedup, job.AggregationOf(1<<32+7, 2025), "module_type_id = 4294967303 is out of range"},
		"column of another":     {job.AggregationDedup, job.Scope{Type: job.Aggregation, ModuleType: 2, DataEntryType: 20, Year: 2025}, "data_entry_type_id = 20 is not a scope column of aggregation"},
		"other type":            {job.AggregationDedup, job.RecalcOf(2, 20, 2025), `job type "emission_recalc" does not match the dedup configuration of "aggregation"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := tc.config.Check(tc.scope); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to say %q", err, tc.want)
			}
		})
	}
	for _, s := range []job.Scope{job.AggregationOf(7, 2025), job.RecalcOf(2, 20, 2025), job.AggregationOf(1<<31-1, 1)} {
		if err := s.Check(); err != nil {
			t.Error(err)
		}
	}
	if err := (job.Scope{Type: job.CSVIngest, ModuleType: 1, Year: 2025}).Check(); err == nil {
		t.Error("a load can be requested")
	}
}

func TestTaskIDNamesScopeJobAndDelivery(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"aggregation:7:2025:1234":          job.AggregationDedup.TaskID(job.AggregationOf(7, 2025), 1234, 0),
		"aggregation:7:2025:1234.2":        job.AggregationDedup.TaskID(job.AggregationOf(7, 2025), 1234, 1),
		"emission_recalc:2:20:2025:1235":   job.EmissionRecalcDedup.TaskID(job.RecalcOf(2, 20, 2025), 1235, 0),
		"emission_recalc:2:20:2025:1235.3": job.EmissionRecalcDedup.TaskID(job.RecalcOf(2, 20, 2025), 1235, 2),
	} {
		if got != want {
			t.Errorf("task id %s, want %s", got, want)
		}
	}
}

func TestEverythingUniqueIsDerivedFromTheConfiguration(t *testing.T) {
	t.Parallel()
	c := job.EmissionRecalcDedup
	if got, want := c.ConflictTarget(), "(module_type_id, data_entry_type_id, year, (state = 'RUNNING'))"; got != want {
		t.Errorf("conflict target %s, want %s", got, want)
	}
	if got, want := c.Predicate(), "job_type = 'emission_recalc' AND state IN ('NOT_STARTED', 'QUEUED', 'RUNNING')"; got != want {
		t.Errorf("predicate %s, want %s", got, want)
	}
	if want := "CREATE UNIQUE INDEX CONCURRENTLY x ON data_ingestion_jobs " + c.ConflictTarget() + " WHERE " + c.Predicate(); c.CreateIndex("x") != want {
		t.Errorf("index %s, want %s", c.CreateIndex("x"), want)
	}
	if c.Queue() != "emission_recalc" {
		t.Errorf("queue %s", c.Queue())
	}
}

func TestEveryConfigurationIsFoundByItsType(t *testing.T) {
	t.Parallel()
	for _, c := range job.Configs() {
		found, err := job.ConfigOf(c.JobType)
		if err != nil || found.ConstraintName != c.ConstraintName {
			t.Errorf("%s: %v, %v", c.JobType, found, err)
		}
		if parsed, err := job.ParseType(string(c.JobType)); err != nil || parsed != c.JobType {
			t.Errorf("%s: %v, %v", c.JobType, parsed, err)
		}
	}
	if _, err := job.ParseType("unit_sync"); err == nil || !strings.Contains(err.Error(), `"unit_sync"`) {
		t.Errorf("unit_sync: %v", err)
	}
}

func TestScopesSortByTypeModuleEntryTypeYear(t *testing.T) {
	t.Parallel()
	sorted := []job.Scope{
		job.AggregationOf(1, 2026), job.AggregationOf(2, 2024), job.AggregationOf(2, 2025), job.AggregationOf(10, 2024),
		job.RecalcOf(1, 10, 2024), job.RecalcOf(1, 10, 2025), job.RecalcOf(1, 11, 2024), job.RecalcOf(2, 1, 2024),
	}
	shuffled := slices.Clone(sorted)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, job.Scope.Compare)
	if !slices.Equal(shuffled, sorted) {
		t.Errorf("sorted as %v", shuffled)
	}
}
