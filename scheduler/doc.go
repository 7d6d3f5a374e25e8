// Package scheduler repairs what the fleet cannot see.
//
// The relay looks for jobs that wait without a live signal, because the requester died
// before it could send one, or Redis lost it, and signals them. The reaper looks for
// jobs that run without a live worker and gives them back. Both read only what waits or
// runs, and both are idempotent: any number of schedulers may run, more of them do the
// same work twice, never wrongly. The compactor folds what shared/freshness keeps, so
// that looks at it stay short.
//
// Each serves what it counts of its work ([metrics]), with its health: METRICS.md describes
// it. That a loop fails shows in the time of its last success, which then stands still.
package scheduler
