// Package scheduler repairs what the fleet cannot see.
//
// The relay looks for jobs that wait without a live signal, because the requester died
// before it could send one, or Redis lost it, and signals them. The reaper looks for
// jobs that run without a live worker and gives them back. Both read only what waits or
// runs. The sweeper removes tasks from Redis that outlived their use: a failed job's task stays in
// asynq's archive, for people to see and to run again, until a later job of its scope has come to
// an end. The calendar requests what the operator's periodic entries ask for (scheduler/periodic).
// Retention removes history that is older than a setting and needed by nothing. Health says when more
// waits for workers than should. The compactor folds what shared/freshness keeps, so that looks at
// it stay short.
//
// # One leader
//
// Any number of schedulers may run; one of them works, the others stand by. The leader is who
// holds an advisory lock of the database, in a session on a connection of its own:
//
//	stopped                    the loops end, then the connection: a standby has the place within a second
//	killed, cut off            the server notices the end of the connection, and frees the place, at once
//	stopped by a debugger,     the server ends a session of which it hears nothing for six seconds; the
//	or behind a dead link      leader, which hears nothing either, ends its loops after three
//	session ended, failover    the leader's next word, within a second, finds no session
//
// So two leaders at one moment need a process that stood still for longer than the difference. It
// would do no harm: whatever a loop writes is guarded where it is written, not by who leads.
// Signals may be doubled; a reap asks again, behind the scope's door, whether the lease is over; a
// task is removed only as it was seen; a periodic entry is served under the lock of its row, which
// moves on with the request; what is removed from the history is history whoever asks; a fold takes
// a lock. The election saves work.
//
// A session's lock needs a session: straight to the server, or by a pooler in session mode. One in
// transaction mode hands sessions around; it is recognised, and refused.
//
// Each scheduler serves what it counts of its work ([metrics]), with its health: METRICS.md
// describes it. That a loop fails shows in the time of its last success, which then stands still.
package scheduler
