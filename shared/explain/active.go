package explain

import (
	"fmt"
	"time"

	"tidemark/shared/job"
)

// waiting is the aggregation that waits, nil where none does.
func (x *explainer) waiting() *Job {
	return x.job(func(j Job) bool { return j.Type == job.Aggregation && j.State.Waiting() })
}

// Waits says what keeps a job that waits from running at a moment, by the jobs of its module and
// year: [JobPostponed], [JobBehindAnother], [JobHeld] or, where nothing in the record does, [JobNotTaken].
func Waits(j Job, at time.Time, jobs []Job, maxHold time.Duration) Kind {
	switch {
	case j.RunAfter != nil && j.RunAfter.After(at):
		return JobPostponed
	case runsBefore(j, jobs) != nil:
		return JobBehindAnother
	case j.Type == job.Aggregation && len(holding(jobs)) > 0 && j.RequestedAt != nil && at.Sub(*j.RequestedAt) < maxHold:
		return JobHeld
	default:
		return JobNotTaken
	}
}

// runsBefore is the job that runs in the scope of j, nil where none does.
func runsBefore(j Job, jobs []Job) *Job {
	return newest(jobs, func(o Job) bool {
		return o.ID != j.ID && o.Type == j.Type && o.DataEntryType == j.DataEntryType && o.State == job.Running
	})
}

// holding are the recalculations that an aggregation of their module and year waits for.
func holding(jobs []Job) []Job {
	return recalculations(jobs, Job.active)
}

// activeJob says what a job that waits or runs is waiting for, down to the root.
func (x *explainer) activeJob(j Job) {
	if x.explained[j.ID] {
		return
	}
	if !j.State.Waiting() {
		x.runningJob(j)
		return
	}
	name := fmt.Sprintf("The %s, job %d,", jobName(j), j.ID)
	switch Waits(j, x.At, x.Jobs, x.MaxHold) {
	case JobPostponed:
		x.about(j, JobPostponed, j.RequestedAt, "%s waits since %s and is postponed until %s.", name, clock(j.RequestedAt), clock(j.RunAfter))
		x.origin(j)
		x.remedy("Wait for that time, or have it start now:",
			fmt.Sprintf(`psql "$TIDEMARK_DATABASE_URL" -c 'UPDATE data_ingestion_jobs SET run_after = NULL WHERE id = %d'`, j.ID))
	case JobBehindAnother:
		behind := runsBefore(j, x.Jobs)
		x.about(j, JobBehindAnother, j.RequestedAt, "%s waits since %s for job %d of the same scope to end; it will cover what that one may have missed.", name, clock(j.RequestedAt), behind.ID)
		x.origin(j)
		x.activeJob(*behind)
	case JobHeld:
		x.about(j, JobHeld, j.RequestedAt, "%s waits since %s, and is held while recalculations of the module and year wait or run, for %s at most.", name, clock(j.RequestedAt), span(x.MaxHold))
		x.origin(j)
		for _, r := range holding(x.Jobs) {
			x.activeJob(r)
		}
	default:
		x.about(j, JobNotTaken, j.RequestedAt, "%s waits since %s%s; nothing in the record keeps it from running, no worker has taken it.", name, clock(j.RequestedAt), x.ago(j))
		x.origin(j)
		x.remedy("A moment's wait is usual. If it lasts: no worker runs, all are busy, or its queue is paused. See which:", "tidemark doctor")
		x.remedy("Or follow it:", x.watch())
	}
}

func (x *explainer) runningJob(j Job) {
	name := fmt.Sprintf("The %s, job %d,", jobName(j), j.ID)
	switch {
	case j.Expired:
		x.about(j, JobLostItsWorker, j.StartedAt, "%s runs since %s, but its worker %s has given no sign of life for a whole lease (attempt %d of %d). A scheduler gives such a job to another worker within seconds.",
			name, clock(j.StartedAt), j.LockedBy, j.Attempts, j.MaxAttempts)
		x.origin(j)
		x.remedy("If it stays so, no scheduler runs. See what is wrong:", "tidemark doctor")
	case j.State != job.Running:
		x.about(j, JobNotTaken, j.RequestedAt, "%s has no state: another program wrote it and has not said that it ended.", name)
		x.compute("Request a computation, which does not wait for it:")
	default:
		x.about(j, JobRuns, j.StartedAt, "%s runs since %s%s%s.", name, clock(j.StartedAt), onWorker(j), progress(j))
		x.origin(j)
		x.remedy("Wait for it:", x.watch())
	}
}

func (x *explainer) ago(j Job) string {
	if j.RequestedAt == nil {
		return ""
	}
	return fmt.Sprintf(" (%s)", span(x.At.Sub(*j.RequestedAt)))
}

func onWorker(j Job) string {
	if j.LockedBy == "" {
		return ""
	}
	return " on " + j.LockedBy
}

func progress(j Job) string {
	percent := j.Percent()
	if percent == nil {
		return ""
	}
	return fmt.Sprintf(", %d of %d done (%d %%)", *j.Done, *j.Total, *percent)
}
