// Package collector turns the record into metrics.
//
// Every scrape reads the record anew, in one read-only transaction on one
// snapshot, so that all gauges of an answer belong to the same moment. Scrapes
// that arrive meanwhile share it: ten scrapers cost as much as one.
//
// Failures stay where they happen. Each collector works behind a savepoint, with
// at most half of the time that is left, so that a stuck one leaves the others
// theirs; an error, a timeout or a panic costs its own gauges only. Those are then
// absent, never zero, and tidemark_collector_success{collector} is 0: an alert on
// a gauge cannot tell "nothing is stale" from "nobody looked", an alert on that can.
// With PostgreSQL away every collector fails so, and the process stays up.
package collector
