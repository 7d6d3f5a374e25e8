package model

// The steps in Redis. Who sends has committed before, except in a broken variant.

// send enqueues the task of a job's signal, unless its id is taken.
func (w *world) send(s *state, j int, seq uint8) {
	if w.recordOnly {
		return
	}
	r := &s.jobs[j]
	if r.tasks[seq] != nowhere {
		return
	}
	if w.is(uniqueLock) {
		if s.locked&(1<<r.scope) != 0 {
			return
		}
		s.locked |= 1 << r.scope
	}
	r.tasks[seq] = pending
}

// deliver hands a task to an idle worker. A task whose job failed goes to the archive, where
// people see it; one whose job was aborted goes. The worker looks at the scope of any other.
func (w *world) deliver(s *state, k *worker, j int, seq uint8) {
	r := &s.jobs[j]
	r.tasks[seq] = active
	*k = worker{phase: looking, scope: r.scope, own: uint8(j) + 1, seq: seq}
	if r.condition == finished && r.failed && r.successor == 0 {
		k.phase, k.report = acking, !r.aborted
	}
	if w.is(readsBeforeClaim) {
		k.noted = s.wants[r.scope]
	}
}

// ack ends the delivery.
func (w *world) ack(s *state, k *worker) {
	if k.own != 0 {
		r := &s.jobs[k.own-1]
		if r.tasks[k.seq] == active {
			r.tasks[k.seq] = nowhere
			if k.report {
				r.tasks[k.seq] = archived
			} else {
				s.locked &^= 1 << r.scope
			}
		}
	}
	*k = worker{}
}

// claimable says whether nothing keeps a job from being claimed.
func (w *world) claimable(s *state, j int) bool {
	r := &s.jobs[j]
	return r.condition == waiting && !s.held(j) && s.find(int(r.scope), running) < 0
}

// relayable says whether a waiting job is one that the relay looks after.
func (w *world) relayable(s *state, j int) bool {
	return w.claimable(s, j) && !(s.jobs[j].queued && w.is(relaysWithoutQueued))
}

// ensure makes sure that the signal of a job is alive, and reports whether there was anything to do.
// seq is the one that the relay found in the record.
func (w *world) ensure(s *state, j int, seq uint8) bool {
	r := &s.jobs[j]
	switch r.tasks[seq] {
	case nowhere:
		w.send(s, j, seq)
	case archived:
		r.tasks[seq] = nowhere
		w.send(s, j, seq)
	case active:
		if !s.orphaned(j, seq) {
			return false
		}
		return w.resend(s, j, seq)
	default:
		return false
	}
	return r.tasks[seq] == pending
}

// resend is the relay's answer to a task that counts as being processed for too long.
func (w *world) resend(s *state, j int, seq uint8) bool {
	r := &s.jobs[j]
	if r.condition != waiting || r.seq != seq {
		return false
	}
	w.renumber(r)
	w.send(s, j, r.seq)
	return true
}

// flush empties Redis. Workers go on with what they have.
func (s *state) flush() {
	for j := range s.jobs {
		s.jobs[j].tasks = [maxSignals]place{}
	}
	for i := range s.requesters {
		if s.requesters[i] == wished || s.requesters[i] == shelved {
			s.requesters[i] = silent
		}
	}
	s.locked = 0
}
