package verdict

import "slices"

// claim is a run of a job, from the moment a worker took it.
type claim struct {
	move Move
	saw  snapshot
	// end is the move that finished it; nil for a run that was given back.
	end *Move
}

// covers reports whether the run read everything that a transaction had asked for.
func (c *claim) covers(xid uint64, filter []int) bool {
	return c.end != nil && c.end.SupersededBy == 0 && c.saw.sees(xid) && wideEnough(c.move.Filter, filter)
}

// wideEnough reports whether a run that is narrowed to some report modules (nil: to none) does
// what was asked for.
func wideEnough(run, asked []int) bool {
	if run == nil {
		return true
	}
	if asked == nil {
		return false
	}
	for _, id := range asked {
		if !slices.Contains(run, id) {
			return false
		}
	}
	return true
}

// jobs are all jobs as the moves tell of them.
type jobs struct {
	states map[int64]Move
	claims map[int64][]*claim
	// open is the claim under way.
	open map[int64]*claim
	// heirs are the jobs that superseded others.
	heirs map[int64]int64
	// ends are the runs that came to their end, by scope, in order.
	ends map[Scope][]*claim
	// endOf is the run that a transaction ended.
	endOf map[uint64]*claim
	// waiting and running are the job of the scope that does, if any.
	waiting, running map[Scope]int64
	newest           map[Scope]int64
}

// replay goes through the moves, and sees that each may follow from those before it.
func (j *judge) replay() error {
	j.jobs = &jobs{states: map[int64]Move{}, claims: map[int64][]*claim{}, open: map[int64]*claim{}, heirs: map[int64]int64{},
		ends: map[Scope][]*claim{}, endOf: map[uint64]*claim{}, waiting: map[Scope]int64{}, running: map[Scope]int64{}, newest: map[Scope]int64{}}
	created := map[uint64][]int64{}
	for _, r := range j.h.Requests {
		if r.Created {
			created[r.XID] = append(created[r.XID], r.JobID)
		}
	}
	var creations []Move
	for i := range j.h.Moves {
		m := j.h.Moves[i]
		switch {
		case m.From == "":
			creations = append(creations, m)
		case m.To == "":
			j.remove(m)
		case m.From == finished && m.To != finished:
			j.found(Unexpected, m.At, "job %d of %s was %s already, and goes on as %s: nothing that has ended runs again", m.JobID, m.Scope, finished, m.To)
		case waits(m.From) && m.To == running:
			if err := j.begin(m); err != nil {
				return err
			}
		case waits(m.From) && m.To == finished:
			j.found(Lost, m.At, "job %d of %s ended without having run", m.JobID, m.Scope)
		case m.From == running:
			j.leave(m)
		}
		j.settle(m)
	}
	// At the end: what asked for a job may come after it in the transaction.
	for _, m := range creations {
		j.create(m, created)
	}
	return nil
}

// settle notes where the job is now, and that it is the only one there.
func (j *judge) settle(m Move) {
	js := j.jobs
	for _, place := range []map[Scope]int64{js.waiting, js.running} {
		if place[m.Scope] == m.JobID {
			delete(place, m.Scope)
		}
	}
	place, how := js.waiting, "wait"
	switch {
	case m.To == running:
		place, how = js.running, "run"
	case !waits(m.To):
		place = nil
	}
	if place != nil {
		if other, taken := place[m.Scope]; taken {
			j.found(Doubled, m.At, "jobs %d and %d of %s %s at one time", other, m.JobID, m.Scope, how)
		}
		place[m.Scope] = m.JobID
	}
	js.states[m.JobID] = m
	js.newest[m.Scope] = max(js.newest[m.Scope], m.JobID)
}

// create sees that somebody asked for the job: a request, or a recalculation that ended in the
// same transaction.
func (j *judge) create(m Move, created map[uint64][]int64) {
	if slices.Contains(created[m.XID], m.JobID) {
		return
	}
	if end := j.jobs.endOf[m.XID]; end != nil && end.move.Scope.Type != 0 && end.move.Scope.aggregation() == m.Scope {
		return
	}
	j.found(Unexpected, m.At, "job %d of %s was created by %q, and nobody asked for it", m.JobID, m.Scope, m.Writer)
}

// remove sees that nothing is forgotten that is still needed.
func (j *judge) remove(m Move) {
	if m.From != finished {
		j.found(Lost, m.At, "job %d of %s was deleted while it was %s", m.JobID, m.Scope, m.From)
	}
	if j.jobs.newest[m.Scope] == m.JobID {
		j.found(Lost, m.At, "job %d was deleted, the latest of %s: nobody knows any more how fresh that is", m.JobID, m.Scope)
	}
}

func (j *judge) begin(m Move) error {
	saw, err := parseSnapshot(m.Snapshot)
	if err != nil {
		return err
	}
	c := &claim{move: m, saw: saw}
	j.jobs.claims[m.JobID] = append(j.jobs.claims[m.JobID], c)
	j.jobs.open[m.JobID] = c
	return nil
}

// leave is a move of a running job.
func (j *judge) leave(m Move) {
	js := j.jobs
	c := js.open[m.JobID]
	if c == nil {
		return
	}
	token := c.move.ToToken
	switch {
	case m.To == running:
		if m.ToToken != token {
			j.found(Doubled, m.At, "job %d of %s was taken from %s by %s while it ran", m.JobID, m.Scope, token, m.ToToken)
			c.move.ToToken = m.ToToken
		}
	case waits(m.To):
		delete(js.open, m.JobID)
	case m.To == finished:
		delete(js.open, m.JobID)
		end := m
		c.end = &end
		if m.SupersededBy != 0 {
			js.heirs[m.JobID] = m.SupersededBy
			return
		}
		if m.FromToken != token || m.ToToken != token {
			j.found(StaleWrite, m.At, "job %d of %s is claimed by %s, and was finished for %s", m.JobID, m.Scope, token, m.ToToken)
		}
		if m.Result != failed && m.Writer != token {
			j.found(StaleWrite, m.At, "job %d of %s is claimed by %s, and was finished by the session %q", m.JobID, m.Scope, token, m.Writer)
		}
		js.ends[m.Scope] = append(js.ends[m.Scope], c)
		js.endOf[m.XID] = c
	}
}

// family is a job with all that superseded it.
func (js *jobs) family(id int64) []int64 {
	ids := []int64{id}
	for heir, ok := js.heirs[id]; ok && !slices.Contains(ids, heir); heir, ok = js.heirs[heir] {
		ids = append(ids, heir)
	}
	return ids
}

// coveredBy returns the first run of a job's family that covers a transaction, nil for none.
func (js *jobs) coveredBy(job int64, xid uint64, filter []int) *claim {
	var first *claim
	for _, id := range js.family(job) {
		for _, c := range js.claims[id] {
			if c.covers(xid, filter) && (first == nil || c.end.At.Before(first.end.At)) {
				first = c
			}
		}
	}
	return first
}
