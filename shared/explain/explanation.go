package explain

import (
	"fmt"
	"strings"
	"time"

	"tidemark/shared/freshness"
)

// Explanation is why a scope is as it is. Its JSON is a contract: fields are added, never changed.
type Explanation struct {
	// At is the moment it is true of, in UTC.
	At         time.Time `json:"at"`
	ModuleType int       `json:"module_type_id"`
	// Module is the module's name, or its number where the catalogue has none.
	Module string `json:"module"`
	Year   int    `json:"year"`
	// Why is [freshness.Fresh], "", where the scope is not stale.
	Why   freshness.Why   `json:"why_stale"`
	Drift freshness.Drift `json:"drift"`
	// Summary is one sentence.
	Summary string `json:"summary"`
	// Causes go from what is seen to the root. Never nil.
	Causes []Cause `json:"causes"`
	// Remedies are in the order in which to try them; none where nothing has to be done. Never nil.
	Remedies []Remedy `json:"remedies"`
}

// Cause is a link of the chain.
type Cause struct {
	// Kind names the sort of cause for programs.
	Kind Kind `json:"kind"`
	// Text is a sentence, or several.
	Text string `json:"text"`
	// JobID is the job it is about, nil (null) where it is about none.
	JobID *int64 `json:"job_id"`
	// At is when it came about, nil (null) where that is not known.
	At *time.Time `json:"at"`
	// Error is the message of the job that failed, nil (null) where none did.
	Error *string `json:"error"`
}

// Kind is the sort of a [Cause].
type Kind string

// The kinds.
const (
	NeverAggregated     Kind = "never_aggregated"
	AggregationFailed   Kind = "aggregation_failed"
	AggregationOld      Kind = "aggregation_old"
	AggregationCurrent  Kind = "aggregation_current"
	JobRuns             Kind = "job_runs"
	JobLostItsWorker    Kind = "job_lost_its_worker"
	JobPostponed        Kind = "job_postponed"
	JobBehindAnother    Kind = "job_behind_another"
	JobHeld             Kind = "job_held"
	JobNotTaken         Kind = "job_not_taken"
	DataChanged         Kind = "data_changed"
	DriftNotKnown       Kind = "drift_not_known"
	RecalculationFailed Kind = "recalculation_failed"
	FactorsNewer        Kind = "factors_newer"
	Requested           Kind = "requested"
	Loaded              Kind = "loaded"
	NothingOnRecord     Kind = "nothing_on_record"
)

// Remedy is something to do.
type Remedy struct {
	// Text says when and why.
	Text string `json:"text"`
	// Command can be pasted into a shell; "" where there is none.
	Command string `json:"command"`
}

// String is the explanation as it is shown in a terminal, a console or a runbook.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, e.Summary)
	for i, c := range e.Causes {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, indent(c.Text, "     "))
		if c.Error != nil {
			fmt.Fprintf(&b, "       %s\n", indent(*c.Error, "       "))
		}
	}
	if len(e.Remedies) == 0 {
		fmt.Fprintln(&b, "Nothing has to be done.")
		return b.String()
	}
	fmt.Fprintln(&b, "What to do:")
	for _, r := range e.Remedies {
		fmt.Fprintf(&b, "  %s\n", r.Text)
		if r.Command != "" {
			fmt.Fprintf(&b, "    %s\n", r.Command)
		}
	}
	return b.String()
}

// indent keeps a text of several lines, as messages of other programs may be, inside its place.
func indent(text, by string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+by)
}
