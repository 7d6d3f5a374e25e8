package model

import "fmt"

// action is a kind of step.
type action uint8

const (
	wish action = iota
	takeWish
	shelve
	ask
	rollback
	commit
	signal
	lookAt
	deliver
	claim
	lookInVain
	lookReport
	countJobs
	writeData
	finishWell
	finishBadly
	refused
	followUpLate
	tell
	tellInVain
	lookBehind
	leave
	pass
	passInVain
	stay
	ack
	kill
	freeze
	expire
	stall
	renew
	release
	forfeit
	reap
	reapUnsignalled
	seeLost
	relay
	seeWaiting
	act
	renumberLiving
	archiveOrphan
	flush
	holdOver
	abort
	abortUnsignalled
)

// texts say what a step is; the first number is whose, the second the signal's.
var texts = [...]string{
	wish: "requester %d puts a wish into Redis", takeWish: "a worker takes the wish of requester %d",
	shelve: "the wish of requester %d, dropped by its worker, is archived",
	ask:    "requester %d requests, without committing yet", rollback: "requester %d rolls back", commit: "requester %d commits",
	signal: "requester %d signals", lookAt: "a worker queues at the door for job %d", deliver: "a worker takes task %d.%d",
	claim: "a worker claims job %d", lookInVain: "a worker, with a task of job %d, finds nothing to claim", lookReport: "",
	countJobs: "the run of job %d counts the jobs of its pipelines", writeData: "the run of job %d commits its data",
	finishWell: "the run of job %d finishes well", finishBadly: "the run of job %d finishes with ERROR",
	refused: "the run of job %d learns that it has lost its claim", followUpLate: "the run of job %d requests the aggregation",
	tell: "its worker signals job %d", tellInVain: "its worker fails to signal job %d",
	lookBehind: "its worker sees that job %d waits", leave: "its worker, with a task of job %d, sees nothing to hand over",
	pass: "its worker hands job %d over", passInVain: "its worker fails to hand job %d over",
	stay: "its worker looks again, for another one has the task of job %d",
	ack:  "a worker is done with task %d.%d",
	kill: "FAULT: the worker with a task of job %d is killed", freeze: "FAULT: the run of job %d freezes",
	expire: "the lease of job %d, which nobody works on, is over", stall: "FAULT: the lease of job %d is over while its run goes on",
	renew: "the run of job %d renews its lease", release: "FAULT: the run of job %d is released", forfeit: "FAULT: the run of job %d is forfeited",
	reap: "the reaper gives job %d back", reapUnsignalled: "the reaper gives job %d back, and fails to signal",
	seeLost: "a reaper sees that job %d is lost", relay: "the relay signals job %d", seeWaiting: "a relay sees that job %d waits",
	act: "a scheduler acts on what it saw of job %d", renumberLiving: "FAULT: the relay renumbers the signal of job %d while a worker has its task",
	archiveOrphan: "asynq archives task %d.%d of a dead worker", flush: "FAULT: Redis is flushed", holdOver: "the hold of job %d is over",
	abort: "the pipeline of requester %d is aborted", abortUnsignalled: "the pipeline of requester %d is aborted, and nobody signalled",
}

// step is one action.
type step struct {
	action action
	a, b   uint8
}

func (s step) String() string {
	switch text := texts[s.action]; s.action {
	case deliver, ack, archiveOrphan:
		return fmt.Sprintf(text, s.a, s.b)
	case flush:
		return text
	default:
		return fmt.Sprintf(text, s.a)
	}
}

// class is who has to take a step sooner or later: a step that stays possible for ever is taken.
// For a delivery, which a queue hands out in order, it is enough to be possible again and again.
// unfair steps may be taken, or never: requests, faults, signals of requesters.
type class uint8

const (
	unfair      class = 0
	ofRequester class = 1
	ofWorker    class = ofRequester + maxRequesters // by the job of the task, or of the claim
	ofDelivery  class = ofWorker + maxJobs
	ofWish      class = ofDelivery + maxJobs
	ofRelay     class = ofWish + maxRequesters
	ofReaper    class = ofRelay + maxJobs
	ofLease     class = ofReaper + maxJobs
	ofHold      class = ofLease + maxJobs
	ofHands     class = ofHold + maxJobs
)

