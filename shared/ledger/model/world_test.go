package model

// kind is what a requester is.
type kind uint8

const (
	// program requests, commits, signals.
	program kind = iota
	// other is another program on the same table: its jobs wait as QUEUED, and it signals nobody.
	other
	// operator has a task run in asynqmon: the wish is in Redis until a worker makes it a request.
	operator
)

// requester is somebody who wants scopes, in one transaction.
type requester struct {
	kind   kind
	scopes []int
	// endless: it begins anew when it is done. Its requests are not followed up by the properties of
	// what happens some day, for they cannot be told apart; those of others beside it are.
	endless bool
}

// fault is something that a world lets happen.
type fault uint16

const (
	// killed: a worker's process dies, at any step.
	killed fault = 1 << iota
	// froze: a worker stops for ever in the middle of its run, with its transaction open.
	froze
	// stalled: a worker misses its heartbeats for a lease, and goes on without knowing it.
	stalled
	// stopped: a worker is shut down, or loses its connection, and gives its job back.
	stopped
	// flushed: Redis loses everything.
	flushed
	// hasty: the relay takes a living delivery for a dead one.
	hasty

	anyFault = killed | froze | stalled | stopped | flushed | hasty
)

// world is what takes part, and what may go wrong.
type world struct {
	name       string
	requesters []requester
	workers    int
	// faults is how many of kinds may happen, in any order and at any moment.
	faults uint8
	kinds  fault
	// diligent requesters do not die between their commit and their signal.
	diligent bool
	// rollbacks: a requester's transaction may be rolled back.
	rollbacks bool
	// errors: a calculation may fail.
	errors bool
	// lossy: a signal may fail to be sent.
	lossy bool
	// counts: a finish that counts the jobs of its pipelines and its commit are two steps.
	counts bool
	// aborts: the pipeline of an accepted request may be aborted.
	aborts bool
	// hands is how many loops of schedulers look at the record in one step and act in another;
	// with 0 both is one step.
	hands int
	// recordOnly leaves Redis out: a worker may look at any scope at any moment.
	recordOnly bool

	broken mutation
}

func (w *world) is(m mutation) bool { return w.broken&m != 0 }

// endless says whether some requester is.
func (w *world) endless() bool {
	for _, r := range w.requesters {
		if r.endless {
			return true
		}
	}
	return false
}

// recalculates says whether there are recalculations.
func (w *world) recalculates() bool {
	for _, r := range w.requesters {
		if r.scopes[0] != aggregation {
			return true
		}
	}
	return false
}

func (w *world) initial() state {
	return state{faults: w.faults}
}

// The worlds in which the protocol is explored. Together they have every step and every fault.
var (
	toA, toR1, toBoth = []int{aggregation}, []int{1}, []int{1, 2}

	// one is the smallest: two requests for one scope, nothing goes wrong.
	one = world{name: "one scope", requesters: []requester{{kind: program, scopes: toA}, {kind: program, scopes: toA}}, workers: 2, errors: true, diligent: true}
	// faulty is the same with any fault, and signals that get lost.
	faulty = world{name: "one scope, any fault", requesters: one.requesters, workers: 2, faults: 1, kinds: anyFault,
		errors: true, lossy: true, rollbacks: true}
	chain = world{name: "a recalculation and its aggregation, any two faults", requesters: []requester{{scopes: toR1}}, workers: 2,
		faults: 2, kinds: anyFault, errors: true, lossy: true}
	hold  = world{name: "two requests for a recalculation", requesters: []requester{{scopes: toR1}, {scopes: toR1}}, workers: 2, diligent: true}
	mixed = world{name: "a recalculation and an aggregation, kills", requesters: []requester{{scopes: toR1}, {scopes: toA}}, workers: 2,
		faults: 1, kinds: killed}
	// waits has a requester that may keep a finish waiting for its commit, and nothing that goes wrong.
	waits = world{name: "a recalculation and a request for its aggregation", requesters: mixed.requesters, workers: 2}
	batch = world{name: "two recalculations of one pipeline", requesters: []requester{{scopes: toBoth}}, workers: 2, counts: true, errors: true}
	// leaders has two schedulers at once, none of which knows of the other.
	leaders = world{name: "two schedulers", requesters: []requester{{scopes: toA}, {kind: other, scopes: toA}}, workers: 2, faults: 1, kinds: anyFault, hands: 2}
	leading = world{name: "two schedulers, with a recalculation", requesters: chain.requesters, workers: 2, faults: 1, kinds: anyFault, hands: 2}
	wishes  = world{name: "tasks run by operators", requesters: []requester{{kind: operator, scopes: toA}, {kind: operator, scopes: toA}}, workers: 2, faults: 1, kinds: killed}
	// stream has requesters that never end, and one request beside them.
	stream = world{name: "endless requests for a scope", requesters: []requester{{scopes: toA}, {scopes: toA, endless: true}, {scopes: toA, endless: true}}, workers: 1}
	// recalcs has as many scopes that are requested without end as there are workers.
	recalcs = world{name: "endless requests for a recalculation", requesters: []requester{{scopes: toA}, {scopes: toR1, endless: true}}, workers: 1}
	aborts  = world{name: "one scope, aborts, any fault", requesters: one.requesters, workers: 2, aborts: true, faults: 1, kinds: anyFault &^ hasty}
	// withdrawn has follow-ups of two pipelines of which either may be aborted.
	withdrawn = world{name: "two requests for a recalculation, aborts", requesters: hold.requesters, workers: 2, diligent: true, aborts: true}
	// abortable has an abort among finishes that count the jobs of its pipeline.
	abortable = world{name: "two recalculations of one pipeline, aborts", requesters: batch.requesters, workers: 2, counts: true, errors: true, aborts: true}
	// record is what the ledger can be compared with: no Redis, workers look whenever they like.
	record = world{name: "the record alone", requesters: []requester{{scopes: toR1}, {scopes: toA}}, workers: 2,
		faults: 1, kinds: stalled | stopped, recordOnly: true, errors: true, rollbacks: true, aborts: true}
)

func worlds() []world {
	return []world{one, faulty, chain, hold, mixed, waits, batch, leaders, leading, wishes, stream, recalcs, aborts, withdrawn, abortable, record}
}
