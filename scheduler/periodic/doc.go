// Package periodic requests computations at the times of a calendar.
//
// The operator's file ([ReadFile]) says what is to be requested when; there is none by default. How
// far each entry is stands in PostgreSQL, in a row that moves on in the transaction which makes the
// request ([Serve]). So of one due time there is one request, however many processes look and
// wherever one dies.
//
// # Missed times
//
// Nothing happens while no scheduler leads. Afterwards the latest due time of each entry is made
// up for, if it is not longer ago than the entry's catch_up; the ones before it, and one that is
// too old, are counted as missed and logged. An entry of a year that no report has yet is not requested
// either, since that would succeed over nothing: it counts as missed, with a warning.
//
// An entry begins when a leader first sees it, and anew when its schedule or zone has changed; what
// the former schedule left undone is counted as missed. One that is taken out of the file is
// remembered: put back under its name it is behind, as if nobody had led. The file is read when the
// process starts.
//
// # Clocks that are put forward and back
//
// A schedule is in the clock time of its zone ([Schedule.Next]):
//
//   - A time that the clock skips is due once, at the moment of the shift.
//   - Of an hour that comes twice, the first counts: what is due at a given time runs once.
//   - A schedule with * as its hour means every hour that passes: in the skipped one nothing is due,
//     in the repeated one it is due again.
//
// What time it is says the database.
package periodic