// strong are the classes of deliveries.
const strong = (1<<ofRelay - 1) &^ (1<<ofDelivery - 1)

// transition is a step with where it leads.
type transition struct {
	step  step
	class class
	to    state
}

// next lists every step that is possible.
func (w *world) next(s state, out []transition) []transition {
	n := &nexts{w: w, from: s, out: out}
	for i := range w.requesters {
		n.requester(i)
	}
	for k := range w.workers {
		n.worker(k)
	}
	for j := range s.jobs {
		if s.jobs[j].condition != absent {
			n.job(j)
		}
	}
	n.schedulers()
	if n.fault(flushed) && !w.recordOnly {
		to := n.faulty()
		to.flush()
		n.add(flush, 0, 0, unfair, to)
	}
	return n.out
}

// nexts collects the steps from one state.
type nexts struct {
	w    *world
	from state
	out  []transition
}

// add adds a step, unless it changes nothing.
func (n *nexts) add(a action, x, y int, c class, to state) {
	if n.w.endless() {
		to.forget()
	}
	to.canonical()
	if to != n.from {
		n.out = append(n.out, transition{step{a, uint8(x), uint8(y)}, c, to})
	}
}

func (n *nexts) fault(f fault) bool { return n.w.kinds&f != 0 && n.from.faults > 0 }

// faulty is the state, one fault later.
func (n *nexts) faulty() state {
	to := n.from
	to.faults--
	return to
}

func (n *nexts) requester(i int) {
	w, s, mine := n.w, n.from, ofRequester+class(i)
	isOperator := w.requesters[i].kind == operator
	switch s.requesters[i] {
	case silent, shelved:
		if isOperator {
			s.requesters[i] = wished
			n.add(wish, i, 0, unfair, s)
		} else if w.ask(&s, i) {
			if w.is(signalsBeforeCommit) {
				w.signalAll(&s, i)
			}
			n.add(ask, i, 0, unfair, s)
		}
	case open:
		w.commit(&s, i)
		for k := range s.workers {
			if int(s.workers[k].wish) == i+1 {
				s.requesters[i] = signalled
				s.workers[k] = worker{phase: looking, scope: s.workers[k].scope}
			}
		}
		n.add(commit, i, 0, mine, s)
		if w.rollbacks {
			s = n.from
			w.rollback(&s, i)
			s.requesters[i] = signalled
			if w.requesters[i].endless {
				s.requesters[i] = silent
			}
			n.add(rollback, i, 0, unfair, s)
		}
	case accepted:
		// Whoever dies here has not signalled; nothing makes it.
		if w.requesters[i].kind == other || w.is(signalsBeforeCommit) || w.recordOnly {
			break
		}
		c := unfair
		if w.diligent {
			c = mine
		}
		w.signalAll(&s, i)
		s.requesters[i] = signalled
		n.add(signal, i, 0, c, s)
	}
	if s = n.from; w.aborts && (s.requesters[i] == accepted || s.requesters[i] == signalled) {
		if tell, possible := w.abort(&s, i); possible {
			n.add(abortUnsignalled, i, 0, unfair, s)
			for _, j := range tell {
				w.send(&s, j, s.jobs[j].seq)
			}
			if !w.recordOnly {
				n.add(abort, i, 0, unfair, s)
			}
		}
	}
	if s = n.from; w.requesters[i].endless && (s.requesters[i] == accepted || s.requesters[i] == signalled) {
		if w.ask(&s, i) {
			n.add(ask, i, 0, unfair, s)
		}
	}
}

// signalAll sends the signals of all that a requester asked for.
func (w *world) signalAll(s *state, i int) {
	for j := range s.jobs {
		r := &s.jobs[j]
		asked := r.members | r.joiners | just(int(r.creator))&map[bool]set{true: 255}[r.condition == uncommitted]
		if r.condition != absent && asked.has(i) && r.successor == 0 && contains(w.requesters[i].scopes, int(r.scope)) {
			w.send(s, j, r.seq)
		}
	}
}

