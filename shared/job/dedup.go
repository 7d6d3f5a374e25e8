package job

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Column is a scope column of data_ingestion_jobs.
type Column string

// The columns a scope can be made of.
const (
	ModuleType    Column = "module_type_id"
	DataEntryType Column = "data_entry_type_id"
	Year          Column = "year"
)

// Columns returns every scope column, in the order in which scopes are encoded.
func Columns() []Column { return []Column{ModuleType, DataEntryType, Year} }

// DedupConfig says what makes a job of one type unique: at most one waiting
// and at most one running job per distinct value of ScopeColumns.
type DedupConfig struct {
	// JobType is the job_type the configuration is for.
	JobType Type
	// ScopeColumns are the columns of the scope, in index order.
	ScopeColumns []Column
	// ConstraintName is the partial unique index that enforces it.
	ConstraintName string
}

// AggregationDedup makes aggregations unique by module and year.
var AggregationDedup = DedupConfig{
	JobType:        Aggregation,
	ScopeColumns:   []Column{ModuleType, Year},
	ConstraintName: "uq_aggregation_active",
}

// EmissionRecalcDedup makes recalculations unique by module, data entry type and year.
var EmissionRecalcDedup = DedupConfig{
	JobType:        EmissionRecalc,
	ScopeColumns:   []Column{ModuleType, DataEntryType, Year},
	ConstraintName: "uq_emission_recalc_active",
}

// Configs returns every configuration, in the order in which their locks are taken.
func Configs() []DedupConfig { return []DedupConfig{AggregationDedup, EmissionRecalcDedup} }

// ConfigOf returns the configuration of a deduplicated job type.
func ConfigOf(t Type) (DedupConfig, error) {
	for _, c := range Configs() {
		if c.JobType == t {
			return c, nil
		}
	}
	return DedupConfig{}, fmt.Errorf("job type %q: it has no dedup configuration, so it cannot be requested", t)
}

// Check refuses a scope that the configuration does not describe: another job
// type, a scope column that is missing or does not fit, or one that does not
// belong to it. A missing key would slip past the unique index, as NULLs are
// distinct there; one that does not fit would name another scope.
func (c DedupConfig) Check(s Scope) error {
	if s.Type != c.JobType {
		return fmt.Errorf("scope %s: job type %q does not match the dedup configuration of %q", s, s.Type, c.JobType)
	}
	for _, col := range Columns() {
		v, has := *s.Field(col), c.has(col)
		switch {
		case has && v <= 0:
			return fmt.Errorf("scope %s: %s must be set for %s: scope keys must be set", s, col, c.JobType)
		case has && v > maxKey:
			return fmt.Errorf("scope %s: %s = %d is out of range", s, col, v)
		case !has && v != 0:
			return fmt.Errorf("scope %s: %s = %d is not a scope column of %s", s, col, v, c.JobType)
		}
	}
	return nil
}

func (c DedupConfig) has(col Column) bool { return slices.Contains(c.ScopeColumns, col) }

// Check refuses a scope whose job type has no configuration or does not match it.
func (s Scope) Check() error {
	c, err := ConfigOf(s.Type)
	if err != nil {
		return err
	}
	return c.Check(s)
}

// activeStates is the SQL list of the states that occupy a scope.
const activeStates = `('NOT_STARTED', 'QUEUED', 'RUNNING')`

// ConflictTarget is the SQL of the index's key: the scope columns, then whether
// the job runs, so that one waiting and one running job fit side by side.
func (c DedupConfig) ConflictTarget() string {
	cols := make([]string, 0, len(c.ScopeColumns)+1)
	for _, col := range c.ScopeColumns {
		cols = append(cols, string(col))
	}
	return "(" + strings.Join(append(cols, "(state = 'RUNNING')"), ", ") + ")"
}

// Predicate is the SQL condition under which a row takes part in the index.
func (c DedupConfig) Predicate() string {
	return fmt.Sprintf("job_type = '%s' AND state IN %s", c.JobType, activeStates)
}

// CreateIndex is the SQL that builds the index under the given name without
// blocking writers; it cannot run inside a transaction.
func (c DedupConfig) CreateIndex(name string) string {
	return fmt.Sprintf("CREATE UNIQUE INDEX CONCURRENTLY %s ON data_ingestion_jobs %s WHERE %s", name, c.ConflictTarget(), c.Predicate())
}

// TaskID is the asynq task id that wakes a worker for a job. signalSeq counts
// how often the job went back to waiting; each time it needs an id of its own,
// because the task of a dead worker keeps its id for minutes.
func (c DedupConfig) TaskID(s Scope, jobID int64, signalSeq int) string {
	id := s.String() + ":" + strconv.FormatInt(jobID, 10)
	if signalSeq > 0 {
		id += "." + strconv.Itoa(signalSeq+1)
	}
	return id
}

// Queue is the asynq queue of the job type: one per type, so that every client
// of a scope meets in the same queue.
func (c DedupConfig) Queue() string { return string(c.JobType) }
