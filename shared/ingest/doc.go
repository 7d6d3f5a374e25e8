// Package ingest loads CSV files into the tables that emissions are computed from.
//
// There are three kinds of files: activity data ([Entries]), emission factors
// ([Factors]) and airports ([Airports]). Each load promises the same:
//
//   - A file is read twice. The first pass judges every row; a file with bad rows is
//     refused with all of them at once ([BadRowsError]), before anything is written.
//     The second pass streams the rows into PostgreSQL. A file that changes in between
//     is refused as well. Neither pass keeps rows: memory grows with the distinct units or
//     keys of a file, not with its length.
//   - Rows, the finished root job that describes them and the requests for the
//     recalculations they make necessary are one transaction. There is never new data
//     that nothing is going to compute.
//   - The requests come last in it, because they keep workers from the scope until the
//     commit. The caller signals [Report.Tickets] afterwards.
//   - Loads of the same data run one after the other. Loads of different data may run
//     at the same time, also where both create the same units.
//   - Factors or airports that are all known already write nothing: no job, no request.
//
// # Rows
//
// The files are UTF-8 with commas and one header; a byte order mark is passed over.
// Rows without any content are ignored. Unknown columns are an error, lest a misspelt
// one go missing. Lines are those of the file, with quoted line breaks counted.
//
// # Where the results differ from the original's
//
//   - A bad row refuses the file unless the caller has it skipped. The original always skips.
//   - Replacing entries is atomic whatever their number. The original commits in between.
//   - A flight from or to an airport that is not loaded is named at once. The original says nothing, neither here nor in the calculation.
//   - Loading airports requests the recalculation of every year with flights. The original leaves their emissions as they are.
package ingest