func (n *nexts) worker(k int) {
	w, from := n.w, n.from.workers[k]
	mine := ofWorker + class(max(from.own, from.job, 1)-1)
	if from.own > 0 {
		mine = ofWorker + class(from.own-1)
	}
	if from.phase != idle && from.phase != frozen && !w.recordOnly && n.fault(killed) {
		to := n.faulty()
		w.kill(&to, k)
		n.add(kill, int(max(from.own, 1)-1), 0, unfair, to)
	}
	to := n.from
	me := &to.workers[k]
	switch from.phase {
	case idle:
		n.idle(k)
	case asking:
		i := int(from.wish) - 1
		if w.ask(&to, i) {
			n.add(ask, i, 0, ofRequester+class(i), to)
		}
	case looking, atDoor:
		if from.phase == looking && w.endless() {
			me.phase = atDoor
			n.add(lookAt, int(max(from.own, 1)-1), 0, mine, to)
			break
		}
		switch found, j := w.look(&to, int(from.scope)); found {
		case barred:
		case claimed:
			w.claim(&to, me, j)
			if w.is(acksBeforeRun) && from.own > 0 && to.jobs[from.own-1].tasks[from.seq] == active {
				to.jobs[from.own-1].tasks[from.seq] = nowhere
			}
			n.add(claim, j, 0, mine, to)
		default:
			me.phase = acking
			n.add(lookInVain, int(max(from.own, 1)-1), 0, mine, to)
		}
	case computing, counted, halfway:
		n.run(k, mine)
	case telling:
		j := int(from.tell) - 1
		me.phase, me.tell = w.afterwards(), 0
		if w.lossy {
			n.add(tellInVain, j, 0, mine, to)
		}
		w.send(&to, j, to.jobs[j].seq)
		n.add(tell, j, 0, mine, to)
	case leaving:
		for j := range to.jobs {
			if int(to.jobs[j].scope) == int(from.scope) && w.claimable(&to, j) {
				me.phase, me.tell = passing, uint8(j)+1
				n.add(lookBehind, j, 0, mine, to)
				return
			}
		}
		me.phase = acking
		n.add(leave, int(max(from.own, 1)-1), 0, mine, to)
	case passing:
		n.pass(k, mine)
	case acking:
		w.ack(&to, me)
		n.add(ack, int(max(from.own, 1)-1), int(from.seq), mine, to)
	}
}

// pass hands the scope over to whoever gets the task of the job that waits there. If another worker
// has it in its hands, that one may have looked before this one's run was over: then this one looks again.
func (n *nexts) pass(k int, mine class) {
	w, to := n.w, n.from
	me := &to.workers[k]
	j := int(me.tell) - 1
	me.phase, me.tell = acking, 0
	if w.lossy {
		n.add(passInVain, j, 0, mine, to)
	}
	if seq := to.jobs[j].seq; to.jobs[j].tasks[seq] == active && !w.is(leavesRegardless) {
		me.phase = looking
		n.add(stay, j, 0, mine, to)
	} else {
		if to.jobs[j].tasks[seq] == archived {
			to.jobs[j].tasks[seq] = nowhere
		}
		w.send(&to, j, seq)
		n.add(pass, j, 0, mine, to)
	}
}

// idle workers take tasks; where there is no Redis, they look where they like.
func (n *nexts) idle(k int) {
	w := n.w
	if w.recordOnly {
		for scope := range maxScopes {
			if found, j := w.look(&n.from, scope); found == claimed {
				to := n.from
				w.claim(&to, &to.workers[k], j)
				n.add(claim, j, 0, ofDelivery+class(j), to)
			}
		}
		return
	}
	for j := range n.from.jobs {
		for seq, p := range n.from.jobs[j].tasks {
			if p == pending {
				to := n.from
				w.deliver(&to, &to.workers[k], j, uint8(seq))
				n.add(deliver, j, seq, ofDelivery+class(j), to)
			}
		}
	}
	for i, r := range w.requesters {
		if n.from.requesters[i] == wished {
			to := n.from
			to.requesters[i] = taken
			to.workers[k] = worker{phase: asking, scope: uint8(r.scopes[0]), wish: uint8(i) + 1}
			n.add(takeWish, i, 0, ofWish+class(i), to)
		}
	}
}

