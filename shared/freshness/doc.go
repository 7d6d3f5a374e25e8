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
// The metrics, the HTTP answer and the commands all ask this package, so they
// cannot disagree. What is under way ([ActivePipelines], [ActivePipelineKinds],
// [ActiveJobs]) is here for the same reason. No function here writes, and the
// cost of none grows with the number of finished jobs of other scopes: they read
// through the two history indexes of the schema. Every time is the database's.
package freshness
