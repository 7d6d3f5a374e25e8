package model

// mutation is a way in which the protocol is broken, or just other.
type mutation uint32

const (
	// joinsWithoutDoor: requesters do not pass the scope's door.
	joinsWithoutDoor mutation = 1 << iota
	// joinsWithoutRowLock: they do not lock the row that they join.
	joinsWithoutRowLock
	// joinsTheRunningJob: whatever is active absorbs a request.
	joinsTheRunningJob
	// insertsWithoutIndex: they look for a waiting job, and insert one if they see none.
	insertsWithoutIndex
	signalsBeforeCommit
	// claimsBesideARunningJob: neither claim nor index minds that another one runs.
	claimsBesideARunningJob
	claimsWithoutHold
	// claimsWithEndlessHold: there is no max_hold.
	claimsWithEndlessHold
	// readsBeforeClaim: a run works on what its worker read before the claim.
	readsBeforeClaim
	// finishesWithoutToken: whoever believes to hold the job can finish it.
	finishesWithoutToken
	// finishesInTwoTransactions: first the data, then the job.
	finishesInTwoTransactions
	followsUpInAnotherTransaction
	// countsWithoutLock: a finish counts the jobs of a pipeline that it has not locked.
	countsWithoutLock
	// finishesWithoutRenewals: the lease is not renewed while a finish waits for a requester.
	finishesWithoutRenewals
	// reapsWithoutRecheck: a reaper gives back what it saw expired, whatever has become of it.
	reapsWithoutRecheck
	reapsNever
	reapsWithoutEndingTheSession
	// movesNoPipelines: a superseded job leaves its pipelines behind.
	movesNoPipelines
	relaysNever
	// relaysWithoutQueued: the relay looks after NOT_STARTED only.
	relaysWithoutQueued
	// uniqueLock: asynq's Unique instead of an id for each job. Its lock survives a task that fails.
	uniqueLock
	// acksBeforeRun: a task is gone from Redis as soon as its job is claimed.
	acksBeforeRun
	// acksWishBeforeCommit: an operator's task is gone before it is a request.
	acksWishBeforeCommit
	// staysInScope: a worker runs what waits in its scope until nothing does.
	staysInScope
	// handsNothingOver: it leaves what waits behind its run to the relay.
	handsNothingOver
	// leavesRegardless: it does not mind that another worker, which may have found the scope busy, has the task.
	leavesRegardless
	// abortsForOthers: an abort ends every job of its pipeline, whoever wants it too.
	abortsForOthers
	// abortsWithoutLocks: it does not wait for requesters that have not committed.
	abortsWithoutLocks
	// abortsWithoutFence: the run of a job that it ended can still finish.
	abortsWithoutFence
	abortsWithoutEndingTheSession
	// settlesTheAborted: the status of an aborted pipeline follows the jobs that it left to others.
	settlesTheAborted
)

// variants say of each which property it breaks, and where; "" where it does no harm.
var variants = []struct {
	name     string
	broken   mutation
	in       world
	property string
}{
	{"a joiner holds no lock, so a claim does not wait for its commit", joinsWithoutDoor | joinsWithoutRowLock, one, nothingLost},
	{"a request joins the job that runs", joinsTheRunningJob, one, nothingLost},
	{"a run works on what was read before its claim", readsBeforeClaim, one, nothingLost},
	{"the follow-up has a transaction of its own", followsUpInAnotherTransaction, hold, nothingLost},
	{"there is no unique index", insertsWithoutIndex, one, oneWaitsOneRuns},
	{"a claim does not mind a running job", claimsBesideARunningJob, one, oneWaitsOneRuns},
	{"a finish does not ask for its token", finishesWithoutToken, faulty, writesFenced},
	{"data and job are committed one after the other", finishesInTwoTransactions, one, writesFenced},
	{"no lease is renewed while a finish waits for a requester", finishesWithoutRenewals, waits, healthyKept},
	{"a reaper does not look again before it acts", reapsWithoutRecheck, leaders, writesFenced},
	{"a superseded job leaves its pipelines behind", movesNoPipelines, faulty, pipelinesHonest},
	{"a pipeline's jobs are counted without a lock", countsWithoutLock, batch, pipelinesEnd},
	{"an operator's task is acknowledged before its request is committed", acksWishBeforeCommit, wishes, wishesVisible},
	{"there is no relay, and a signal is lost", relaysNever, faulty, requestsCovered},
	{"there is no relay, and an aggregation was held", relaysNever, hold, requestsCovered},
	{"the relay does not look after QUEUED", relaysWithoutQueued, leaders, requestsCovered},
	{"asynq's unique lock outlives a task that failed", uniqueLock, one, requestsCovered},
	{"there is no reaper", reapsNever, faulty, requestsCovered},
	{"the reaper leaves the lost session its locks", reapsWithoutEndingTheSession, faulty, requestsCovered},
	{"there are row locks, but no doors", joinsWithoutDoor, stream, requestsCovered},
	{"there is no limit to the hold", claimsWithEndlessHold, recalcs, requestsCovered},
	{"a worker stays in a scope that is requested without end", staysInScope, recalcs, requestsCovered},
	{"there is no relay, and a worker hands nothing over", relaysNever | handsNothingOver, one, requestsCovered},
	{"there is no relay, and a worker hands over what another one has looked for", relaysNever | leavesRegardless, one, requestsCovered},
	{"an abort ends a job that another pipeline wants", abortsForOthers, aborts, nothingLost},
	{"an abort does not wait for a joiner's commit", abortsWithoutLocks, aborts, nothingLost},
	{"the run of an aborted job is not fenced", abortsWithoutFence, aborts, writesFenced},
	{"an aborted pipeline is settled by what it left to others", settlesTheAborted, aborts, abortsFinal},
	{"an abort leaves the run that it ended its locks", abortsWithoutEndingTheSession, aborts, requestsCovered},
	{"a signal is sent before the commit, without doors and relay", signalsBeforeCommit | joinsWithoutDoor | relaysNever, one, requestsCovered},

	{"a signal is sent before the commit, without relay", signalsBeforeCommit | relaysNever, one, ""},
	{"there is no relay, no hold, and no signal is lost", relaysNever, one, ""},
	{"there are row locks, but no doors, and requests end", joinsWithoutDoor, one, ""},
	{"there are doors, but no row locks", joinsWithoutRowLock, one, ""},
	{"there is no hold", claimsWithoutHold, hold, ""},
	{"a task is acknowledged before its job runs", acksBeforeRun, leading, ""},
}
