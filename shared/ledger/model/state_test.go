package model

import (
	"fmt"
	"strings"
)

// The bounds of every world. They are small on purpose: a protocol that is wrong is wrong with
// two of everything.
const (
	maxScopes     = 3
	maxRequesters = 3
	maxWorkers    = 2
	maxHands      = 2
	maxJobs       = 6
	// maxSignals is how many task ids a job can have: the first, and one for each time it was
	// given back or its signal renumbered.
	maxSignals = 4
	// maxAttempts stands for the three of the ledger.
	maxAttempts = 2
)

// aggregation is the scope with index 0. The others are recalculations of its module and year.
const aggregation = 0

// set is a set of requesters. Requester i has a pipeline i of its own, so it is a set of
// pipelines as well.
type set uint8

// Among those who want an aggregation, followUp stands for all recalculations that nobody is a member
// of, followUpOf(i) for all those of pipeline i.
const followUp = maxRequesters

func followUpOf(i int) int { return maxRequesters + 1 + i }

func just(i int) set         { return 1 << i }
func (s set) has(i int) bool { return s&just(i) != 0 }

// condition is the state of a job.
type condition uint8

const (
	absent condition = iota
	// uncommitted: inserted by a transaction that is open; nobody else sees it.
	uncommitted
	waiting
	running
	finished
)

// place is where the task of one id is in Redis.
type place uint8

const (
	nowhere place = iota
	pending
	active
	archived
)

// row is a job: what the record holds of it, where its tasks are in Redis, and what only the
// model knows, for the properties.
type row struct {
	condition condition
	scope     uint8
	// creator is the requester whose open transaction inserted the row; joiners are those whose
	// open transactions hold a share lock on it.
	creator uint8
	joiners set
	// queued: it waits as QUEUED, which only other programs write.
	queued bool
	failed bool
	// aborted: it ended because nobody wanted it any more.
	aborted bool
	// epoch counts how often the job was given back, or ended by an abort. Job and epoch together
	// stand for the claim's token.
	epoch    uint8
	attempts uint8
	seq      uint8
	// expired: the lease of the run is over.
	expired bool
	// holdOver: it was requested longer than max_hold ago.
	holdOver bool
	// successor is the job that superseded it, plus one.
	successor uint8
	members   set
	tasks     [maxSignals]place

	// sees are the requests for the scope that had been committed when the job's run began.
	sees set
	// written is the epoch of the run whose data is visible, plus one.
	written uint8
}

// phase is what a worker is doing.
type phase uint8

const (
	idle phase = iota
	// atDoor: it queues for the scope's door. Only where requesters are endless; elsewhere a
	// claim that cannot have the door has not happened yet.
	atDoor
	// asking: its task is a wish, which it makes a request.
	asking
	// looking: it is about to look for a job of the scope.
	looking
	// computing: it holds a job, as far as it knows; data is written but not committed.
	computing
	// counted: it has counted the jobs of its pipelines, and is about to commit.
	counted
	// halfway: its data is committed, its job is not finished. Only in broken variants.
	halfway
	// telling: it has committed, and is about to send the signal that follows.
	telling
	// leaving: its run is over; it is about to look what waits behind it.
	leaving
	// passing: it is about to signal that.
	passing
	// acking: it is done with its task.
	acking
	// frozen: it never does anything again, and its transaction stays open.
	frozen
)

// worker is one of a fleet's slots for tasks.
type worker struct {
	phase phase
	scope uint8
	// wish is the requester whose wish the task is, plus one.
	wish uint8
	// own and seq are the task, own plus one; 0 for none.
	own, seq uint8
	// job, plus one, and epoch are the claim.
	job, epoch uint8
	// tell is the job to be signalled, plus one.
	tell uint8
	// report: the task's job failed, so the task goes to the archive.
	report bool
	// noted is what it keeps for later: the pipelines that it counted as done; in a broken
	// variant, what it read before its claim.
	noted set
}

// stage is how far a requester is.
type stage uint8

const (
	silent stage = iota
	// wished: its wish is a pending task in Redis; taken: a worker has it.
	wished
	taken
	// open: requested in a transaction that is not committed.
	open
	// accepted: committed, not signalled.
	accepted
	// signalled: nothing is left to it.
	signalled
	// shelved: its wish is an archived task, which people see. forgotten: the wish is nowhere.
	shelved
	forgotten
)

// hand is what a loop of a scheduler holds between its look at the record and what it does
// about it: a ticket of the relay, or a lost job of the reaper.
type hand struct {
	job, seq uint8 // job plus one
	reaps    bool
}

// state is everything that is the case at one moment.
type state struct {
	jobs       [maxJobs]row
	workers    [maxWorkers]worker
	requesters [maxRequesters]stage
	hands      [maxHands]hand
	// wants are the committed requests for each scope that no run has covered yet.
	wants [maxScopes]set
	// done are the pipelines whose status in the record says so.
	done set
	// aborted are the pipelines that want nothing any more.
	aborted set
	// locked are the scopes whose unique lock is taken in Redis. Only in a broken variant.
	locked uint8
	// faults are left to happen.
	faults uint8
}

// canonical makes states equal that differ only in which worker is which, or which hand. Those that
// do nothing come last.
func (s *state) canonical() {
	if less(s.workers[0], s.workers[1]) {
		s.workers[0], s.workers[1] = s.workers[1], s.workers[0]
	}
	if h := s.hands; h[0].job < h[1].job || h[0].job == h[1].job && h[0].seq < h[1].seq {
		s.hands[0], s.hands[1] = h[1], h[0]
	}
}

