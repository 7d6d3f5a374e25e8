// Package overview shows every scope at one moment with what is under way in it.
//
// [Read] takes one look: the freshness of each declared scope as shared/freshness knows it, and a
// [Badge] where jobs of its module and year wait or run, or failed and were not repaired since. A
// failure stays on the badge until a later run of what failed has succeeded. It comes from the record, so it is
// the same after a reload, in another browser, and after a restart of this process.
//
// A [Watch] takes that look for everybody who follows it, as long as somebody does, and tells
// each what has changed.
package overview
