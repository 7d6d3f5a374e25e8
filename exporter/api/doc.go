// Package api answers what programs ask about freshness.
//
//	GET  /v1/sync/health/stale-stats                the stale scopes; ?detail=true says more
//	GET  /v1/sync/active-pipelines                  the pipelines under way, by module
//	GET  /v1/sync/active-pipelines/year/{year}      those of the year as a whole
//	GET  /v1/sync/pipelines                         pipelines, filtered and in pages
//	GET  /v1/sync/pipelines/{id}                    one with its jobs
//	GET  /v1/sync/pipelines/{id}/stream             the same, and again when it changes
//	POST /v1/sync/pipelines/{id}/abort              ends what nobody else wants of it
//	GET  /v1/sync/recalculation-status              which emissions are older than their factors
//	GET  /v1/sync/overview                          every scope, and what is under way in it
//	GET  /v1/sync/overview/stream                   the same, then what changes
//	GET  /v1/sync/scopes/{module}/{year}            one scope, why it is so, its jobs
//	GET  /v1/sync/fleet                             workers and queues
//	POST /v1/sync/aggregate/{module}                a request for the roll-up
//	POST /v1/sync/recalculate-emissions/{module}[/{data_entry_type}]   a request for emissions and roll-up
//	GET  /v1/openapi.json                           all of this, for programs
//
// Paths, parameters and fields are those of the original, which its clients go on using. What
// is new comes beside: with ?detail=true, or as a field more where the original's own two
// forms of an object differ (a job of a pipeline has job_id everywhere; id is the same number,
// for clients of the stream). An error is a problem (RFC 9457).
//
// # Who may
//
// Every route wants an identity ([Options.Authenticator]); reading is open to all where
// [Options.Anonymous] says so. Who may see some modules only gets lists of these, and 403 for a
// pipeline that touches others. A request needs the right to request, is limited per
// caller, and is recorded with its caller, reason and request id.
//
// On a database of the original that was not migrated everything that reads works, slower, but for the
// answer about one scope; streams of pipelines look for changes every two seconds, and requests are refused.
//
// # What it costs
//
// A request that reads takes a connection of the pool for its queries. A stream takes none:
// package stream reads for all of them, and the overview's streams share the looks of package
// overview. stale-stats and overview grow with the number of scopes,
// recalculation-status with that of data entry types and of factor loads of the year, the
// active pipelines with what is active. The list reads the newest jobs first and widens its
// look until the page is full, so it grows with the offset; a filter that fits few pipelines
// makes it read all jobs. It counts to a thousand.
package api
