// Package ledger keeps the record of derived work in PostgreSQL.
//
// It makes two promises, and everything in it serves one of them:
//
//   - A request that has been committed will be covered by a run that begins after that commit.
//   - What a run computed, that its job is finished, what has to follow from it, the status of its
//     pipelines: they become visible at one moment, or never.
//
// # Model
//
// A job is a row of data_ingestion_jobs. A scope has at most one job that waits (NOT_STARTED; other
// programs also write QUEUED) beside at most one that runs; a unique index derived from
// [tidemark/shared/job.DedupConfig] holds both limits. Finished jobs are history.
//
//	request ──► waiting ──claim──► running ──finish──► FINISHED: SUCCESS, WARNING, ERROR
//	  joins ───────┘ ▲                │
//	                 └─ release, reap ┘  or, where another job waits already: superseded by that one
//
//	abort ends what waits or runs, with ERROR, if nobody but the aborted pipeline wants it
//
// Its rules:
//
//   - A request creates the waiting job or joins it. It never joins the running one, which may have
//     read its input already. Joining widens the job's filter to the union; "all" wins.
//   - The door of a scope is an advisory lock: requesters pass it in shared mode and keep it until
//     they commit, whoever moves the waiting job (claim, release, reap) takes it alone. So a run
//     begins after the commit of everybody who joined. While a claim queues at the door later
//     requesters queue behind it, so they cannot starve it, provided that they commit within the second
//     for which it keeps its place. Transactions that take longer and overlap without end would.
//   - A claim has a token of its own. Renew, finish, release are guarded by it (the fence): a worker
//     that lost its job without knowing changes nothing any more.
//   - The lease runs on the database's clock. When it is over the reaper gives the job back, after
//     ending the session that bears the token's name, whose row locks would block the next run.
//   - A recalculation that did not end in ERROR requests its aggregation in the finish itself. The
//     aggregation is held while any recalculation of its module and year waits or runs, for at most
//     max_hold; each that ends wakes it, well or not.
//   - Who asked, by which way and why, is recorded with the request ([Origin]). A call of [Ledger.Start]
//     with a pipeline id that was used before is a repetition: it requests nothing and gets the first answer.
//   - A run notes with which snapshot it began to read ([Ledger.Begin]); shared/freshness judges by it
//     what the result can contain.
//   - What is finished stays. An operator may let history go ([Ledger.Retain]): never the latest job of a
//     scope nor its latest success, nor what anything refers to.
//   - A pipeline is a member of the jobs it created, of those it joined, of the aggregations that
//     follow from either, and of the job that superseded one of these. It is done when they all are.
//   - An abort withdraws the requests of one pipeline and of nobody else: a job that another one wants too,
//     or somebody without a pipeline, goes on for them ([Ledger.Abort]). The aborted pipeline is done at
//     once, and failed; it stays a member, but wants nothing, unless it requests again.
//
// # Locks
//
// In this order: the scopes' doors, by number; rows of waiting jobs, in scope order; pipelines, by
// id; their memberships; at last, in a finish, the row of its own running job. A request
// reaches only its one pipeline, and no row of a running job. One batch and one finish, two
// finishes, and an abort with any of them therefore cannot deadlock with each other. An abort
// finds by its pipeline which doors it needs, takes them, and starts over if it has a job behind
// another one by then. Who gives a job back locks that row first,
// then its pipelines: it can meet the finish of the same claim only, after the end of its lease,
// and whichever of the two PostgreSQL ends, the fence stands.
//
// A finish may wait for as long as a requester that has fallen silent keeps its session: a minute.
// The own row comes last so that the lease can be renewed meanwhile ([Ledger.FinishRenewed]).
//
// Three ways remain, and none loses anything: a transaction of several batches, a joiner that widens
// later in its transaction, other programs on the table. PostgreSQL ends one of the two; requesters
// learn it as an error that postgres.Retryable knows, the ledger's own steps and the worker's run
// start over. Who moves a waiting job waits a second at most for a lock, then looks again.
//
// # Failure
//
//	requester dies before its commit     nothing was requested
//	requester dies before its signal     the relay finds the job ([Ledger.Claimable])
//	worker dies, hangs or is cut off     the lease runs out, the job is given back; the fence undoes the rest
//	worker falls silent as it claims     its session ends in 5 s, and with it what keeps requesters out
//	worker loses its connection          it forfeits: given back at once, the run counts; from the second run
//	                                     on the lease runs out: a flapping link must not use up the attempts
//	database ends its session on purpose it releases, as when it is stopped
//	worker is stopped                    it releases: given back at once, the run does not count
//	run loses its worker too often       FINISHED with ERROR, after max_attempts
//	commit with an unknown outcome       the fence tells: committed, or given back
//	calculation fails                    FINISHED with ERROR; never tried again by itself
//	whoever aborts dies before commit    nothing was aborted; a run that was told to end is given back
//	reaper dies                          any other does the same; reaping twice changes nothing
//	Redis is lost                        nothing of the record; signals are sent again
//	another program writes the table     its claims are reaped after [ForeignLease]; rows without a scope are nobody's
//
// That this holds in every order of events is explored in [tidemark/shared/ledger/model].
//
// # Known defects
//
// What went wrong in the system this one follows, by the names it has there, with the test that
// keeps it from happening here. Tests of other packages are named with theirs.
//
//	B-C1              TestFinishWithoutTheClaimIsErrLostAndUndone
//	B-C2              TestRecalculationRequestsTheAggregationUnlessItFailed
//	B-H3              TestRenewOfALostJobIsErrLost, worker TestLostLeaseRollsTheDataBack
//	B-M1              TestBatchFoldsDuplicates, TestRequestCreatesThenJoins
//	B-M2              how wide a load fans out is the loader's choice; a scope too many joins what waits
//	A-M1/M-H2         TestFinishNeverBreaksTheCurrentIndex, TestConcurrentLoadsOfTheSameData
//	A-M2              TestRenewOfALostJobIsErrLost, TestAbortEndsWhatWaitsAndWhatRuns, worker TestAbortedJobStaysAborted
//	A-M3              TestClaimStartsTheRun
//	A-M4              TestLostJobIsRequeuedUntilItsAttemptsAreUsedUp
//	F-M1              TestOnlyAnExpiredLeaseIsReaped; no statement takes a time from a client
//	V3, scope NULLs   job TestCheckRefusesWhatTheIndexCannotHold, TestRequestIsRefusedAtTheDoor, TestRowsWithoutScopeAreLeftAlone
//	V4                TestUnopenedPipelineIsAnError; ON CONFLICT names its index, no error is caught
//	claim leaks       TestOneOfManyClaimersWins; a claim writes one row, after every check
//	early FINISHED    TestFinishRecordsTheOutcome, TestLoadIsAFinishedRoot, TestRequestInFlightKeepsItsPipelineOpen
//	task GC           TestFollowUpIsCommittedWithTheResultOrNotAtAll, scheduler TestRelaySignalsWhatWasNeverSignalled
//	BackgroundTasks   as task GC: nothing that must happen lives in a process
//	no heartbeat      TestRenewExtendsTheLeaseAndPublishesProgress
//	#1219             worker TestFailureIsVisibleNotRetriedAndBlocksNobody
//	#1219-2b          TestJoinersAreMembersAndFollowIntoTheAggregation
//	#1236 race        TestJoinHoldsOffTheClaimUntilTheJoinerCommits, TestUncommittedRequestCannotBeClaimed
//	#1236 FK order    TestUnopenedPipelineIsAnError
//	4A.1, 4A.3/4A.4   TestAggregationIsHeldWhileRecalculationsWaitOrRun
//	4A.2              TestBatchesInOppositeOrderDoNotDeadlock, worker TestDeadlockIsTriedAgainInsideTheRun
//	4B                a load requests in the transaction of its factors: no run begins before they are all there
//	stall             TestFailedRecalculationWakesAHeldAggregation, TestAbandonedRecalculationWakesAHeldAggregation
//	"Success" lie     TestFinishRecordsTheOutcome, TestPipelineStatusTellsWhoFailed
//	#1266             TestProviderIsInherited
//	card blanking     TestFinishNeverBreaksTheCurrentIndex: only a computed row of the same combination is replaced
//	bootstrap         worker TestOptionsThatCannotWorkAreRefused; a worker serves the queues of its calculations only
//	two code versions TestForeignClaimIsReapedAfterAnHour, worker and scheduler TestOldSchemaIsRefused
//	310-e             worker TestTimeLimitEndsTheRun; a heartbeat does not wait for its calculation
//	O-1               TestFiltersAreUnitedAndAllWins, TestRequestBesideARunningJobCreatesAnother, TestEveryRequestIsCovered
//	O-3               TestFailedRecalculationWakesAHeldAggregation
//	O-4               TestRecalculationRequestsTheAggregationUnlessItFailed
//	O-5               TestPipelineStatusTellsWhoFailed
//	O-6, O-7          TestAggregationIsHeldWhileRecalculationsWaitOrRun; there is no counter to be wrong
//	O-8               TestEveryModuleIsAggregated
//	O-9               TestUncommittedRequestCannotBeClaimed, TestJoinHoldsOffTheClaimUntilTheJoinerCommits
//	O-10              TestRenewOfALostJobIsErrLost, TestAbortMeetsAFinish, worker TestAbortedJobStaysAborted
//	O-11              TestRequestCreatesThenJoins
//	O-13              TestFinishNeverBreaksTheCurrentIndex; no stub rows are made
//	O-14              TestOneOfManyClaimersWins; what waits does not run, so it holds no connection
//	O-15              TestLostJobIsRequeuedUntilItsAttemptsAreUsedUp, worker TestCutConnectionForfeitsAndRunsAgain
//	O-18              TestTokensAreUniqueAndFitASessionName
//	O-19              TestRenewExtendsTheLeaseAndPublishesProgress: progress has columns of its own, meta is written by the finish
//	O-2, O-12, O-16, O-17  what a calculation reads and writes: shared/emission
package ledger
