// Package chaos runs Tidemark under faults until a promise breaks, or does not.
//
// `make chaos` builds the binary and runs it as people do: three workers, two schedulers, an
// exporter, each a process of its own that is started again when it ends, on a PostgreSQL and a
// Redis of their own. Each process reaches either through a proxy of its own. Requesters go on all
// the time: through the ledger as a library, in the transaction that changes entries, through the
// HTTP API, by the command line, and with plain asynq tasks. A scraper reads the exporter's page
// four times a second. Meanwhile one fault after the other strikes. In the end everything is
// mended, what was accepted is worked off, and shared/chaos/verdict judges from the histories.
//
//	CHAOS_DURATION   how long faults strike, for example 30m; a minute of it is a test like any other
//	CHAOS_SEED       decides the schedule; printed, so that it can be had again
//	CHAOS_HISTORY    a directory: where the histories are kept; one that has some is judged once more
//
// # Nothing in the product knows of this
//
// There are no hooks. What the fleet did is noted by an observer inside the database: triggers on
// the tables of jobs, requests, emissions and statistics, which write to a schema of their own, in
// the transaction that they watch. So what rolled back was never noted, and no process that is
// killed can take its history along. The triggers on results also sleep for a moment, so that
// runs last long enough to be met although there is little data.
//
// # Where faults strike
//
// A fault is meant for a worker at a step of its work. The step is recognised in what the worker
// sends, by its proxies (frontend, acknowledgement):
//
//	claim     the statement that makes a job RUNNING
//	compute   the first statement that replaces results: DELETE of emissions, UPDATE of statistics
//	commit    the COMMIT of a transaction that has finished a job
//	ack       asynq's script that takes a task off the active list, or archives it
//	idle      the record has no job that the worker runs
//
// The message is held back while the fault strikes, or has just been passed on and its answer is
// held back: then a commit may have happened that nobody was told of. A worker that is killed dies
// in that moment; with other faults, a flushed Redis or a killed scheduler, that is where the
// worker stands as it happens. The schedule is a pack of cards, one for each fault at each
// step, shuffled by the seed and dealt again and again, so that no cell of the matrix stays empty. A
// card whose step does not come within some seconds goes to the bottom.
//
// In the end all workers are killed, the last requests pile up, and Redis is flushed: what nobody
// asks for again must come back by the relay alone.
package chaos
