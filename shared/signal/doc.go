// Package signal wakes workers through Redis.
//
// A signal is an asynq task that says "look at this scope". It carries no state worth
// keeping: what is wanted, running and done is in PostgreSQL, so a signal that is lost,
// doubled or late is harmless. The scheduler's relay sends again what got lost.
//
//   - The task id is DedupConfig.TaskID(scope, job), so a thousand requests that join one
//     waiting job are one task. An id conflict is a hint, never an answer.
//   - The payload is the scope in its canonical encoding, alone: operators read it in asynqmon.
//   - A header marks the task as ours and names the job. A task without it comes from a
//     foreign client: the worker makes it a request.
//   - Every task has MaxRetry(0), by construction: there is one place that builds tasks. A
//     failed calculation is archived and never retried by itself.
//
// asynq's Unique option is not used: its lock survives a failed task and would refuse the
// operator's next request.
package signal
