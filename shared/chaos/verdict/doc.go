// Package verdict judges from histories whether promises were kept under faults.
//
// It knows nothing of Tidemark's code: it imports none, asks no database and looks at no clock. It
// is given what requesters, a scraper and the tormentor noted down, what an observer inside the
// database noted of every committed change, and the data as they are in the end ([History]), and
// says what is wrong with it ([Judge]).
//
// What a run can have read is not a matter of clocks. The observer notes with each claim the
// snapshot of the transaction that made it; a request is covered if its transaction is visible
// in the snapshot of a claim of its job, or of the job that superseded it, which then came to its
// end. So a request that committed a microsecond after the claim needs another run, whatever
// the clocks say.
//
//	lost          accepted, or committed, and no run that began later came to its end; or that run's result is not in the data
//	unexpected    nobody asked for it: a job out of nothing, a second run of a job that had ended
//	doubled       two jobs of a scope wait, or run, at one time; a request, an emission, a sum twice
//	stale write   a worker that had lost its job wrote all the same
//	half written  a result without the end of its job, or the reverse
//	untrue scrape a gauge that was true at no moment between the one it names and the answer
//
// A calculation that failed is not lost: it ran, and says so. What it left undone is left out of
// the comparison with the data until a later run covers it.
//
// Gauges are compared with what was committed, at moments that the server noted for each commit.
// A transaction becomes visible somewhat later than that, on a busy machine by the time that
// its process is kept from running: [grace].
package verdict
