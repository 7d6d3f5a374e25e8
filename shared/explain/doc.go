// Package explain says in plain words why a scope is as fresh or as stale as it is.
//
// [Read] collects, in one snapshot of the record, what bears on a scope: its aggregations, the
// recalculations and loads behind them, who asked, what changed since. [Explain] is a pure
// function of that. Command line, console and runbook show its text, so they cannot disagree.
//
// An [Explanation] is a chain: what people see comes first, each cause is followed by its own,
// and the last one is the root. What to do about it are commands that can be pasted.
package explain
