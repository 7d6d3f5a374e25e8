package explain

import (
	"fmt"

	"tidemark/shared/job"
)

// waiting is the aggregation that waits, nil where none does.
func (x *explainer) waiting() *Job {
	return x.job(func(j Job) bool { return j.Type == job.Aggregation && j.State.Waiting() })
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
	behind := x.job(func(o Job) bool {
		return o.ID != j.ID && o.Type == j.Type && o.DataEntryType == j.DataEntryType && o.State == job.Running
	})
	switch held := x.Facts.recalculations(Job.active); {
	case j.RunAfter != nil && j.RunAfter.After(x.At):
		x.about(j, JobPostponed, j.RequestedAt, "%s waits since %s and is postponed until %s.", name, clock(j.RequestedAt), clock(j.RunAfter))
		x.origin(j)
		x.remedy("Wait for that time, or have it start now:",
			fmt.Sprintf(`psql "$TIDEMARK_DATABASE_URL" -c 'UPDATE data_ingestion_jobs SET run_after = NULL WHERE id = %d'`, j.ID))
	case behind != nil:
		x.about(j, JobBehindAnother, j.RequestedAt, "%s waits since %s for job %d of the same scope to end; it will cover what that one may have missed.", name, clock(j.RequestedAt), behind.ID)
		x.origin(j)
		x.activeJob(*behind)
	case j.Type == job.Aggregation && len(held) > 0 && j.RequestedAt != nil && x.At.Sub(*j.RequestedAt) < x.MaxHold:
		x.about(j, JobHeld, j.RequestedAt, "%s waits since %s, and is held while recalculations of the module and year wait or run, for %s at most.", name, clock(j.RequestedAt), span(x.MaxHold))
		x.origin(j)
		for _, r := range held {
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
	if j.Done == nil || j.Total == nil || *j.Total == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of %d done (%d %%)", *j.Done, *j.Total, 100**j.Done / *j.Total)
}
