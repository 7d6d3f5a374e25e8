// Package job is the vocabulary of derived work as pure types.
//
// A [Scope] is what one job covers. A [DedupConfig] says which columns make a
// scope of a job type unique; everything about uniqueness is derived from it:
// the partial unique index and the conflict target of the insert (in the
// record), the task id, queue and payload (in Redis). A new deduplicated job
// type is one more value in [Configs] plus one migration.
//
// The package does no I/O. The record itself is kept by shared/ledger, the
// wake-up calls by shared/signal.
package job
