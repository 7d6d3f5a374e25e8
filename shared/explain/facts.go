package explain

import (
	"time"

	"github.com/google/uuid"

	"tidemark/shared/freshness"
	"tidemark/shared/job"
)

// Limits are the settings by which a scope is judged, which the record does not know.
type Limits struct {
	// OlderThan is from which age a finished aggregation is too old.
	OlderThan time.Duration
	// MaxHold is how long an aggregation waits for recalculations at most, as the fleet has it.
	MaxHold time.Duration
}

// Facts are what is known of a scope at one moment. All times are the database's, in UTC.
type Facts struct {
	// At is the moment.
	At time.Time
	Limits
	// Scope is what shared/freshness knows.
	Scope freshness.Scope
	// Kept is that of [freshness.Snapshot].
	Kept bool
	// Changes is how many transactions changed the scope's data that no aggregation has seen.
	Changes int
	// Jobs are those that bear on the scope, by ascending id: what waits or runs, the latest
	// aggregation, the last that ended, the last that wrote, the latest recalculation of each data entry type and the loads in force.
	Jobs []Job
	// Outdated are the recalculations that have factors yet to be reckoned in.
	Outdated []freshness.Recalculation
}

// Job is a row of data_ingestion_jobs with what led to it.
type Job struct {
	ID   int64
	Type job.Type
	// DataEntryType is 0 where the row has none.
	DataEntryType int
	// State is "" where the row has none, as Result and Message are.
	State                           job.State
	Result                          job.Result
	Message                         string
	RequestedAt, StartedAt, EndedAt *time.Time
	// RunAfter postpones a waiting job.
	RunAfter *time.Time
	// LockedBy is the claim that it runs under, Expired that the claim's lease is over.
	LockedBy              string
	Expired               bool
	Done, Total           *int64
	Attempts, MaxAttempts int
	Pipeline              *uuid.UUID
	// Actor, Via and Reason are of who asked first; "" where nobody did or it was not recorded.
	Actor, Via, Reason string
	// Root is the job that set the pipeline off; nil where that is this one or is not known.
	Root *Root `db:"-"`
}

// Root is the job that a pipeline began with.
type Root struct {
	ID      int64
	Type    job.Type
	EndedAt *time.Time
	Message string
}

func (j Job) failed() bool { return j.State == job.Finished && j.Result == job.Error }

func (j Job) active() bool { return j.State.Waiting() || j.State == job.Running }

// Percent is how much of its work is done, nil where the job does not say.
func (j Job) Percent() *int {
	return job.Percent(j.Done, j.Total)
}

// job returns the newest job that fits, nil where none does.
func (f Facts) job(fits func(Job) bool) *Job { return newest(f.Jobs, fits) }

func newest(jobs []Job, fits func(Job) bool) *Job {
	for i := len(jobs) - 1; i >= 0; i-- {
		if fits(jobs[i]) {
			return &jobs[i]
		}
	}
	return nil
}

// numbers is the aggregation whose numbers people see, nil where there is none.
func (f Facts) numbers() *Job {
	return f.job(func(j Job) bool {
		return j.Type == job.Aggregation && j.State == job.Finished && j.Result != job.Error && j.EndedAt != nil
	})
}

// latest is the aggregation that decides, nil where there never was one.
func (f Facts) latest() *Job {
	if f.Scope.Latest == nil {
		return nil
	}
	return f.job(func(j Job) bool { return j.ID == f.Scope.Latest.ID })
}

// recalculations are the jobs of that type that fit, by ascending id.
func (f Facts) recalculations(fits func(Job) bool) []Job { return recalculations(f.Jobs, fits) }

func recalculations(jobs []Job, fits func(Job) bool) []Job {
	var found []Job
	for _, j := range jobs {
		if j.Type == job.EmissionRecalc && fits(j) {
			found = append(found, j)
		}
	}
	return found
}
