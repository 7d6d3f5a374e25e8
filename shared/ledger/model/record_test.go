package model

// The steps of the record: each is what one transaction of the ledger does, at the moment of its
// commit. A step that the real one would have to wait for is not possible: blocked says so.

// doorBlocked says whether requesters keep whoever moves the waiting job of a scope out:
// they have passed its door, or locked the row that they joined, and have not committed.
func (w *world) doorBlocked(s *state, scope int) bool {
	if !w.is(joinsWithoutDoor) {
		for i, r := range w.requesters {
			if s.requesters[i] == open && contains(r.scopes, scope) {
				return true
			}
		}
	}
	j := s.find(scope, waiting)
	return j >= 0 && s.jobs[j].joiners != 0
}

func contains(scopes []int, scope int) bool {
	for _, sc := range scopes {
		if sc == scope {
			return true
		}
	}
	return false
}

// ask is Ledger.Request, before the commit.
func (w *world) ask(s *state, i int) (possible bool) {
	for _, scope := range w.requesters[i].scopes {
		if s.find(scope, uncommitted) >= 0 && !w.is(insertsWithoutIndex) {
			return false // the insert waits for the other one to commit
		}
		for _, k := range s.workers {
			if k.phase == atDoor && int(k.scope) == scope && !w.is(joinsWithoutDoor) {
				return false // advisory locks queue in order
			}
		}
		j := s.find(scope, waiting)
		if j < 0 && w.is(joinsTheRunningJob) {
			j = s.find(scope, running)
		}
		if j >= 0 {
			if w.is(joinsWithoutRowLock) {
				s.jobs[j].members |= just(i)
			} else {
				s.jobs[j].joiners |= just(i)
			}
			continue
		}
		if j = s.insert(scope, uncommitted, just(i)); j < 0 {
			if w.endless() {
				return false
			}
			panic(w.name + " needs more jobs")
		}
		s.jobs[j].creator = uint8(i)
		s.jobs[j].queued = w.requesters[i].kind == other
	}
	s.requesters[i] = open
	return true
}

func (s *state) insert(scope int, c condition, members set) int {
	for j := range s.jobs {
		if s.jobs[j].condition == absent {
			s.jobs[j] = row{condition: c, scope: uint8(scope), members: members}
			return j
		}
	}
	return -1
}

// commit ends the requester's transaction well: from now on its request is accepted.
func (w *world) commit(s *state, i int) {
	if w.requesters[i].endless {
		s.reopen(i)
	}
	for j := range s.jobs {
		r := &s.jobs[j]
		if r.condition == uncommitted && int(r.creator) == i {
			r.condition, r.creator = waiting, 0
		}
		if r.joiners.has(i) {
			r.joiners &^= just(i)
			r.members |= just(i)
		}
	}
	for _, scope := range w.requesters[i].scopes {
		s.want(scope, i)
	}
	s.requesters[i] = accepted
}

// reopen makes pipeline i stand for the next request of an endless requester.
func (s *state) reopen(i int) {
	s.done &^= just(i)
	for j := range s.jobs {
		if s.jobs[j].condition != uncommitted {
			s.jobs[j].members &^= just(i)
		}
	}
}

// want notes that whoever runs already has not seen this request.
func (s *state) want(scope, who int) {
	s.wants[scope] |= just(who)
	for j := range s.jobs {
		if r := &s.jobs[j]; r.condition == running && int(r.scope) == scope {
			r.sees &^= just(who)
		}
	}
}

// rollback ends the requester's transaction as if it had never been.
func (w *world) rollback(s *state, i int) {
	for j := range s.jobs {
		if r := &s.jobs[j]; r.condition == uncommitted && int(r.creator) == i {
			*r = row{}
		}
		s.jobs[j].joiners &^= just(i)
	}
}

// sight is what a look at a scope finds.
type sight uint8

const (
	claimed sight = iota
	nothing
	busy
	held
	// barred: the look itself has to wait.
	barred
)

