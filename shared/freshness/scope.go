package freshness

import (
	"time"

	"tidemark/shared/job"
)

// Scope is a module and year that some report declares, with what its
// aggregations say about it. All times are UTC.
type Scope struct {
	// ModuleType is a module_type_id.
	ModuleType int
	// Year is a calendar year.
	Year int
	// Latest is the aggregation with the highest id, the one that [Classify] looks
	// at; nil when there never was one.
	Latest *Aggregation
	// LastSuccessAt is when the latest aggregation that wrote its data finished: one
	// with any result but ERROR. Nil when there is none. A pending or failed Latest
	// leaves it as it was.
	LastSuccessAt *time.Time
	// LastResult is the result of the latest finished aggregation, which a pending
	// Latest leaves as it was. Nil when none finished or the row has none.
	LastResult *job.Result
	// Drift says whether what the last success was computed from has changed since it began to read.
	Drift Drift
	// DriftedSince is when the first such change was made; nil unless Drift is [Drifted].
	DriftedSince *time.Time
}

// Aggregation is one row of job_type 'aggregation'. Every column but the id may
// be NULL in rows of the original, which is nil here.
type Aggregation struct {
	ID          int64
	State       *job.State
	Result      *job.Result
	RequestedAt *time.Time
	StartedAt   *time.Time
	FinishedAt  *time.Time
}

// finished reports whether the row reached its terminal state. A NULL state is
// pending: nobody has said that it ended.
func (a *Aggregation) finished() bool { return a.State != nil && *a.State == job.Finished }

// PendingSince is when the pending aggregation was asked for or, where the row
// does not say, when it started. Nil when nothing is pending or nothing is known.
func (s Scope) PendingSince() *time.Time {
	if s.Latest == nil || s.Latest.finished() {
		return nil
	}
	if s.Latest.RequestedAt != nil {
		return s.Latest.RequestedAt
	}
	return s.Latest.StartedAt
}

// Since is since when the scope is as [Classify] says of its latest aggregation: when that was asked
// for where it is pending, else when it ended. Nil where nobody knows, so always where there is none.
func (s Scope) Since() *time.Time {
	if s.Latest != nil && s.Latest.finished() {
		return s.Latest.FinishedAt
	}
	return s.PendingSince()
}
