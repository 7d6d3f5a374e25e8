// Package stream tells any number of subscribers what becomes of pipelines.
//
//	jobs, pipeline_joins, pipelines ──trigger──► NOTIFY ──► Hub: one connection ──► Subscription ──► Serve: one client
//
// A [Hub] has one connection of its own while anybody subscribes and none otherwise: it starts
// with the first subscriber and ends with the last, so there is nothing to run or to close. It
// reads a pipeline once for all who watch it, keeps the latest [Snapshot], and wakes them. A
// subscriber who is slow misses what was in between, never the latest; nobody waits for it.
//
// # What is never missed
//
// NOTIFY is costly for writers, so they notify only of pipelines that are watched: those whose
// lock the hub holds (see migration 00006_api.sql). A writer that looked for the lock before
// the hub had it, and commits after the hub has read, would go unnoticed. So, having taken the
// lock, the hub takes a transaction id, and looks at the pipeline every now and then until
// every transaction below that id has ended. From then on it need not look. It does all
// the same twice a minute, for whatever else may keep a trigger from firing.
//
// # Failure
//
//	the connection breaks              the hub connects again and looks at everything
//	the record cannot be read          a new subscriber gets [sse.ErrUnavailable]; a stream that is open
//	                                   stays so and says at once that nobody knows, then instead of ping
//	the database was not migrated      the hub looks every two seconds, on its one connection
//	a pooler is in between             notifications may not get through; then half a minute is the limit
//	a client is slow                   it gets the latest when it can, and is cut off when it takes nothing for ten seconds
package stream