func (w *world) look(s *state, scope int) (sight, int) {
	if w.doorBlocked(s, scope) {
		return barred, -1
	}
	j := s.find(scope, waiting)
	switch {
	case j < 0:
		return nothing, -1
	case s.find(scope, running) >= 0 && !w.is(claimsBesideARunningJob):
		return busy, j
	case s.held(j) && !w.is(claimsWithoutHold):
		return held, j
	default:
		return claimed, j
	}
}

// claim is Ledger.Claim, where it gets a job.
func (w *world) claim(s *state, k *worker, j int) {
	r := &s.jobs[j]
	r.condition, r.expired, r.queued = running, false, false
	r.attempts++
	r.sees = s.wants[r.scope]
	if w.is(readsBeforeClaim) {
		r.sees &= k.noted
	}
	k.phase, k.scope, k.job, k.epoch, k.noted = computing, r.scope, uint8(j)+1, r.epoch, 0
}

// finish is Ledger.Finish and the commit of its transaction, data included. It returns the job to
// be signalled, or -1.
func (w *world) finish(s *state, k worker, failed bool) (tell int) {
	j := int(k.job) - 1
	r := &s.jobs[j]
	r.condition, r.failed = finished, failed
	if !failed {
		r.written = k.epoch + 1
	}
	s.outcome(j)
	tell = -1
	if r.scope != aggregation {
		if failed {
			tell = s.find(aggregation, waiting)
		} else {
			s.wantFollowUp(r.members &^ s.aborted)
			if !w.is(followsUpInAnotherTransaction) {
				tell = w.followUp(s, j)
			}
		}
	}
	if w.counts {
		s.done &^= r.members &^ s.aborted
		if failed || r.scope == aggregation {
			s.done |= k.noted & r.members // otherwise the follow-up waits, and this transaction sees it
		}
	} else {
		w.settle(s, j)
	}
	return tell
}

// wantFollowUp notes that these pipelines want what a recalculation wrote to be aggregated.
func (s *state) wantFollowUp(members set) {
	if members == 0 {
		s.want(aggregation, followUp)
	}
	for i := range maxRequesters {
		if members.has(i) {
			s.want(aggregation, followUpOf(i))
		}
	}
}

// finishWaits says whether a requester that has inserted the follow-up keeps a finish waiting.
func (s *state) finishWaits(j int) bool {
	return s.jobs[j].scope != aggregation && s.find(aggregation, uncommitted) >= 0
}

// followUp requests the aggregation for all pipelines of a recalculation.
func (w *world) followUp(s *state, j int) int {
	up := s.find(aggregation, waiting)
	if up < 0 {
		if up = s.insert(aggregation, waiting, 0); up < 0 {
			panic(w.name + " needs more jobs")
		}
	}
	s.jobs[up].members |= s.jobs[j].members
	return up
}

// outcome is the end of a job whose last run saw what it saw. What no longer matters is forgotten,
// so that states are equal that differ in nothing else.
func (s *state) outcome(j int) {
	r := &s.jobs[j]
	s.wants[r.scope] &^= r.sees
	r.sees, r.expired, r.holdOver, r.attempts = 0, false, false, 0
}

// isDone counts the jobs of a pipeline that wait or run, except one.
func (s *state) isDone(pipeline, except int) bool {
	for j := range s.jobs {
		r := &s.jobs[j]
		if j != except && r.members.has(pipeline) && r.successor == 0 && s.isActive(j) {
			return false
		}
	}
	return true
}

// settle brings the status of the job's pipelines up to date, but for those that are aborted.
func (w *world) settle(s *state, j int) {
	for p := range maxRequesters {
		if !s.jobs[j].members.has(p) || s.aborted.has(p) && !w.is(settlesTheAborted) {
			continue
		}
		s.done &^= just(p)
		if s.isDone(p, -1) {
			s.done |= just(p)
		}
	}
}

// count is settle's look, in a transaction whose own job is as good as finished.
func (s *state) count(k *worker) {
	j := int(k.job) - 1
	k.noted = 0
	for p := range maxRequesters {
		if s.jobs[j].members.has(p) && s.isDone(p, j) {
			k.noted |= just(p)
		}
	}
	k.phase = counted
}

