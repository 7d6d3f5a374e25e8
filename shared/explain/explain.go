package explain

import (
	"fmt"
	"strings"
	"time"

	"tidemark/shared/catalog"
	"tidemark/shared/freshness"
	"tidemark/shared/job"
)

// Explain says why the scope is as it is and what to do.
func Explain(f Facts) Explanation {
	x := explainer{Facts: f, explained: map[int64]bool{}}
	x.e = Explanation{At: f.At, ModuleType: f.Scope.ModuleType, Module: catalog.ModuleName(f.Scope.ModuleType), Year: f.Scope.Year,
		Why: freshness.Classify(f.Scope.Latest, f.At.Add(-f.OlderThan)), Drift: f.Scope.Drift, Causes: []Cause{}, Remedies: []Remedy{}}
	switch x.e.Why {
	case freshness.NoAggregationEver:
		x.never()
	case freshness.PendingAggregationStuck:
		x.pending()
	case freshness.LastAggregationFailed:
		x.failed()
	case freshness.LastAggregationTooOld:
		x.old()
	}
	x.numbersShown()
	x.drift()
	x.recalculations()
	x.e.Summary = x.summary()
	return x.e
}

// explainer builds an explanation.
type explainer struct {
	Facts
	e Explanation
	// explained are the jobs that the chain has dealt with.
	explained map[int64]bool
}

func (x *explainer) cause(kind Kind, at *time.Time, format string, args ...any) {
	x.e.Causes = append(x.e.Causes, Cause{Kind: kind, At: at, Text: fmt.Sprintf(format, args...)})
}

// about adds a cause that a job is.
func (x *explainer) about(j Job, kind Kind, at *time.Time, format string, args ...any) {
	x.cause(kind, at, format, args...)
	c := &x.e.Causes[len(x.e.Causes)-1]
	c.JobID = &j.ID
	if j.failed() && j.Message != "" {
		c.Error = &j.Message
	}
	x.explained[j.ID] = true
}

// remedy adds something to do, once.
func (x *explainer) remedy(text, command string) {
	for _, r := range x.e.Remedies {
		if r.Command == command {
			return
		}
	}
	x.e.Remedies = append(x.e.Remedies, Remedy{text, command})
}

func (x *explainer) summary() string {
	name := fmt.Sprintf("%s %d", x.e.Module, x.e.Year)
	const changed = "its data changed after the numbers that are shown"
	drifted := ""
	if x.e.Drift == freshness.Drifted {
		drifted = "; " + changed
	}
	switch x.e.Why {
	case freshness.NoAggregationEver:
		return name + " is stale (no_aggregation_ever): the reports have it, nothing ever aggregated it."
	case freshness.PendingAggregationStuck:
		return name + " is stale (pending_aggregation_stuck): its latest aggregation waits or runs" + drifted + "."
	case freshness.LastAggregationFailed:
		return name + " is stale (last_aggregation_failed): its latest aggregation ended in ERROR" + drifted + "."
	case freshness.LastAggregationTooOld:
		return fmt.Sprintf("%s is stale (last_aggregation_too_old): its latest aggregation is older than %s%s.", name, span(x.OlderThan), drifted)
	}
	switch {
	case drifted != "":
		return name + " is not stale, but has drifted: " + changed + "."
	case len(x.Outdated) > 0:
		return name + " is not stale, but its emissions are older than their factors."
	case x.e.Drift == freshness.DriftUnknown:
		return name + " is not stale; whether its data changed since is not known."
	default:
		return name + " is fresh."
	}
}

func (x *explainer) never() {
	x.cause(NeverAggregated, nil, "Reports of %d have the module %s, and no aggregation of it is on record.", x.e.Year, x.e.Module)
	recalculations := x.Facts.recalculations(func(Job) bool { return true })
	load := x.job(func(j Job) bool { return j.Type == job.CSVIngest || j.Type == job.FactorIngest })
	switch {
	case len(recalculations) > 0: // explained below
	case load != nil:
		x.about(*load, Loaded, load.EndedAt, "%s, job %d, is on record from %s, but no recalculation that would lead to an aggregation.", sentence(loadName(*load)), load.ID, clock(load.EndedAt))
	default:
		x.cause(NothingOnRecord, nil, "Neither a load nor a recalculation of it is on record: the reports were opened, or filled by another program, and nobody requested a computation.")
	}
	if !x.recalculationsTell() {
		x.compute("Have it computed:")
	}
}

