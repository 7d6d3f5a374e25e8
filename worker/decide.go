package worker

import (
	"strings"

	"tidemark/shared/job"
	"tidemark/shared/ledger"
	"tidemark/shared/signal"
)

// action is what a delivered task asks for.
type action string

const (
	// look at the scope and run what waits there.
	look action = "look"
	// request the scope first: the task is an operator's or another program's wish.
	request action = "request"
	// report that the task's job failed, so that the task is archived where people see it.
	report action = "report"
	// ignore the task: its job is done, or was aborted.
	ignore action = "ignore"
)

// decide says what a delivery asks for. own is the job the task stands for, nil when
// there is none (a foreign task that was not answered yet, or a job no longer in the record).
//
// A task that failed before (it carries an incident) and is delivered again was run by
// somebody, in asynqmon or through asynq's Inspector, unless the incident has been
// answered already: then asynq handed the same delivery back, which it does at shutdown.
func decide(d signal.Delivery, incident signal.Incident, answer *signal.Answer, own *ledger.Job) action {
	runAgain := incident.Error != "" && (answer == nil || !answer.Incident.Same(incident))
	switch {
	case d.JobID == 0 && answer == nil:
		return request
	case own == nil && runAgain:
		return request
	case own == nil, !own.Finished():
		return look
	case own.SupersededBy != nil:
		// Another job covers what it was for, and has a signal of its own.
		return look
	case own.Failed() && runAgain && (d.JobID != 0 || names(incident, own)):
		return request
	case own.Aborted:
		return ignore
	case own.Failed():
		return report
	case runAgain:
		// The acknowledgement of a run that went well got lost, and asynq archived the task.
		return ignore
	default:
		return look
	}
}

// names reports whether the incident is that this job failed. A foreign task may have been
// archived, and be delivered again by asynq if its sender allowed retries, for other
// reasons: that is no wish to run a failed job again.
func names(i signal.Incident, j *ledger.Job) bool {
	return strings.HasPrefix(i.Error, jobFailed(j.ID, "").Error())
}

// scopeMatches reports whether a job of the record is of the delivery's scope. A task of
// another database (a Redis shared by mistake) may name a job that is something else here.
func scopeMatches(j ledger.Job, s job.Scope) bool {
	is := func(v *int, want int) bool { return want == 0 || v != nil && *v == want }
	return j.Type == string(s.Type) && is(j.ModuleType, s.ModuleType) && is(j.DataEntryType, s.DataEntryType) && is(j.Year, s.Year)
}