// pipelineLocked says whether another finish has locked a pipeline of the worker's job.
func (s *state) pipelineLocked(self int) bool {
	mine := s.jobs[s.workers[self].job-1].members
	for n, k := range s.workers {
		if n != self && k.phase == counted && s.jobs[k.job-1].members&mine != 0 {
			return true
		}
	}
	return false
}

// dataLocked says whether a frozen session holds the rows that a run has to write.
func (s *state) dataLocked(self int) bool {
	for n, k := range s.workers {
		if n != self && k.phase == frozen && k.scope == s.workers[self].scope {
			return true
		}
	}
	return false
}

// giveBack makes a running job wait again, or ends it. It returns the job to be signalled, or -1.
func (w *world) giveBack(s *state, j int, counts bool) (tell int) {
	r := &s.jobs[j]
	if !counts {
		r.attempts--
	}
	r.epoch++
	r.expired = false
	tell = -1
	switch heir := s.find(int(r.scope), waiting); {
	case heir >= 0:
		r.condition, r.failed, r.successor = finished, true, uint8(heir)+1
		r.sees, r.attempts, r.holdOver = 0, 0, false
		if !w.is(movesNoPipelines) {
			s.jobs[heir].members |= r.members
		}
		tell = heir
	case r.attempts >= maxAttempts:
		r.condition, r.failed = finished, true
		s.outcome(j)
		if r.scope != aggregation {
			tell = s.find(aggregation, waiting)
		}
	default:
		r.condition, r.sees = waiting, 0
		w.renumber(r)
		tell = j
	}
	w.settle(s, j)
	return tell
}

// abort is Ledger.Abort of pipeline i. It returns the jobs to be signalled.
func (w *world) abort(s *state, i int) (tell []int, possible bool) {
	for j := range s.jobs {
		if r := &s.jobs[j]; s.isActive(j) && r.members.has(i) {
			possible = true
			if w.doorBlocked(s, int(r.scope)) && !w.is(abortsWithoutLocks) {
				return nil, false
			}
		}
	}
	for _, k := range s.workers {
		if k.phase == counted && s.jobs[k.job-1].members.has(i) {
			return nil, false // that run has locked the pipeline
		}
	}
	if !possible || s.aborted.has(i) {
		return nil, false
	}
	for j := range s.jobs {
		if r := &s.jobs[j]; s.isActive(j) && r.members.has(i) && (r.members&^s.aborted == just(i) || w.is(abortsForOthers)) {
			if !w.is(abortsWithoutEndingTheSession) {
				s.endSession(j, r.epoch)
			}
			*r = row{condition: finished, failed: true, aborted: true, scope: r.scope, creator: r.creator, joiners: r.joiners,
				epoch: r.epoch + 1, seq: r.seq, members: r.members, tasks: r.tasks}
		}
	}
	s.aborted |= just(i)
	s.done |= just(i)
	withdrawn := just(i) | just(followUpOf(i))
	for scope := range s.wants {
		s.wants[scope] &^= withdrawn
	}
	for j := range s.jobs {
		s.jobs[j].sees &^= withdrawn
		if s.jobs[j].condition == waiting {
			tell = append(tell, j) // more than it would, which is harmless
		}
	}
	return tell, true
}

// isActive says whether a job waits or runs.
func (s *state) isActive(j int) bool {
	return s.jobs[j].condition == waiting || s.jobs[j].condition == running
}

// renumber gives the job's next signal another task id.
func (w *world) renumber(r *row) {
	if r.seq++; r.seq == maxSignals {
		panic(w.name + " needs more signals")
	}
}

// endSession ends the session of a claim, which is what is left of a frozen worker.
func (s *state) endSession(j int, epoch uint8) {
	for n := range s.workers {
		if k := &s.workers[n]; k.phase == frozen && int(k.job) == j+1 && k.epoch == epoch {
			*k = worker{}
		}
	}
}