// recalculationsTell reports whether a recalculation waits, runs or failed; what to do is about that one then.
func (x *explainer) recalculationsTell() bool {
	return len(x.Facts.recalculations(func(j Job) bool { return j.active() || j.failed() })) > 0
}

func (x *explainer) pending() {
	latest := x.latest()
	if latest == nil { // it ended between two looks of a caller that does not read in one snapshot
		return
	}
	x.activeJob(*latest)
	before := x.job(func(j Job) bool { return j.Type == job.Aggregation && j.State == job.Finished })
	if before != nil && before.failed() {
		x.about(*before, AggregationFailed, before.EndedAt, "The one that ended before it, job %d, ended in ERROR at %s.", before.ID, clock(before.EndedAt))
		x.origin(*before)
	}
}

func (x *explainer) failed() {
	latest := x.latest()
	if latest == nil {
		return
	}
	x.about(*latest, AggregationFailed, latest.EndedAt, "The aggregation, job %d, ended in ERROR at %s. A calculation that failed is not tried again by itself.", latest.ID, clock(latest.EndedAt))
	x.origin(*latest)
	x.repair(*latest, x.command("aggregate", ""))
}

func (x *explainer) old() {
	latest := x.latest()
	if latest == nil {
		return
	}
	if latest.EndedAt == nil {
		x.about(*latest, AggregationOld, nil, "The aggregation, job %d, does not say when it ended: another program wrote it.", latest.ID)
	} else {
		x.about(*latest, AggregationOld, latest.EndedAt, "The aggregation, job %d, ended at %s, %s ago; the limit is %s. Nobody has requested one since.",
			latest.ID, clock(latest.EndedAt), span(x.At.Sub(*latest.EndedAt)), span(x.OlderThan))
	}
	if x.Scope.Drift == freshness.Current && len(x.Outdated) == 0 {
		x.remedy("Nothing has changed since it began to read, so its numbers are right; a new one makes it young:", x.command("aggregate", ""))
		return
	}
	x.origin(*latest)
	if x.Scope.Drift != freshness.Drifted && len(x.Outdated) == 0 {
		x.remedy("Have it aggregated anew:", x.command("aggregate", ""))
	}
}

// numbersShown says which aggregation the reports show.
func (x *explainer) numbersShown() {
	n := x.numbers()
	switch {
	case x.e.Why == freshness.NoAggregationEver:
	case n == nil:
		x.cause(NothingOnRecord, nil, "No aggregation of it ever succeeded: the reports show none of its numbers, or those of another program.")
	case !x.explained[n.ID]:
		x.about(*n, AggregationCurrent, n.EndedAt, "What the reports show is of job %d, which began to read at %s and ended %s at %s.", n.ID, clock(n.StartedAt), resultOf(*n), clock(n.EndedAt))
	}
	if n != nil && n.Result == job.Warning && n.Message != "" {
		x.cause(AggregationCurrent, n.EndedAt, "It ended with a warning: %s", n.Message)
	}
}

// drift says what changed since the numbers that are shown.
func (x *explainer) drift() {
	switch x.Scope.Drift {
	case freshness.DriftUnknown:
		if x.Kept {
			x.cause(DriftNotKnown, nil, "Whether its data changed since is not known: that aggregation ran before the database kept marks of changes. The next one will tell.")
			return
		}
		x.cause(DriftNotKnown, nil, "Whether its data changed since is not known: the database does not keep what it should (a trigger is missing or disabled).")
		x.remedy("See which trigger is missing:", "tidemark doctor")
	case freshness.Drifted:
		x.cause(DataChanged, x.Scope.DriftedSince, "Its data has changed since then, first at %s (%s ago): entries, emissions, factors or airports, in %s.",
			clock(x.Scope.DriftedSince), span(x.At.Sub(*x.Scope.DriftedSince)), count(max(x.Changes, 1), "transaction"))
		onRecord := x.whatChanged()
		switch w := x.waiting(); {
		case x.recalculationsTell():
		case onRecord && x.e.Why == freshness.LastAggregationFailed: // the repaired one covers it
		case onRecord && w != nil:
			// Its run begins after now, so it reads what is there now.
			x.remedy(fmt.Sprintf("Job %d, which waits, will cover the change. Wait for it:", w.ID), x.watch())
		default:
			x.compute("Have it computed anew:")
		}
	}
}

