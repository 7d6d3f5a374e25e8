// Package freshness answers how current the aggregates are.
//
// A scope is a (module type, year) that the report modules declare; a job whose
// scope no report declares is nobody's number, so it is not looked at. The latest
// aggregation of a scope, the one with the highest id, decides by [Classify]
// whether the scope is fresh or in one of the four buckets of [Why]:
//
//	no aggregation at all      no_aggregation_ever
//	waits, runs, state NULL    pending_aggregation_stuck
//	finished with ERROR        last_aggregation_failed
//	finished before the cutoff last_aggregation_too_old
//
// A pending aggregation decides at any age, as in the original. So that it does
// not hide what was known before it, a [Scope] carries the last outcome beside it.
//
// # Drift
//
// Age says little: an hour-old aggregation of data that nobody touched is right, one of a
// minute ago is wrong if an entry came after it. [Drift] tells them apart exactly. Whoever
// changes an entry, an emission, a factor or an airport leaves a mark in scope_changes with the
// id of the transaction. An aggregation keeps the snapshot with which it began to read. A mark that
// is not visible in that snapshot is a change that the numbers may not contain, whichever of
// the two looks older by the clock: a transaction that was open at that moment, and committed a
// millisecond after it, is as invisible as one that began a year later.
//
//	entry changed ──► mark (scope, xid) ──────────┐
//	                                              ▼
//	aggregation began to read ──► snapshot ──► visible? yes: covered, the mark goes as the run finishes
//	                                                    no:  drifted, until a run that sees it
//
// # Cost
//
// A look must not grow with history. What it reads is kept by triggers, whichever program writes
// (shared/postgres/migration/00005_freshness.sql), and only ever by adding: no writer
// waits for another.
//
//	declared_scopes                     a line for each statement that added or removed report modules; the
//	                                    sum counts them, [Compact] folds them
//	data_ingestion_jobs.standing        the finished aggregations that still count; others may bear it too
//	scope_changes                       the marks that no successful aggregation has seen
//
// Where any of it is missing (the original's own database, a dropped or disabled trigger) the same
// answer is searched for in reports and history, and every drift is unknown ([Snapshot.Kept]).
//
// The metrics, the HTTP answer and the commands all ask this package, so they
// cannot disagree. What is under way ([ActivePipelines], [ActivePipelineKinds],
// [ActiveJobs]) is here for the same reason. Every time is the database's.
package freshness
