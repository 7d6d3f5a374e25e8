package verdict

import (
	"slices"
	"time"
)

// timelines say what was committed when.
type timelines struct {
	// freshness is why an aggregation's scope is stale.
	freshness map[Scope][]step[string]
	jobs      map[jobKind][]step[int]
	// changes are the transactions that changed what a scope is aggregated from.
	changes map[Scope][]change
}

// step is a value from a moment on.
type step[T any] struct {
	at    time.Time
	value T
}

type jobKind struct{ jobType, state string }

type change struct {
	xid uint64
	at  time.Time
}

// between returns the values from one moment to another, before being the one before all steps.
func between[T any](line []step[T], before T, from, to time.Time) []T {
	values := []T{before}
	for _, s := range line {
		switch {
		case s.at.After(to):
			return values
		case s.at.After(from):
			values = append(values, s.value)
		default:
			values = []T{s.value}
		}
	}
	return values
}

// timelines follows the moves in the order of their commits. Those of one transaction are one step.
func (j *judge) timelines() *timelines {
	tl := &timelines{freshness: map[Scope][]step[string]{}, jobs: map[jobKind][]step[int]{}, changes: map[Scope][]change{}}
	for _, m := range j.h.Final.Modules {
		tl.freshness[m.Scope] = nil
	}
	moves := slices.Clone(j.h.Moves)
	slices.SortStableFunc(moves, func(a, b Move) int { return a.At.Compare(b.At) })
	states := map[Scope]map[int64]Move{}
	for len(moves) > 0 {
		n := 1
		for n < len(moves) && moves[n].XID == moves[0].XID {
			n++
		}
		tl.commit(moves[:n], states)
		moves = moves[n:]
	}
	j.noteChanges(tl)
	return tl
}

// commit makes the moves of one transaction a step.
func (tl *timelines) commit(moves []Move, states map[Scope]map[int64]Move) {
	at := moves[0].At
	kinds := map[jobKind]int{}
	for _, m := range moves {
		if states[m.Scope] == nil {
			states[m.Scope] = map[int64]Move{}
		}
		jobType := "aggregation"
		if m.Scope.Type != 0 {
			jobType = "emission_recalc"
		}
		kinds[jobKind{jobType, m.From}]--
		kinds[jobKind{jobType, m.To}]++
		states[m.Scope][m.JobID] = m
		if m.To == "" {
			delete(states[m.Scope], m.JobID)
		}
	}
	for kind, n := range kinds {
		if n == 0 || kind.state == "" || kind.state == finished {
			continue
		}
		if line := tl.jobs[kind]; len(line) > 0 {
			n += line[len(line)-1].value
		}
		tl.jobs[kind] = append(tl.jobs[kind], step[int]{at, n})
	}
	for _, m := range moves {
		if _, declared := tl.freshness[m.Scope]; declared {
			tl.freshness[m.Scope] = append(tl.freshness[m.Scope], step[string]{at, why(states[m.Scope])})
		}
	}
}

// why is the reason that the newest aggregation of a scope gives.
func why(jobs map[int64]Move) string {
	newest := int64(0)
	for id := range jobs {
		newest = max(newest, id)
	}
	switch m := jobs[newest]; {
	case newest == 0:
		return noneYet
	case m.To != finished:
		return pending
	case m.Result == failed:
		return broken
	default:
		return fresh
	}
}

// noteChanges notes who changed entries, and whose emissions are new.
func (j *judge) noteChanges(tl *timelines) {
	for _, r := range j.h.Requests {
		if j.attempts[r.Nonce].Changes {
			s := r.Scope.aggregation()
			tl.changes[s] = append(tl.changes[s], change{r.XID, r.At})
		}
	}
	for _, w := range j.h.Writes {
		if w.Scope.Type != 0 {
			s := w.Scope.aggregation()
			tl.changes[s] = append(tl.changes[s], change{w.XID, w.At})
		}
	}
}