// kill ends a worker's process. Its transaction is rolled back, its task stays in Redis as active.
func (w *world) kill(s *state, k int) {
	if i := int(s.workers[k].wish) - 1; i >= 0 {
		w.rollback(s, i)
		s.requesters[i] = shelved
		if w.is(acksWishBeforeCommit) {
			s.requesters[i] = forgotten
		}
	}
	s.workers[k] = worker{}
}

// run is what a worker with a claim may do next.
func (n *nexts) run(k int, mine class) {
	w, from := n.w, n.from.workers[k]
	j := int(from.job) - 1
	good := n.from.holds(from) || w.is(abortsWithoutFence) && n.from.jobs[j].aborted
	to := n.from
	me := &to.workers[k]
	if from.phase == halfway && n.from.jobs[j].condition == finished {
		// Only where the follow-up has a transaction of its own.
		up := w.followUp(&to, j)
		w.afterRun(me, up)
		n.add(followUpLate, j, 0, mine, to)
		return
	}
	if !good && !w.is(finishesWithoutToken) {
		w.afterRun(me, -1)
		n.add(refused, j, 0, mine, to)
		return
	}
	if n.from.jobs[j].expired && good {
		to.jobs[j].expired = false
		n.add(renew, j, 0, unfair, to)
	}
	if n.fault(froze) && from.phase == computing {
		to = n.faulty()
		to.workers[k] = worker{phase: frozen, scope: from.scope, job: from.job, epoch: from.epoch}
		n.add(freeze, j, 0, unfair, to)
	}
	if n.fault(stopped) && good && !w.doorBlocked(&n.from, int(from.scope)) {
		for _, counts := range [...]bool{false, true} {
			to = n.faulty()
			up := w.giveBack(&to, j, counts)
			if up >= 0 {
				w.send(&to, up, to.jobs[up].seq)
			}
			to.workers[k].phase, to.workers[k].job, to.workers[k].epoch = w.afterwards(), 0, 0
			a := release
			if counts {
				a = forfeit
			}
			if w.recordOnly {
				to.workers[k] = worker{}
			}
			n.add(a, j, 0, unfair, to)
		}
	}
	if n.from.dataLocked(k) {
		return
	}
	to = n.from
	me = &to.workers[k]
	if w.counts && from.phase == computing {
		if w.is(countsWithoutLock) || !n.from.pipelineLocked(k) {
			to.count(me)
			n.add(countJobs, j, 0, mine, to)
		}
		return
	}
	if w.is(finishesInTwoTransactions) && from.phase == computing {
		to.jobs[j].written = from.epoch + 1
		me.phase = halfway
		n.add(writeData, j, 0, mine, to)
		return
	}
	if !n.from.finishWaits(j) {
		up := w.finish(&to, from, false)
		if w.is(followsUpInAnotherTransaction) && to.jobs[j].scope != aggregation {
			me.phase = halfway
		} else {
			w.afterRun(me, up)
		}
		n.add(finishWell, j, 0, mine, to)
	}
	if w.errors {
		to = n.from
		me = &to.workers[k]
		up := w.finish(&to, from, true)
		w.afterRun(me, up)
		me.report = me.report || int(from.own)-1 == j
		if w.recordOnly {
			*me = worker{}
		}
		n.add(finishBadly, j, 0, mine, to)
	}
}

// afterRun lets go of the claim; the worker signals what follows and hands the scope over.
func (w *world) afterRun(k *worker, tell int) {
	k.phase, k.job, k.epoch, k.noted = w.afterwards(), 0, 0, 0
	if tell >= 0 {
		k.phase, k.tell = telling, uint8(tell)+1
	}
	if w.recordOnly {
		*k = worker{}
	}
}

// afterwards is what a worker does after a run.
func (w *world) afterwards() phase {
	switch {
	case w.is(staysInScope):
		return looking
	case w.is(handsNothingOver):
		return acking
	default:
		return leaving
	}
}