// whatChanged names the jobs that fit the change, and reports whether there are any on record.
func (x *explainer) whatChanged() (found bool) {
	since := x.Scope.DriftedSince
	for _, j := range x.Jobs {
		load := j.Type == job.CSVIngest || j.Type == job.FactorIngest
		if x.explained[j.ID] || j.EndedAt == nil || j.failed() || j.EndedAt.Before(*since) || !load && j.Type != job.EmissionRecalc {
			continue
		}
		found = true
		if load {
			x.about(j, Loaded, j.EndedAt, "%s, job %d, was committed at %s: %s", sentence(loadName(j)), j.ID, clock(j.EndedAt), j.Message)
			x.origin(j)
			continue
		}
		x.about(j, DataChanged, j.EndedAt, "The %s, job %d, wrote emissions until %s.", jobName(j), j.ID, clock(j.EndedAt))
		x.origin(j)
	}
	if !found {
		x.cause(NothingOnRecord, nil, "No load or recalculation that wrote its data is on record since then: a person or program changed it past Tidemark.")
	}
	return found
}

// recalculations deals with those that wait, failed, or have factors yet to reckon in.
func (x *explainer) recalculations() {
	for _, j := range x.Facts.recalculations(Job.active) {
		if !x.explained[j.ID] {
			x.activeJob(j)
		}
	}
	for _, j := range x.Facts.recalculations(Job.failed) {
		if x.explained[j.ID] || x.job(func(o Job) bool { return o.Type == j.Type && o.DataEntryType == j.DataEntryType && o.active() }) != nil {
			continue
		}
		x.about(j, RecalculationFailed, j.EndedAt, "The %s, job %d, ended in ERROR at %s: its emissions are those of before, and one that failed requests no aggregation.", jobName(j), j.ID, clock(j.EndedAt))
		x.origin(j)
		x.repair(j, x.command("recalc", catalog.DataEntryTypeName(j.DataEntryType)))
	}
	for _, r := range x.Outdated {
		if r.PendingID != nil || r.Last != nil && x.explained[r.Last.ID] {
			continue
		}
		before := "and there was no recalculation since"
		if r.Last != nil {
			before = fmt.Sprintf("after the latest recalculation, job %d, began", r.Last.ID)
		}
		x.cause(FactorsNewer, r.Factors.FinishedAt, "Factors of %s were loaded at %s by job %d, %s.", catalog.DataEntryTypeName(r.DataEntryType), clock(r.Factors.FinishedAt), r.Factors.ID, before)
		if calculated(r.DataEntryType) {
			x.remedy("Have the new factors reckoned in:", x.command("recalc", catalog.DataEntryTypeName(r.DataEntryType)))
		}
	}
}

// origin says what led to a job.
func (x *explainer) origin(j Job) {
	if r := j.Root; r != nil && !x.explained[r.ID] {
		x.explained[r.ID] = true
		text := fmt.Sprintf("Job %d follows from %s, job %d, of %s", j.ID, rootName(r.Type), r.ID, clock(r.EndedAt))
		if r.Message != "" {
			text += ": " + r.Message
		}
		kind := Loaded
		if r.Type == job.EmissionRecalc {
			kind = Requested
		}
		x.cause(kind, r.EndedAt, "%s", stop(text))
		x.e.Causes[len(x.e.Causes)-1].JobID = &r.ID
	}
	if j.Actor == "" {
		return
	}
	text := fmt.Sprintf("Job %d was requested at %s by %s %s", j.ID, clock(j.RequestedAt), j.Actor, via(j.Via))
	if j.Reason != "" {
		text += fmt.Sprintf(", who gave the reason %q", j.Reason)
	}
	x.cause(Requested, j.RequestedAt, "%s", stop(text))
}

// repair is what to do about a job that failed.
func (x *explainer) repair(j Job, command string) {
	if strings.HasPrefix(j.Message, "worker lost") {
		x.remedy("The job lost its worker as often as it may, so it may be what ends workers. Look why in the worker's log and the machine's (memory); see what else is wrong:", "tidemark doctor")
		x.remedy("Then have it run again:", command)
		return
	}
	if strings.HasPrefix(j.Message, "aborted by ") {
		x.remedy("It was aborted on purpose, by whom and why the message says. When that reason is gone:", command)
		return
	}
	x.remedy("Repair what the message names, then:", command)
}
