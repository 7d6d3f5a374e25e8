// Package model explores every order in which the steps of the protocol can happen.
//
// A test plays some orders of events, and a race or a crash that needs five things to come
// together may never be among them. This package describes the protocol of
// [tidemark/shared/ledger], the worker, the scheduler's relay and reaper, and asynq's tasks as a small
// machine, and walks through all states that the machine can get into: whoever can take a
// step takes it, in any order, with faults at any moment. In each state it checks what must never
// be otherwise; on the graph of all of them it checks what must happen some day. It is all
// in the package's tests, `go test ./shared/ledger/model`, and takes seconds.
//
// # What is modelled
//
// A state (state_test.go) is the jobs of the record, the places of their tasks in Redis, what
// each worker is doing, how far each requester is, and what a scheduler has seen but not acted on yet.
// A step is one transaction of the ledger at the moment of its commit (record_test.go) or
// one change in Redis (signals_test.go); next_test.go lists who can take which step, and when. Open
// transactions of requesters are states of their own: they hold doors and row locks.
// A world (world_test.go) says who takes part and what may go wrong: two requesters, two
// workers, one or two faults. A recalculation is R1 or R2, their aggregation A.
//
// The properties (properties_test.go):
//
//	at most one job of a scope waits, and one runs
//	an accepted request has a job that waits, or a run that has seen it
//	only the run that holds the job writes, together with the job's end
//	a pipeline is not done before its jobs, and its request
//	a wish (an operator's task) is in Redis or in the record
//	an aborted pipeline is done for good, and wants nothing
//	a job is given up only if something went wrong
//	an accepted request is covered some day
//	a pipeline is done some day
//
// An accepted request is one that was not withdrawn by the abort of its own pipeline.
//
// "Some day" supposes fairness: a step that stays possible for ever is taken, by worker,
// relay, reaper, a requester's commit, the clock; a queue delivers what is in it. Faults,
// new requests, and the signals of requesters may happen or not.
//
// # What is left out, and why that is sound
//
//   - Time. A lease, max_hold, the relay's grace can be over at any moment, or late. What holds
//     whenever they end holds with the real lengths. A claim that gives up at a door after a
//     second is one that did not happen yet, and asks again; that supposes requesters who commit
//     within that second, now and then.
//   - What is computed. A run "sees" the requests that were committed when it was claimed; really
//     it reads later, and sees no less. Filters are unions, and rapid plays them in the ledger's own test.
//   - What happens inside a transaction of claim, finish, give back, reap or abort: it holds the door or
//     the rows that it decides by. Where it does not, the count of a pipeline's jobs, a world takes
//     the two halves as two steps.
//   - Sizes. A protocol that is wrong is nearly always wrong with two of everything. More than
//     the worlds have is not proven.
//   - Requests without a pipeline. An abort has to find out that somebody else wants a job; that it finds
//     all who do is played by rapid, and by tests, in the ledger.
//   - Signals that a task's job failed, the mark that keeps a redelivered wish from being asked
//     twice, run_after, loads: nothing of the properties hangs on them.
//
// A model that nobody compares with the code is a drawing. TestLedgerConforms walks through the
// model and takes each step on the ledger as well, on a real PostgreSQL: the record must say what the
// model says, and refuse what it refuses. With -whole it compares every step of that world.
// The steps in Redis are compared by nobody but the reader.
//
// # Reading a counterexample
//
// When a property does not hold the test prints the shortest way there, a step a line, and the
// state at its end. Where something never happens, the way leads to a state, and the steps
// after "again and again" are all that still go on, though nobody is treated unfairly.
//
// # Variants
//
// A check that cannot fail proves nothing. variants_test.go breaks the protocol in each way that
// we could think of, and names the property that must tell. To see how:
//
//	go test ./shared/ledger/model -v -show -run TestBrokenProtocolIsNoticed/no_reaper
//
// Some variants do no harm, and say what is for safety and what for speed: doors and row
// locks are each enough to lose nothing, but without doors requests that never end
// starve a claim; the hold saves runs only; schedulers need no leader; a task may be
// acknowledged before its job runs, because the record knows. Without the relay an aggregation
// that was held can wait for ever, even if nothing goes wrong: it is signalled while a
// worker that found it held still has its task, and the id is taken.
//
// A worker that stays in its scope as long as something waits there does harm: where as many scopes
// as there are workers are requested faster than they run, the others wait until that ends. So it
// hands over after one run.
//
// # Why not a model checker
//
// Spin would explore the same in a language of its own, but its model could not be run against
// the ledger. The explorer here (explore_test.go) is two hundred lines; what it needs beyond a
// search is Tarjan's algorithm.
package model
