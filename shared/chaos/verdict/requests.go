package verdict

import (
	"slices"
	"time"
)

// judgeAnswers compares what requesters were told with what the record has.
func (j *judge) judgeAnswers() {
	recorded := map[string][]Request{}
	for _, r := range j.h.Requests {
		a, known := j.attempts[r.Nonce]
		if !known || !slices.Contains(a.Scopes, r.Scope) {
			j.found(Unexpected, r.At, "a request %q for %s is in the record, and nobody made it", r.Nonce, r.Scope)
			continue
		}
		if slices.ContainsFunc(recorded[r.Nonce], func(o Request) bool { return o.Scope == r.Scope }) {
			j.found(Doubled, r.At, "the %s request %s for %s was recorded twice", a.Via, r.Nonce, r.Scope)
		}
		recorded[r.Nonce] = append(recorded[r.Nonce], r)
	}
	for _, a := range j.h.Attempts {
		got := recorded[a.Nonce]
		switch {
		case a.Answer == Refused && len(got) > 0:
			j.found(Unexpected, a.End, "the %s request %s was refused or rolled back, and is in the record", a.Via, a.Nonce)
		case a.Answer == Unknown && len(got) > 0 && len(got) < len(a.Scopes):
			j.found(HalfWritten, a.End, "of the %s request %s only %d of %d scopes are in the record", a.Via, a.Nonce, len(got), len(a.Scopes))
		case a.Answer != Accepted:
			continue
		}
		for i, s := range a.Scopes {
			n := slices.IndexFunc(got, func(r Request) bool { return r.Scope == s })
			switch {
			case n < 0 && a.Answer == Accepted:
				j.found(Lost, a.End, "the %s request %s for %s was accepted, and is not in the record", a.Via, a.Nonce, s)
			case n >= 0 && a.XID != 0 && got[n].XID != a.XID:
				j.found(Unexpected, a.End, "the %s request %s was made by transaction %d, the record has it from %d", a.Via, a.Nonce, a.XID, got[n].XID)
			case n >= 0 && i < len(a.Jobs) && got[n].JobID != a.Jobs[i]:
				j.found(Lost, a.End, "the %s request %s for %s was answered with job %d, the record has job %d", a.Via, a.Nonce, s, a.Jobs[i], got[n].JobID)
			}
		}
	}
}

// judgeTasks sees that a task which Redis took was made into a request, is still there, or went
// with everything else when Redis lost its data.
func (j *judge) judgeTasks() {
	recorded := map[string]bool{}
	for _, r := range j.h.Requests {
		recorded[r.Nonce] = true
	}
	for _, a := range j.h.Attempts {
		if a.Answer != Enqueued || recorded[a.Nonce] || slices.Contains(j.h.Final.Tasks, a.Nonce) {
			continue
		}
		emptied := slices.ContainsFunc(j.h.Faults, func(f Fault) bool { return f.EmptiesRedis && !f.Ended.Before(a.Start) })
		if !emptied {
			j.found(Lost, a.End, "the task %s for %s was enqueued, and is neither in the record nor in Redis", a.Nonce, a.Scopes[0])
		}
	}
}

// judgeCoverage is the first promise.
func (j *judge) judgeCoverage() {
	j.coveredAt = make([]time.Time, len(j.h.Requests))
	for i, r := range j.h.Requests {
		filter := j.attempts[r.Nonce].Filter
		if c := j.jobs.coveredBy(r.JobID, r.XID, filter); c != nil {
			j.coveredAt[i] = c.end.At
			continue
		}
		if m, known := j.jobs.states[r.JobID]; !known || m.Scope != r.Scope {
			j.found(Lost, r.At, "request %s for %s got job %d, which is none of that scope", r.Nonce, r.Scope, r.JobID)
			continue
		}
		j.found(Lost, r.At, "request %s for %s (transaction %d) is covered by no run of job %d that began after it%s", r.Nonce, r.Scope, r.XID, r.JobID, j.whyNot(r, filter))
	}
}

// whyNot says what became of the runs that could have covered a request.
func (j *judge) whyNot(r Request, filter []int) string {
	why := ": it never ran"
	for _, id := range j.jobs.family(r.JobID) {
		for _, c := range j.jobs.claims[id] {
			switch {
			case c.end == nil:
				why = ": the last run did not come to its end"
			case c.end.SupersededBy != 0:
				why = ": its run was superseded"
			case !c.saw.sees(r.XID):
				why = ": its run began too early (saw " + c.move.Snapshot + ")"
			case !wideEnough(c.move.Filter, filter):
				why = ": its run was narrowed to other report modules"
			}
		}
	}
	return why
}

// judgeFollowUps sees that every new emission was aggregated.
func (j *judge) judgeFollowUps() {
	for scope, ends := range j.jobs.ends {
		if scope.Type == 0 {
			continue
		}
		for _, c := range ends {
			if c.end.Result == failed {
				continue
			}
			aggregated := slices.ContainsFunc(j.jobs.ends[scope.aggregation()], func(a *claim) bool { return a.covers(c.end.XID, nil) })
			if !aggregated {
				j.found(Lost, c.end.At, "no aggregation of %d:%d began after job %d had recalculated %s", scope.Module, scope.Year, c.move.JobID, scope)
			}
		}
	}
}