// job is what happens to a job by itself: time passes, asynq tidies up.
func (n *nexts) job(j int) {
	w, r := n.w, &n.from.jobs[j]
	to := n.from
	if r.condition == running && !r.expired {
		to.jobs[j].expired = true
		if !n.from.served(j) {
			n.add(expire, j, 0, ofLease+class(j), to)
		} else if w.is(finishesWithoutRenewals) && n.from.finishWaits(j) {
			n.add(expire, j, 0, unfair, to)
		} else if n.fault(stalled) {
			to.faults--
			n.add(stall, j, 0, unfair, to)
		}
	}
	// Its time passes also while it is not held; that matters where it is held again and again.
	ages := n.from.held(j) || w.endless() && w.recalculates() && r.scope == aggregation && !r.holdOver
	if r.condition == waiting && ages && !w.is(claimsWithEndlessHold) {
		to = n.from
		to.jobs[j].holdOver = true
		n.add(holdOver, j, 0, ofHold+class(j), to)
	}
	for seq, p := range r.tasks {
		if p != active {
			continue
		}
		to = n.from
		switch orphan := n.from.orphaned(j, uint8(seq)); {
		case orphan:
			to.jobs[j].tasks[seq] = archived
			n.add(archiveOrphan, j, seq, unfair, to)
		case n.fault(hasty) && !w.is(relaysNever) && w.relayable(&n.from, j):
			to.faults--
			if w.resend(&to, j, uint8(seq)) {
				n.add(renumberLiving, j, 0, unfair, to)
			}
		}
	}
}

// schedulers are the relay and the reaper.
func (n *nexts) schedulers() {
	w := n.w
	for j := range n.from.jobs {
		r := &n.from.jobs[j]
		if to := n.from; w.hands == 0 && !w.recordOnly && !w.is(relaysNever) && w.relayable(&to, j) && w.ensure(&to, j, r.seq) {
			n.add(relay, j, 0, ofRelay+class(j), to)
		}
		if w.hands == 0 && !w.is(reapsNever) && r.condition == running && r.expired {
			n.reap(j, -1)
		}
	}
	for h := range w.hands {
		if n.from.hands[h].job != 0 {
			n.act(h)
			continue
		}
		for j := range n.from.jobs {
			r := &n.from.jobs[j]
			// A look that would lead to nothing is left out.
			if to := n.from; !w.is(relaysNever) && w.relayable(&to, j) && w.ensure(&to, j, r.seq) {
				to = n.from
				to.hands[h] = hand{job: uint8(j) + 1, seq: r.seq}
				n.add(seeWaiting, j, 0, ofRelay+class(j), to)
			}
			if to := n.from; r.condition == running && r.expired {
				to.hands[h] = hand{job: uint8(j) + 1, seq: r.epoch, reaps: true}
				n.add(seeLost, j, 0, ofReaper+class(j), to)
			}
		}
	}
}

// act is what a scheduler does about what it saw.
func (n *nexts) act(h int) {
	w, hd := n.w, n.from.hands[h]
	j := int(hd.job) - 1
	r := &n.from.jobs[j]
	switch to := n.from; {
	case !hd.reaps:
		to.hands[h] = hand{}
		w.ensure(&to, j, hd.seq)
		n.add(act, j, 0, ofHands, to)
	case r.condition == running && r.expired,
		w.is(reapsWithoutRecheck) && (r.condition == running || r.condition == finished):
		n.reap(j, h)
	default:
		to.hands[h] = hand{}
		n.add(act, j, 0, ofHands, to)
	}
}

// reap gives a job back whose lease is over; h is the hand that does it, if there are hands.
func (n *nexts) reap(j, h int) {
	w := n.w
	if w.doorBlocked(&n.from, int(n.from.jobs[j].scope)) {
		return
	}
	to, c := n.from, ofReaper+class(j)
	if h >= 0 {
		to.hands[h], c = hand{}, ofHands
	}
	if !w.is(reapsWithoutEndingTheSession) {
		to.endSession(j, to.jobs[j].epoch)
	}
	up := w.giveBack(&to, j, true)
	if w.lossy {
		n.add(reapUnsignalled, j, 0, c, to)
	}
	if up >= 0 {
		w.send(&to, up, to.jobs[up].seq)
	}
	n.add(reap, j, 0, c, to)
}