// forget removes what is finished and in nobody's hands, so that endless requesters do not need
// endless jobs. A task of such a job would only make a worker look in vain.
func (s *state) forget() {
	for j := range s.jobs {
		r := &s.jobs[j]
		used := r.condition != finished
		for _, k := range s.workers {
			used = used || int(k.own) == j+1 || int(k.job) == j+1 || int(k.tell) == j+1
		}
		if !used {
			*r = row{}
		}
	}
}

func less(a, b worker) bool {
	key := func(w worker) uint64 {
		k := uint64(0)
		for _, v := range [...]uint8{uint8(w.phase), w.scope, w.wish, w.own, w.seq, w.job, w.epoch, w.tell} {
			k = k<<6 | uint64(v)
		}
		k = k<<8 | uint64(w.noted)
		if w.report {
			k |= 1 << 60
		}
		return k
	}
	return key(a) < key(b)
}

// find returns the job of a scope that is in a condition, or -1.
func (s *state) find(scope int, c condition) int {
	for j := range s.jobs {
		if s.jobs[j].condition == c && int(s.jobs[j].scope) == scope {
			return j
		}
	}
	return -1
}

// held says whether a waiting job may not be claimed yet: an aggregation, because of recalculations.
func (s *state) held(j int) bool {
	if s.jobs[j].scope != aggregation || s.jobs[j].holdOver {
		return false
	}
	for k := range s.jobs {
		if up := &s.jobs[k]; up.scope != aggregation && (up.condition == waiting || up.condition == running) {
			return true
		}
	}
	return false
}

// holds says whether a worker's claim is good, whether the worker knows or not.
func (s *state) holds(w worker) bool {
	if w.job == 0 {
		return false
	}
	j := &s.jobs[w.job-1]
	return j.condition == running && j.epoch == w.epoch
}

// served says whether a living worker has the claim on a running job.
func (s *state) served(j int) bool {
	for _, w := range s.workers {
		if int(w.job) == j+1 && w.epoch == s.jobs[j].epoch && (w.phase == computing || w.phase == counted || w.phase == halfway) {
			return true
		}
	}
	return false
}

// orphaned says whether an active task is in no worker's hands.
func (s *state) orphaned(j int, seq uint8) bool {
	for _, w := range s.workers {
		if w.phase != idle && w.phase != frozen && int(w.own) == j+1 && w.seq == seq {
			return false
		}
	}
	return true
}

var (
	conditionNames = [...]string{"absent", "uncommitted", "waits", "RUNS", "finished"}
	placeNames     = [...]string{"none", "pending", "active", "archived"}
	phaseNames     = [...]string{"idle", "at the door", "asking", "looking", "computing", "counted", "halfway", "telling", "leaving", "passing", "acking", "frozen"}
	stageNames     = [...]string{"silent", "wished", "taken", "open", "accepted", "signalled", "shelved", "forgotten"}
)

func scopeName(i int) string { return [...]string{"A", "R1", "R2"}[i] }

func (s set) String() string {
	var names []string
	for i := range followUp {
		if s.has(i) {
			names = append(names, fmt.Sprint(i))
		}
	}
	if s.has(followUp) {
		names = append(names, "follow-up")
	}
	for i := range maxRequesters {
		if s.has(followUpOf(i)) {
			names = append(names, fmt.Sprintf("follow-up of %d", i))
		}
	}
	return "{" + strings.Join(names, ",") + "}"
}

// String is one line for each thing that is not in its initial state.
func (s *state) String() string {
	var b strings.Builder
	for j := range s.jobs {
		r := &s.jobs[j]
		if r.condition == absent {
			continue
		}
		fmt.Fprintf(&b, "      job %d of %s %s", j, scopeName(int(r.scope)), conditionNames[r.condition])
		for _, flag := range []struct {
			on   bool
			name string
		}{{r.queued, "QUEUED"}, {r.failed, "ERROR"}, {r.aborted, "aborted"}, {r.expired, "lease over"}, {r.holdOver, "hold over"}} {
			if flag.on {
				b.WriteString(" " + flag.name)
			}
		}
		fmt.Fprintf(&b, " epoch=%d attempts=%d members=%s", r.epoch, r.attempts, r.members)
		if r.joiners != 0 {
			fmt.Fprintf(&b, " joiners=%s", r.joiners)
		}
		if r.condition == running {
			fmt.Fprintf(&b, " sees=%s", r.sees)
		}
		if r.successor != 0 {
			fmt.Fprintf(&b, " superseded by %d", r.successor-1)
		}
		if r.written != 0 {
			fmt.Fprintf(&b, " data of epoch %d", r.written-1)
		}
		for seq, p := range r.tasks {
			if p != nowhere || seq == int(r.seq) && r.condition == waiting {
				fmt.Fprintf(&b, " task.%d=%s", seq, placeNames[p])
			}
		}
		b.WriteByte('\n')
	}
	for _, w := range s.workers {
		if w.phase == idle {
			continue
		}
		fmt.Fprintf(&b, "      a worker is %s in %s", phaseNames[w.phase], scopeName(int(w.scope)))
		if w.job != 0 {
			fmt.Fprintf(&b, ", has claimed job %d epoch %d", w.job-1, w.epoch)
		}
		b.WriteByte('\n')
	}
	for i, r := range s.requesters {
		if r != silent && r != signalled {
			fmt.Fprintf(&b, "      requester %d is %s\n", i, stageNames[r])
		}
	}
	for i, w := range s.wants {
		if w != 0 {
			fmt.Fprintf(&b, "      %s is wanted by %s\n", scopeName(i), w)
		}
	}
	if s.done != 0 {
		fmt.Fprintf(&b, "      pipelines done: %s\n", s.done)
	}
	if s.aborted != 0 {
		fmt.Fprintf(&b, "      pipelines aborted: %s\n", s.aborted)
	}
	return b.String()
}
