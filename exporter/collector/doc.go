// Package collector turns the record into metrics, with what Redis holds of the queues beside it.
//
// Every scrape reads its sources anew, side by side: PostgreSQL in one read-only
// transaction on one snapshot, so that all gauges of the record belong to the same
// moment, and Redis, where it is given one, in one script. Scrapes that arrive
// meanwhile share it: ten scrapers cost as much as one. All of it ends before the
// scraper hangs up. For whoever comes by the clock, as Prometheus does, reading begins a
// second before ([Metrics.WorkAhead]): a machine at full load then makes the page wait, not
// the scraper. What was read a second ago says so, in tidemark_snapshot_timestamp_seconds.
//
// # What a failure costs
//
// Failures stay where they happen. A source that is away or slow costs its own
// collectors only. Each collector of the record works behind a savepoint, with at
// most half of the time that is left, so that a stuck one leaves the others theirs;
// an error, a timeout or a panic costs its own gauges only, also those that it had
// read before. They are then absent, never zero, and tidemark_collector_success{collector}
// is 0: an alert on a gauge cannot tell "nothing is stale" from "nobody looked", an
// alert on that can. With everything away every collector fails so, and the process
// stays up. The reason is in the log.
//
// # Who is not believed
//
// A source that answers may still not know. A PostgreSQL in recovery and a Redis that
// replicates another are refused: they may lag, and a lagging copy with today's clock
// calls fresh what it has not heard of. A Redis that loads its data, or has something
// of another type in asynq's places, is refused as a whole. An empty Redis is believed:
// there is nothing in it, and the record knows which jobs wait for their signal.
//
// What cannot be noticed is a former primary that was cut off and goes on alone. Nothing
// is written there any more, so that everything grows too old: it is loud, not green.
//
// A database that was never migrated is read as the original left it: slower, with the same
// answers. That nobody knows there what drifted shows in tidemark_drift_unknown_scopes.
//
// # Times
//
// Moments are given as timestamps, by the clock of the source (or, for pending tasks, of
// whoever sent them), so that their age is right however old the sample is. One that
// nobody knows has no sample.
package collector
