package model

import "fmt"

// The properties, by the names that a counterexample bears.
const (
	oneWaitsOneRuns = "at most one job of a scope waits, and one runs"
	nothingLost     = "an accepted request has a job that waits, or a run that has seen it"
	writesFenced    = "only the run that holds the job writes, together with the job's end"
	pipelinesHonest = "a pipeline is not done before its jobs, and its request"
	wishesVisible   = "a wish is in Redis or in the record"
	abortsFinal     = "an aborted pipeline is done for good, and wants nothing"
	healthyKept     = "a job is given up only if something went wrong"
	requestsCovered = "an accepted request is covered some day"
	pipelinesEnd    = "a pipeline is done some day"
)

// invariants returns the property that does not hold in a state, or "".
func (w *world) invariants(s *state) string {
	for j := range s.jobs {
		r := &s.jobs[j]
		if r.failed && !r.aborted && r.successor == 0 && !w.errors && w.kinds == 0 {
			return healthyKept
		}
		if r.written != 0 && (r.condition != finished || r.written != r.epoch+1) {
			return writesFenced
		}
	}
	for scope := range maxScopes {
		counts := [finished + 1]int{}
		for j := range s.jobs {
			if r := &s.jobs[j]; int(r.scope) == scope {
				counts[r.condition]++
			}
		}
		if counts[waiting] > 1 || counts[running] > 1 {
			return oneWaitsOneRuns
		}
		seen := set(0)
		if j := s.find(scope, running); j >= 0 {
			seen = s.jobs[j].sees
		}
		if counts[waiting] == 0 && s.wants[scope]&^seen != 0 {
			return nothingLost
		}
	}
	for i := range w.requesters {
		if s.aborted.has(i) {
			if !s.done.has(i) || s.isWanted(i) {
				return abortsFinal
			}
		} else if s.done.has(i) && (!s.isDone(i, -1) || s.isWanted(i)) {
			return pipelinesHonest
		}
		if s.requesters[i] == forgotten {
			return wishesVisible
		}
	}
	return ""
}

// isWanted says whether a request of the pipeline is not covered yet.
func (s *state) isWanted(pipeline int) bool {
	for scope := range maxScopes {
		if s.wants[scope].has(pipeline) {
			return true
		}
	}
	return false
}

// eventually checks what must happen some day.
func (g *graph) eventually() *violation {
	for scope := range maxScopes {
		for who := range followUpOf(maxRequesters) {
			if g.world.repeats(who) {
				continue
			}
			wanted := func(s *state) bool { return s.wants[scope].has(who) }
			if v := g.never(requestsCovered, wanted); v != nil {
				v.trace = fmt.Sprintf("%s  (%s is wanted by %s for ever)\n", v.trace, scopeName(scope), just(who))
				return v
			}
		}
	}
	for i := range g.world.requesters {
		if g.world.repeats(i) {
			continue
		}
		accepted := func(s *state) bool {
			return (s.requesters[i] == accepted || s.requesters[i] == signalled) && s.memberships(i) > 0 && !s.done.has(i)
		}
		if v := g.never(pipelinesEnd, accepted); v != nil {
			v.trace += fmt.Sprintf("  (pipeline %d is never done)\n", i)
			return v
		}
	}
	return nil
}

// repeats says whether requests of this name come again and again, so that one cannot be told
// from the next.
func (w *world) repeats(who int) bool {
	if who < len(w.requesters) {
		return w.requesters[who].endless
	}
	return w.endless()
}

// memberships counts the jobs of a pipeline. There are none where the requester rolled back.
func (s *state) memberships(i int) (n int) {
	for j := range s.jobs {
		if s.jobs[j].members.has(i) && s.jobs[j].condition != uncommitted {
			n++
		}
	}
	return n
}
