// Package worker runs jobs.
//
// A worker serves the queues of every deduplicated job type. A task says no more than
// "look at this scope" (shared/signal); what there is to do is read from the record
// (shared/ledger). For each delivery the worker decides what the task asks for
// ([decide]), then runs what can be claimed in the scope:
//
//	claim ──► begin ──► compute, write ──► finish + follow-ups ──► commit ──► signal follow-ups ──► signal what waits
//	              └── heartbeat renews the lease all the while ──┘
//
// A task is one run at most. What was requested in the scope meanwhile is signalled, and takes its
// turn behind the others: a scope that is requested without end does not keep a worker.
//
// Data and finish are one transaction, fenced by the claim's token: a worker that lost its
// job (stopped for longer than its lease, cut off, reaped) writes nothing.
//
// What ends a run, and what follows ([endOf]):
//
//	the calculation returned          SUCCESS or WARNING, committed with its data
//	the calculation failed, panicked  data rolled back, ERROR; never tried again by itself
//	  or ran out of time
//	deadlock, serialization failure   data rolled back, tried again inside the run, three times in all
//	the database went away            data rolled back, given back like a lost worker's job
//	it was told to end our session    data rolled back, released; the run does not count
//	the lease was lost                data rolled back, nothing written: it is somebody else's job
//	its pipeline was aborted          data rolled back, nothing written: the job has ended, and is no failure of the run
//	shutdown                          data rolled back, released; the run does not count
//
// What the worker counts of all this ([metrics]) it serves itself, with its health, as long
// as it runs: METRICS.md describes it.
//
// Redis is not part of a run. asynq's own leases and cancellations are ignored while
// one is under way: a Redis that is away for a minute costs no work.
package worker
