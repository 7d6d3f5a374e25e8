package overview

import (
	"time"

	"github.com/google/uuid"

	"tidemark/shared/freshness"
)

// Fresh is the State of a scope that is not stale, and its place in Counts. A scope that is
// stale has the name of its bucket, a [freshness.Why].
const Fresh = "fresh"

// Overview is every scope at one moment. All times are the database's, in UTC.
type Overview struct {
	// At is the moment.
	At time.Time `json:"at"`
	// Counts says how many scopes are in each bucket of freshness and in [Fresh]; all are present.
	Counts map[string]int `json:"counts"`
	// Drifted is how many scopes have drifted, stale or not; nil (null) where the database does not keep it.
	Drifted *int `json:"drifted"`
	// Scopes are in order of module type, then year; never nil.
	Scopes []Scope `json:"scopes"`
}

// Scope is a module and year that some report declares.
type Scope struct {
	ModuleType int `json:"module_type_id"`
	// Module is the name of the module, its number where this release does not know it.
	Module string `json:"module"`
	Year   int    `json:"year"`
	// State is [Fresh] or the bucket, a [freshness.Why].
	State string `json:"state"`
	// Drift is "" where no aggregation wrote data yet.
	Drift freshness.Drift `json:"drift"`
	// Since is since when State holds; nil (null) where the record does not say.
	Since *time.Time `json:"since"`
	// LastSuccessAt is when the aggregation ended whose numbers people see; nil (null) where there is none.
	LastSuccessAt *time.Time `json:"last_success_at"`
	// Badge is nil (null) where nothing is under way and nothing that failed waits for repair.
	Badge *Badge `json:"badge"`
}

// Kind is what a [Badge] says in one word.
type Kind string

// The kinds of a badge. What is under way comes before what has failed.
const (
	// Waiting means that jobs wait and none runs.
	Waiting Kind = "waiting"
	// Running means that a job runs.
	Running Kind = "running"
	// Failed means that nothing is under way, and something failed that was not repaired since.
	Failed Kind = "failed"
)

// Badge is what is under way in a scope, or failed and was not repaired since.
type Badge struct {
	Kind Kind `json:"kind"`
	// Text is for people: "Step 2/3, recalculating, 61 %". The steps are those of shared/ledger's Progress.
	Text string `json:"text"`
	// Pipeline is that of the job the text is about; nil (null) where it has none.
	Pipeline *uuid.UUID `json:"pipeline_id"`
	// Jobs are the recalculations and the aggregation that wait, run, or failed and were not repaired
	// since: recalculations by data entry type first; never empty.
	Jobs []Job `json:"jobs"`
}

// Job is one line of a badge's details.
type Job struct {
	ID int64 `json:"job_id"`
	// Type is the job_type.
	Type string `json:"job_type"`
	// DataEntryType is the name of a recalculation's data entry type, its number where this
	// release does not know it; nil (null) for an aggregation.
	DataEntryType *string `json:"data_entry_type"`
	State         string  `json:"state"`
	// Result is nil (null) until the job is finished.
	Result     *string    `json:"result"`
	Message    *string    `json:"message"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	// Percent is how much of a running job is done, 0 to 100; nil (null) where it does not say.
	Percent *int `json:"percent"`
	// WaitsFor says in words what a waiting job waits for; nil (null) for any other.
	WaitsFor *string `json:"waits_for"`
}
